"""The command line."""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from functools import partial, reduce
from pathlib import Path
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from harness import __version__
from harness.build_store import DEFAULT_LIMIT, BuildStore
from harness.bundled import bundled_scenarios
from harness.display import showing
from harness.doctor import checks, usable
from harness.errors import ExitCode, HarnessError, TapeError, refusal
from harness.internet.recorder import Recorder
from harness.internet.tape import read_index
from harness.known import load_known, with_known, written
from harness.reports import console as console_report
from harness.reports import json as json_report
from harness.reports import matrix as matrix_report
from harness.reports import tape as tape_report
from harness.runner import run_scenarios
from harness.sandboxes import MEBIBYTE, Limits
from harness.scenarios.imported import PYTHON_FILES, scenario_text, with_root_requirements
from harness.scenarios.project import DEFAULT_LAST, DEFAULT_PATHS, Project, ProjectError
from harness.scenarios.scenario import load_scenarios
from harness.schema import SCHEMAS, rendered, schema
from harness.session import DEFAULT_BUILDPACK, Session, Settings
from harness.stack.image import build_image, kept_images
from harness.stack.runtime import available_runtimes, pack_runtime
from harness.store import Store, default_root
from harness.verdict import Run

_PLAIN_WIDTH = 160
_MEGABYTE = 1_000_000


def main() -> None:
    """The `cache-harness` command: exits 0 as expected, 1 on a finding, 2 where it cannot tell."""
    # A terminated run ends as an interrupted one does, so that it leaves nothing behind either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        _say_error("interrupted")
        status = ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        _say_error("interrupted")
        status = ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        status = ExitCode.UNKNOWN
    except HarnessError as error:
        _say_error(str(error))
        status = error.exit_code
    except (BrokenPipeError, SystemExit):
        # Whoever read the output has gone, and there is nobody to tell; click and rich then exit
        # with 1, which would be a finding.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = ExitCode.UNKNOWN
    except OSError as error:
        refused = refusal(error)
        if refused is None:
            raise
        _say_error(str(refused))
        status = refused.exit_code
    sys.exit(int(status or 0))


def _say_error(text: str) -> None:
    Console(stderr=True, soft_wrap=True).print(f"cache-harness: {text}", markup=False, style="red")


def _output() -> Console:
    console = Console(soft_wrap=True)
    return console if console.is_terminal else Console(soft_wrap=True, width=_PLAIN_WIDTH)


_store_option = click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_root,
    show_default="CACHE_HARNESS_STORE, or the platform's cache folder",
    metavar="DIR",
    help="Where builds, images, runtimes and build tools are kept between runs.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cache-harness")
def cli() -> None:
    """Proves whether a buildpack's cached builds equal clean ones, and names what differs."""


_scenarios_argument = click.argument("scenarios", nargs=-1, type=click.Path(path_type=Path))

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
    _store_option,
)


def _runs(command: Callable[..., int]) -> Callable[..., int]:
    """Gives a command the options of everything that runs builds."""
    return reduce(lambda decorated, option: option(decorated), reversed(_running_options), command)


@cli.command()
@_scenarios_argument
@click.option(
    "--buildpack",
    default=DEFAULT_BUILDPACK,
    show_default=True,
    metavar="PATH|GIT-URL@REF|NAME",
    help="The buildpack: a folder, a git URL or local repository at a revision, or a bundled name.",
)
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


@cli.command()
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


@cli.command()
@_scenarios_argument
@click.option(
    "--buildpack",
    default=DEFAULT_BUILDPACK,
    show_default=True,
    metavar="PATH|GIT-URL@REF|NAME",
    help="The buildpack, as for `run`.",
)
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
    console = _output()
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
        found = run_scenarios(loaded, session=session, jobs=jobs, observer=observer)
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


@cli.command("import")
@click.argument("repository", type=click.Path(path_type=Path))
@click.argument("revisions", default="HEAD")
@click.option(
    "--last",
    type=click.IntRange(min=2),
    metavar="N",
    help=f"Take the newest N of the commits.  [default: a range's all, else {DEFAULT_LAST}]",
)
@click.option(
    "--path",
    "paths",
    multiple=True,
    metavar="GLOB",
    help="Take the files that match, from the repository's root; may be given more than once."
    f"  [default: {' '.join(DEFAULT_PATHS)}]",
)
@click.option(
    "--requirements",
    metavar="FILE",
    help="Give the app a requirements.txt at its root that includes this file, where it has none."
    "  [default: none is added]",
)
@click.option(
    "--keep-python",
    is_flag=True,
    help=f"Keep the project's own {' and '.join(PYTHON_FILES)}, instead of ${{python@default}}.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the scenario to this file.  [default: to the standard output]",
)
def import_(
    *,
    repository: Path,
    revisions: str,
    last: int | None,
    paths: tuple[str, ...],
    requirements: str | None,
    keep_python: bool,
    output: Path | None,
) -> None:
    """Makes a scenario of a real project's commits that touch its requirements.

    REPOSITORY is the folder of a clone; REVISIONS a range A..B, or the revision to go back from,
    HEAD where none is given.
    """
    beside = {} if keep_python else PYTHON_FILES
    included = () if requirements is None else (requirements, "requirements.txt")
    sought = (paths or DEFAULT_PATHS) + included
    project = Project(repository=repository, paths=sought, without=tuple(beside))
    commits = project.commits(revisions, last=last)
    if requirements is not None:
        for commit in commits:
            if not {requirements, "requirements.txt"} & commit.files.keys():
                raise ProjectError(
                    f"--requirements {requirements}: there is no such file"
                    f" at commit {commit.short} of {repository}",
                    hint="name one that is there from the first of the commits, or begin later",
                )
        commits = tuple(with_root_requirements(commit, requirements) for commit in commits)
    description = (
        f"After each of {len(commits)} commits that touch the requirements of {project.name},"
        " a cached build is like a clean one"
    )
    text = scenario_text(commits, description=description, beside=beside)
    if output is None:
        click.echo(text, nl=False)
        return
    _check_writable("--output", output)
    _write("--output", output, text)
    told = f"{output}: {len(commits)} commits, {commits[0].short} to {commits[-1].short}"
    _output().print(told, markup=False, highlight=False)


@cli.group()
def image() -> None:
    """The stack image that builds run in."""


@image.command("build")
@click.option("--suite", metavar="NAME", help="A Debian or Ubuntu suite.  [default: by the host]")
@click.option("--mirror", metavar="URL", help="A package archive.  [default: the host's own]")
@click.option("--fresh", is_flag=True, help="Make it anew though one is kept.")
@_store_option
def image_build(suite: str | None, mirror: str | None, fresh: bool, store: Path) -> None:  # noqa: FBT001
    """Makes the stack image from the distribution's packages and names it by its content."""
    console = _output()
    with showing(console) as observer:
        made = build_image(
            Store(root=store), suite=suite, mirror=mirror, fresh=fresh, on_line=observer.note
        )
    console.print(made.tag, markup=False)


@image.command("list")
@_store_option
def image_list(store: Path) -> None:
    """Lists the kept images, newest first."""
    rows = [(kept.tag, kept.suite, kept.built) for kept in kept_images(Store(root=store))]
    _output().print(_grid(("image", "suite", "built"), rows))


@cli.group()
def runtime() -> None:
    """Python runtimes, for buildpacks that download one."""


@runtime.command("pack")
@click.argument("prefix", type=click.Path(path_type=Path, exists=True))
@_store_option
def runtime_pack(prefix: Path, store: Path) -> None:
    """Packs the CPython installed at PREFIX (a prefix or an executable) and keeps the archives."""
    kept = Store(root=store)
    images = kept_images(kept)
    packed = pack_runtime(prefix, kept, image=images[0] if images else None)
    _output().print(f"Python {packed.version}: {packed.gz.parent}", markup=False)


@runtime.command("list")
@_store_option
def runtime_list(store: Path) -> None:
    """Lists the kept runtimes, newest version first."""
    rows = [(kept.version, kept.origin) for kept in available_runtimes(Store(root=store))]
    _output().print(_grid(("version", "packed from"), rows))


@cli.group("tape")
def tape_group() -> None:
    """What real hosts answered once, and is answered from a file ever after."""


@tape_group.command("show")
@click.argument("file", type=click.Path(path_type=Path))
def tape_show(file: Path) -> None:
    """Lists what FILE holds: each answer with what selects it, and the build tools."""
    _output().print(tape_report.listing(read_index(file)), highlight=False)


@cli.group("store")
def store_group() -> None:
    """What is kept between runs."""


@store_group.command("show")
@_store_option
def store_show(store: Path) -> None:
    """Shows what takes how much room."""
    kept = Store(root=store)
    stored = BuildStore(kept)
    builds = stored.listing()
    caches = [one.listing for one in builds if one.has_cache]
    contents = stored.contents_rooms()
    rows = [
        ("builds", str(len(builds)), _megabytes(sum(one.size for one in builds))),
        ("their caches", str(len(caches)), _megabytes(sum(caches))),
        ("contents of both", str(len(contents)), _megabytes(sum(contents))),
    ]
    for folder in (kept.images, kept.runtimes, kept.tools, kept.releases):
        found = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
        count = sum(1 for one in folder.glob("*") if not one.name.startswith("."))
        rows.append((folder.name, str(count), _megabytes(found)))
    console = _output()
    console.print(str(store), markup=False, highlight=False)
    console.print(_grid(("", "count", "MB"), rows))


@store_group.command("prune")
@click.option(
    "--size",
    type=click.FloatRange(min=0),
    metavar="MB",
    help="Megabytes that builds may take; the least recently used go.  [default: as after a run]",
)
@click.option(
    "--days",
    type=click.FloatRange(min=0),
    help="Drop what was not used for as many days.  [default: whatever its age]",
)
@click.option("--all", "everything", is_flag=True, help="Drop every build and what was judged.")
@_store_option
def store_prune(size: float | None, days: float | None, everything: bool, store: Path) -> None:  # noqa: FBT001
    """Makes room: drops caches, then builds, that were not used for longest."""
    builds = BuildStore(Store(root=store))
    if everything:
        freed = builds.prune(limit=0, age=0)
    elif size is None and days is None:
        freed = builds.make_room()
    else:
        freed = builds.prune(
            limit=DEFAULT_LIMIT if size is None else int(size * _MEGABYTE),
            age=None if days is None else days * 24 * 3600,
        )
    if freed is None:
        raise HarnessError(
            "another run uses the store, so nothing is dropped",
            hint="try again when it has ended; it makes room itself at its end",
        )
    _output().print(f"{_megabytes(freed)} MB freed", markup=False, highlight=False)


@store_group.command("verify")
@_store_option
def store_verify(store: Path) -> int:
    """Reads every stored build whole, and drops those that are damaged."""
    console = _output()
    builds = BuildStore(Store(root=store))
    with builds.in_use():
        damaged = list(builds.verify())
    for key, fault in damaged:
        console.print(f"{key[:12]}: {fault}; dropped", markup=False, highlight=False)
    whole = len(builds.listing())
    console.print(f"{whole} builds whole, {len(damaged)} damaged", markup=False, highlight=False)
    return int(ExitCode.FINDING if damaged else ExitCode.EXPECTED)


def _megabytes(count: int) -> str:
    return f"{count / _MEGABYTE:,.1f}"


@cli.command()
@_store_option
def doctor(store: Path) -> int:
    """Checks the machine: engine, image, bubblewrap, git, disk; says what to do for each."""
    console = _output()
    found = checks(Store(root=store))
    for check in found:
        mark = "[green]ok[/]  " if check.ok else "[red]no[/]  "
        console.print(mark + escape(f"{check.name}: {check.found}"))
        if not check.ok:
            console.print(escape(f"      {check.advice}"))
    return int(ExitCode.EXPECTED if usable(found) else ExitCode.UNKNOWN)


@cli.command("schema")
@click.argument("what", type=click.Choice(list(SCHEMAS)), default="scenario")
def schema_command(what: str) -> None:
    """Prints the JSON Schema of a kind of file, for editors."""
    click.echo(rendered(schema(what)), nl=False)


def _grid(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    grid = Table(*titles, box=None, pad_edge=False)
    for row in rows:
        grid.add_row(*row)
    return grid


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
    _check_writable(option, path)
    return lambda run: _write(option, path, render(run))


def _check_writable(option: str, path: Path) -> None:
    if not path.parent.is_dir() or path.is_dir():
        raise HarnessError(
            f"{option}: {path} cannot be written", hint="name a file in a folder that is there"
        )


def _write(option: str, path: Path, text: str) -> None:
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        staged.write_text(text, encoding="utf-8")
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise HarnessError(f"{option}: {error.strerror}", hint="choose another file") from error
