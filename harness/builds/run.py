"""One recipe run on one app tree and one cache, in a sandbox, with what it leaves behind."""

import os
import shlex
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.buildpacks import Command, Paths, Recipe
from harness.buildpacks.sequence import Neighbour, in_a_row
from harness.buildpacks.source import Buildpack
from harness.internet import Internet, Request
from harness.internet.server import InternetServer
from harness.sandboxes import End, Job, Limits, Mount, Outcome, Sandbox
from harness.scenarios.tree import Tree, write_tree
from harness.trees.file_reader import OPEN_FILE

_SHELL = "/bin/sh"
_STEPS = "/run/build-steps"
_RELEASED = "released"
_STATUSES = "statuses"
_LONGEST_RELEASE = 64 * 1024
_LONGEST_STATUSES = 4096

OnLine = Callable[[str], None]
LayOut = Callable[[Path], None]
"""Makes a folder, at a path where nothing is yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that goes into a build, apart from its cache.

    Attributes:
        app: The app's files.
        mtime: Their modification time, in seconds since the epoch; None for the present.
        buildpack: What builds it.
        row: The buildpacks in the order in which they run; None stands for `buildpack`.
        internet: What it can reach.
        env: Config vars.
        stack: The value of STACK.
        build_path: Where the app lies inside the sandbox.
        cache_apart: Whether the cache is on another mount than the build.
        limits: What the build may use.
    """

    app: Tree
    mtime: int | None
    buildpack: Buildpack
    internet: Internet
    env: tuple[tuple[str, str], ...]
    stack: str
    build_path: str
    row: tuple[Neighbour | None, ...] = (None,)
    cache_apart: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What a build did and left behind.

    Attributes:
        outcome: How it ended.
        failed: The command that decided a failure; empty where it passed.
        log: Its whole output.
        tree: The build dir as it was left.
        cache: The cache dir as it was left.
        requests: What it asked the sealed internet for.
        released: What its commands told the platform of what is deployed.
        began: When it began, in seconds since the epoch; what is older was there before it.
    """

    outcome: Outcome
    failed: str
    log: Path
    tree: Path
    cache: Path
    requests: tuple[Request, ...]
    began: float
    released: str = ""


def run_build(
    inputs: Inputs,
    *,
    cache: LayOut | None,
    sandbox: Sandbox,
    server: InternetServer,
    trust: tuple[tuple[Mount, ...], tuple[tuple[str, str], ...]],
    folder: Path,
    on_line: OnLine | None = None,
) -> Build:
    """Runs one build to its end.

    Args:
        inputs: What goes in.
        cache: Lays out the cache that the build is given; None for an empty one.
        sandbox: Where it runs.
        server: Answers for the inputs' internet.
        trust: The mounts and variables by which a sandbox trusts the server.
        folder: A new folder for the build's files; it is made and belongs to the result.
        on_line: Called with each line of output, without its end.

    Raises:
        SandboxError: The sandbox could not be made or was lost. A build's own failure is a result.
        StoreError: The cache cannot be laid out.
    """
    began = time.time()
    paths = _lay_out(inputs, cache=cache, folder=folder)
    recipe = _recipe(inputs, paths, folder)
    mounts, trusted_env = trust
    job = Job(
        argv=(_SHELL, "-c", script(recipe)),
        env=(*recipe.env, *trusted_env),
        cwd=recipe.cwd,
        mounts=(*_mounts(inputs, folder), *mounts),
        limits=inputs.limits,
    )
    requests: list[Request] = []
    log = folder / "log"
    with log.open("wb") as sink:
        lines = _Lines(on_line)

        def keep(chunk: bytes) -> None:
            sink.write(chunk)
            lines.feed(chunk)

        serve = server.serving(inputs.internet, requests.append)
        outcome = sandbox.run(job, serve=serve, on_output=keep)
        lines.end()
    return Build(
        outcome=outcome,
        failed=_failed_command(folder / "steps", recipe, outcome),
        log=log,
        tree=_real_folder(_host_path(inputs.build_path, folder)),
        cache=_real_folder(_host_path(paths.cache, folder)),
        requests=tuple(requests),
        released=_noted(folder / "steps" / _RELEASED, _LONGEST_RELEASE),
        began=began,
    )


def own_recipe(buildpack: Buildpack, *, stack: str, build_path: str, cache_apart: bool) -> Recipe:
    """What a buildpack runs for a build, apart from others in its row; see `Inputs`."""
    paths = _paths(build_path, cache_apart=cache_apart)
    return buildpack.kind.recipe(buildpack.folder, paths, stack=stack)


def script(recipe: Recipe) -> str:
    """A shell script that runs a recipe's commands in order and exits as the first failing one.

    Each command's name and status are appended to a file that the harness reads afterwards.
    """
    lines = ["failed=0"]
    for command in recipe.commands:
        quietly = " >/dev/null" if command.silent else ""
        run = f"{_run(command)}{quietly}; status=$?"
        if command.deployed:
            told = f"{_STEPS}/{_RELEASED}"
            run = f"{_run(command)} >{told}.new; status=$?; cat {told}.new; cat {told}.new >>{told}"
        note = f'echo "{command.name} $status" >>{_STEPS}/{_STATUSES}'
        decide = '[ "$failed" -ne 0 ] || failed=$status' if command.decides else ":"
        body = f"{run}; {note}; {decide}"
        lines.append(body if command.always else f'if [ "$failed" -eq 0 ]; then {body}; fi')
    lines.append('exit "$failed"')
    return "\n".join(lines)


def _run(command: Command) -> str:
    """A command for a shell; what it sources stays its own."""
    run = shlex.join(command.argv)
    if not command.sources:
        return run
    files = shlex.join(command.sources)
    return f'(for file in {files}; do [ ! -f "$file" ] || . "$file"; done; exec {run})'


def _recipe(inputs: Inputs, paths: Paths, folder: Path) -> Recipe:
    """What all buildpacks of the row run."""
    kind, recipes = inputs.buildpack.kind, []
    for one in inputs.row:
        own = paths if one is None else _neighbour_paths(paths, one)
        files = _host_path(own.buildpack, folder)
        recipes.append((one.name if one else "", kind.recipe(files, own, stack=inputs.stack)))
    return in_a_row(recipes)


def _paths(build_path: str, *, cache_apart: bool) -> Paths:
    return Paths(
        buildpack="/tmp/buildpack",  # noqa: S108 - a path inside the sandbox
        build=build_path,
        cache="/cache/app" if cache_apart else "/tmp/cache",  # noqa: S108
        env="/tmp/env",  # noqa: S108
        home="/app",
    )


def _neighbour_paths(paths: Paths, neighbour: Neighbour) -> Paths:
    return replace(paths, buildpack=f"/tmp/buildpacks/{neighbour.name}")  # noqa: S108


def _lay_out(inputs: Inputs, *, cache: LayOut | None, folder: Path) -> Paths:
    """Lays the build's folders out on the host as the sandbox will see them."""
    paths = _paths(inputs.build_path, cache_apart=inputs.cache_apart)
    for name in ("tmp", "app", "cache", "steps"):
        (folder / name).mkdir(parents=True)
    (folder / "tmp").chmod(0o1777)
    write_tree(inputs.app, _host_path(paths.build, folder), mtime=inputs.mtime)
    here = _host_path(paths.cache, folder)
    if cache is None:
        here.mkdir()
    else:
        cache(here)
    # The buildpack API lets a buildpack write `export` beside its `bin`, so each build has a copy.
    shutil.copytree(inputs.buildpack.folder, _host_path(paths.buildpack, folder), symlinks=True)
    for neighbour in filter(None, dict.fromkeys(inputs.row)):
        write_tree(
            neighbour.files, _host_path(_neighbour_paths(paths, neighbour).buildpack, folder)
        )
    env = _host_path(paths.env, folder)
    env.mkdir()
    for name, value in inputs.env:
        (env / name).write_text(value, encoding="utf-8")
    return paths


def _mounts(inputs: Inputs, folder: Path) -> tuple[Mount, ...]:
    mounts = [
        Mount(source=folder / "tmp", target="/tmp", writable=True),  # noqa: S108
        Mount(source=folder / "app", target="/app", writable=True),
        Mount(source=folder / "steps", target=_STEPS, writable=True),
    ]
    if inputs.cache_apart:
        mounts.append(Mount(source=folder / "cache", target="/cache", writable=True))
    return tuple(mounts)


def _host_path(path: str, folder: Path) -> Path:
    return folder / path.removeprefix("/")


def _real_folder(path: Path) -> Path:
    """The folder itself: what a build put in its place is dropped, as a link may point anywhere."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        path.mkdir()
    return path


def _failed_command(steps: Path, recipe: Recipe, outcome: Outcome) -> str:
    """The command that decided a failure, by the statuses that the script noted."""
    if outcome.end is End.EXITED and outcome.status == 0:
        return ""
    deciding = [command.name for command in recipe.commands if command.decides]
    text = _noted(steps / _STATUSES, _LONGEST_STATUSES)
    noted = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    for name in deciding:
        if noted.get(name) != "0":
            return name
    return deciding[-1]


def _noted(path: Path, longest: int) -> str:
    """The beginning of what the script noted in a file; empty where it is no regular file."""
    try:
        file = os.open(path, OPEN_FILE)
    except OSError:
        return ""
    with os.fdopen(file, "rb") as stream:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return ""
        return stream.read(longest).decode("utf-8", "replace")


class _Lines:
    """Cuts a stream of bytes into lines of text."""

    _LONGEST = 4096

    def __init__(self, on_line: OnLine | None) -> None:
        self._on_line = on_line
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        if self._on_line is None:
            return
        *whole, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[-self._LONGEST :]
        for line in whole:
            self._on_line(line[-self._LONGEST :].decode("utf-8", "replace").rstrip("\r"))

    def end(self) -> None:
        if self._on_line is not None and self._rest:
            self._on_line(self._rest.decode("utf-8", "replace"))
            self._rest = b""
