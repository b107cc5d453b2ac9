"""`run`, `matrix` and `record`: what runs builds."""

import os
from collections.abc import Callable
from functools import partial, reduce
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType

from harness.bundled import bundled_scenarios
from harness.commands.output import check_writable, stdout, store_option, write_file
from harness.errors import HarnessError, TapeError
from harness.internet.recorder import Recorder
from harness.reports import console as console_report
from harness.reports import json as json_report
from harness.reports import matrix as matrix_report
from harness.reports import tape as tape_report
from harness.runs.display import showing
from harness.runs.runner import run_scenarios
from harness.runs.session import DEFAULT_BUILDPACK, Session, Settings
from harness.sandboxes import MEBIBYTE, Limits
from harness.scenarios.scenario import load_scenarios
from harness.storage.store import Store
from harness.verdicts.known import load_known, with_known, written
from harness.verdicts.result import Run

_scenarios_argument = click.argument("scenarios", nargs=-1, type=click.Path(path_type=Path))

_buildpack_option = click.option(
    "--buildpack",
    default=DEFAULT_BUILDPACK,
    show_default=True,
    metavar="PATH|GIT-URL@REF|NAME",
    help="The buildpack: a folder, a git URL or local repository at a revision, or a bundled name.",
)

_running_options = (
    click.option(
        "--sandbox",
        metavar="docker|bubblewrap",
        help="Where builds run.  [default: docker where an engine answers, else bubblewrap]",
    ),
    click.option(
        "--image",
        metavar="IMAGE",
        help="The stack image: a Docker image, for bubblewrap an unpacked one's folder or `host`."
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


def _runs(command: Callable[..., int]) -> Callable[..., int]:
    """Gives a command the options of everything that runs builds."""
    return reduce(lambda decorated, option: option(decorated), reversed(_running_options), command)


@click.command()
@_scenarios_argument
@_buildpack_option
@click.option(
    "--write-known",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write all that diverges as a list for --known; reasons and links are for people to fill"
    " in, those of --known are taken over.  [default: written nowhere]",
)
@_runs
def run(
    scenarios: tuple[Path, ...], buildpack: str, write_known: Path | None, **options: Any
) -> int:
    """Runs scenarios: builds each commit cached and clean, and compares what was installed.

    SCENARIOS are scenario files and folders of them; without any, the suite that ships.
    """
    return _run(scenarios, (buildpack,), console_report.render, write_known=write_known, **options)


@click.command()
@_scenarios_argument
@click.option(
    "--buildpack",
    "buildpacks",
    multiple=True,
    required=True,
    metavar="PATH|GIT-URL@REF|NAME",
    help="A buildpack, as for `run`; given once for each column, the oldest first.",
)
@_runs
def matrix(scenarios: tuple[Path, ...], buildpacks: tuple[str, ...], **options: Any) -> int:
    """Runs scenarios against several buildpacks, or releases of one, and shows where they part.

    SCENARIOS are scenario files and folders of them; without any, the suite that ships.
    """
    return _run(scenarios, buildpacks, matrix_report.render, **options)


@click.command()
@_scenarios_argument
@_buildpack_option
@click.option("--anew", is_flag=True, help="Begin with an empty tape, whatever FILE holds.")
@_runs
def record(scenarios: tuple[Path, ...], buildpack: str, tape: Path | None, **options: Any) -> int:
    """Runs scenarios and records on a tape what their builds fetch from the real hosts.

    What FILE holds already is answered from it; the rest is fetched and added. Afterwards `run`,
    `matrix` and pytest need no network with `--tape FILE`.

    SCENARIOS are scenario files and folders of them; without any, the suite that ships.
    """
    if tape is None:
        raise click.UsageError("Missing option '--tape': the file that is recorded to.")
    return _run(
        scenarios, (buildpack,), console_report.render, tape=tape, recording=True, **options
    )


def _run(
    scenarios: tuple[Path, ...],
    buildpacks: tuple[str, ...],
    render: Callable[[Run], RenderableType],
    *,
    sandbox: str | None,
    image: str | None,
    jobs: int,
    reports: tuple[str, ...],
    known_files: tuple[Path, ...],
    pythons: tuple[str, ...],
    compare: tuple[str, ...],
    tools: tuple[str, ...],
    timeout: float,
    memory: int,
    fresh: bool,
    keep: bool,
    store: Path,
    tape: Path | None,
    write_known: Path | None = None,
    recording: bool = False,
    anew: bool = False,
) -> int:
    console = stdout()
    writers = [_writer(report) for report in reports]
    known = [load_known(file) for file in known_files]
    if write_known is not None:
        writers.append(_file_writer(f"--write-known {write_known}", write_known, partial(
            written, before=known)))  # fmt: skip
    loaded = load_scenarios(scenarios or (bundled_scenarios(),))
    settings = Settings(
        buildpack=buildpacks[0],
        also=buildpacks[1:],
        sandbox=sandbox,
        image=image,
        store=Store(root=store),
        pythons=pythons,
        compare=compare,
        tools=tools,
        limits=Limits(seconds=timeout, memory=memory * MEBIBYTE),
        keep=keep,
        fresh=fresh,
        tape=tape,
        recording=recording,
        anew=anew,
    )
    recorded: RenderableType | TapeError | None = None
    with showing(console) as observer, Session.open(settings, observer=observer) as session:
        found = run_scenarios(loaded, session=session, jobs=jobs, known=known, observer=observer)
        kept = session.work_folder if keep else None
        if isinstance(session.beyond, Recorder) and tape is not None:
            recorded = _save(session.beyond, tape, found)
    result = with_known(found, known)
    for write in writers:
        write(result)
    console.print(render(result))
    if kept is not None:
        console.print(f"kept: {kept}", markup=False)
    if isinstance(recorded, TapeError):
        raise recorded
    if recorded is not None:
        console.print(recorded)
    return int(result.exit_code)


def _save(recorder: Recorder, tape: Path, run: Run) -> RenderableType | TapeError:
    """Writes the tape; what came of it is told after the run's own report."""
    if any(result.error for result in run.results):
        # What a scenario that could not be judged would have fetched, nobody knows.
        return TapeError(
            f"nothing is recorded on {tape}: not every scenario could be judged",
            hint="see above why, or record only those that can be",
        )
    try:
        saved = recorder.save(tape)
    except TapeError as error:
        return error
    return tape_report.recorded(str(tape), saved, added=recorder.added)


def _writer(report: str) -> Callable[[Run], None]:
    """What writes a report that was asked for; faults show before any build runs.

    Raises:
        HarnessError: The format is unknown, or the file's folder is not there.
    """
    form, equals, name = report.partition("=")
    if form != "json" or not equals or not name:
        raise HarnessError(f"--report {report}: unknown report", hint="--report json=FILE")
    return _file_writer(f"--report {report}", Path(name), json_report.render)


def _file_writer(option: str, path: Path, render: Callable[[Run], str]) -> Callable[[Run], None]:
    check_writable(option, path)
    return lambda run: write_file(option, path, render(run))
