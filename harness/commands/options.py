"""The options of what runs builds: `run`, `matrix` and `record`."""

import os
from collections.abc import Callable
from functools import reduce
from pathlib import Path

import click

from harness.commands.output import store_option
from harness.runs.session import DEFAULT_BUILDPACK

scenarios_argument = click.argument("scenarios", nargs=-1, type=click.Path(path_type=Path))

buildpack_option = click.option(
    "--buildpack",
    default=DEFAULT_BUILDPACK,
    show_default=True,
    metavar="PATH|GIT-URL@REF|NAME",
    help="The buildpack: a folder, a git URL or local repository at a revision, or a bundled name.",
)

_RUNNING = (
    click.option(
        "--sandbox",
        metavar="NAME",
        help="Where builds run.  [default: the one that `cache-harness doctor` names]",
    ),
    click.option(
        "--image",
        metavar="IMAGE",
        help="The stack image, in a form that the sandbox takes."
        "  [default: the harness's own, built once]",
    ),
    click.option(
        "--jobs",
        "-j",
        type=click.IntRange(min=1),
        default=os.cpu_count() or 1,
        show_default="cores",
        help="How many builds run at once.",
    ),
    click.option(
        "--report",
        "reports",
        multiple=True,
        metavar="json=FILE",
        help="Write a report as well; may be given more than once.",
    ),
    click.option(
        "--known",
        "known_files",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        help="What the buildpack is known to do wrong, which is then no finding;"
        " an entry that no longer shows is one. May be given more than once.",
    ),
    click.option(
        "--python",
        "pythons",
        multiple=True,
        metavar="VERSION",
        help="A runtime to use: the first is ${python@default}, the second ${python@other}."
        "  [default: those that the buildpack supports]",
    ),
    click.option(
        "--compare",
        multiple=True,
        metavar="GLOB",
        help="Compare what is under this too, relative to the build dir;"
        " may be given more than once.",
    ),
    click.option(
        "--tool",
        "tools",
        multiple=True,
        metavar="NAME==VERSION",
        help="Serve this build tool from the sealed index too; may be given more than once.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=900.0,
        show_default=True,
        help="Seconds that one build may take.",
    ),
    click.option(
        "--memory",
        type=click.IntRange(min=1),
        default=4096,
        show_default=True,
        help="Mebibytes of memory that one build may use.",
    ),
    click.option(
        "--tape",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A tape, from which builds are answered what their scenarios do not have."
        "  [default: none; it is refused]",
    ),
    click.option("--fresh", is_flag=True, help="Build anew what earlier runs stored."),
    click.option(
        "--keep", is_flag=True, help="Leave the work folder for a look at it, and name it."
    ),
    store_option,
)


def running_options(command: Callable[..., int]) -> Callable[..., int]:
    """Gives a command the options of everything that runs builds."""
    return reduce(lambda decorated, option: option(decorated), reversed(_RUNNING), command)
