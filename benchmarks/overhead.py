"""What the harness adds to a build, over running its recipe bare in the same engine."""

import contextlib
import hashlib
import itertools
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import click
import docker
from docker.types import Mount as EngineMount

from benchmarks import trivial
from benchmarks.commits import commits_of
from benchmarks.machine import this_machine
from benchmarks.options import options
from benchmarks.plain import PlainDocker
from benchmarks.report import Report, Spread, Table, save, show
from benchmarks.stores import cold_store, scratch
from harness.builds.run import run_build
from harness.ecosystems.registry import ecosystems
from harness.errors import HarnessError
from harness.runs.keeping import to_keep
from harness.runs.opening import open_session
from harness.runs.plan import Commit
from harness.runs.session import Session
from harness.runs.settings import Settings
from harness.sandboxes import End, Job, OnOutput, Outcome, Serve
from harness.sandboxes.bubblewrap.rootfs import image_root, resolved
from harness.scenarios.scenario import load_scenarios
from harness.stack.image import kept_images
from harness.storage.store import Store

NAME = "overhead"

_GOALS = {"bubblewrap": 50, "docker": 150}  # milliseconds that a build may take more than bare

_NOTES = {
    "docker": (
        (
            "Bare: the engine's create, start, wait and remove, in the network of a container that"
            " is there, as with the sealed internet: a new network takes the engine longer."
        ),
    ),
}

BARE = "bare"
ALONE = "bare, in a new network"
RUN = "Sandbox.run, no network"
SERVED = "Sandbox.run, with the sealed internet"
BUILT = "run_build"
TASK = "run_build, scan, keep"
COMMAND = "docker run --rm"


@click.command(NAME)
@options(rounds=15)
def command(rounds: int, store: Path, out: Path) -> Path:
    """What the harness adds to a build."""
    with scratch(store) as folder:
        report = measure(store, folder, rounds=rounds)
    save(report, out)
    show(report)
    return out


def measure(store: Path, folder: Path, *, rounds: int) -> Report:
    """Times a trivial build in several layers, in turn.

    Args:
        store: A store with image, runtimes and tools.
        folder: An existing folder for what is made; on the store's file system.
        rounds: How often each layer is timed.

    Raises:
        HarnessError: A build does not do what it should.
    """
    machine = this_machine(folder)
    buildpack = trivial.buildpack(folder / "buildpack")
    scenarios = trivial.scenarios(folder / "suite", count=1, commits=2, apps=1)
    kept = cold_store(store, folder / "store")
    times: dict[str, dict[str, list[float]]] = {}
    for sandbox in _GOALS:
        settings = Settings(buildpack=str(buildpack), sandbox=sandbox, store=kept)
        with open_session(settings) as session:
            (scenario,) = load_scenarios((scenarios,))
            bench = _Bench(session, commits_of(scenario, session)[0], folder / sandbox)
            with _bare(sandbox, bench.job, kept, session.image) as bare:
                times[sandbox] = _timed(bench.layers(bare), rounds)
    return Report(
        name=NAME,
        machine=machine,
        tables=tuple(_table(sandbox, found) for sandbox, found in times.items()),
        measured=times,
    )


def _timed(layers: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each layer, round by round; the first round, which fills caches, is left out."""
    names = list(layers)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        turned = number % len(names)
        for name in (*names[turned:], *names[:turned]):
            began = time.perf_counter()
            layers[name]()
            if number:
                times[name].append(time.perf_counter() - began)
    return times


class _Bench:
    """One build of a commit, whole and in parts."""

    def __init__(self, session: Session, commit: Commit, folder: Path) -> None:
        self._session = session
        self._inputs = session.inputs.of(commit)
        self._folders = (folder / str(number) for number in itertools.count())
        recorder = _Recorder()
        run_build(
            self._inputs,
            replace(session.machine, sandbox=recorder),
            folder=next(self._folders),
        )
        self.job = recorder.jobs[0]

    def layers(self, bare: dict[str, Callable[[], None]]) -> dict[str, Callable[[], None]]:
        """What is timed, from the bare job to all that the harness does for a build."""
        return {
            **bare,
            RUN: self._run,
            SERVED: self._served,
            BUILT: self._build,
            TASK: self._whole,
        }

    def _run(self) -> None:
        _passed(self._session.machine.sandbox.run(self.job, on_output=_drop))

    def _served(self) -> None:
        serve = self._session.machine.server.serving(self._inputs.internet, _drop)
        _passed(self._session.machine.sandbox.run(self.job, serve=serve, on_output=_drop))

    def _build(self) -> None:
        session = self._session
        build = run_build(self._inputs, session.machine, folder=next(self._folders))
        _passed(build.outcome)

    def _whole(self) -> None:
        session = self._session
        folder = next(self._folders)
        build = run_build(self._inputs, session.machine, folder=folder)
        new = to_keep(
            build,
            self._inputs.preparation,
            ecosystems(),
            expected={},
            in_memory=False,
            with_caches=True,
        )
        session.builds.keep(
            hashlib.sha256(secrets.token_bytes()).hexdigest(),
            new,
            parent=None,
        )
        _passed(build.outcome)
        if not any(path.endswith("/x.py") for path in new.trees[0].manifest.entries):
            raise HarnessError("the trivial buildpack's module was not found")


class _Recorder:
    """A `Sandbox` that runs nothing, to learn of a build's job."""

    name = "recorder"

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def run(self, job: Job, *, serve: Serve | None = None, on_output: OnOutput) -> Outcome:
        del serve, on_output
        self.jobs.append(job)
        return Outcome(end=End.EXITED, status=0, seconds=0)

    def close(self) -> None:
        pass


def _drop(_: object) -> None:
    pass


def _passed(outcome: Outcome) -> None:
    if not outcome.passed:
        raise HarnessError(f"the trivial build {outcome.how()}")


# --- bare ------------------------------------------------------------------------------------


@contextlib.contextmanager
def _bare(
    sandbox: str, job: Job, store: Store, image: str
) -> Iterator[dict[str, Callable[[], None]]]:
    """The ways to run the job without the harness."""
    if sandbox == "bubblewrap":
        yield {BARE: _bare_bubblewrap(job, kept_images(store)[0].rootfs)}
        return
    with contextlib.closing(docker.from_env()) as client:
        engine = client.api
        holder = engine.create_container(
            image,
            entrypoint=["sleep", "infinity"],
            host_config=engine.create_host_config(network_mode="none"),
        )["Id"]
        try:
            engine.start(holder)
            shared = f"container:{holder}"
            yield {
                BARE: _bare_docker(job, image, engine, shared),
                ALONE: _bare_docker(job, image, engine, "none"),
                COMMAND: _bare_command(job, image, shared),
            }
        finally:
            engine.remove_container(holder, force=True)


def _bare_bubblewrap(job: Job, rootfs: Path) -> Callable[[], None]:
    """The job in the same image, namespaces and mounts, with no limits and no network to serve."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise HarnessError("bubblewrap is not installed")
    places = [resolved(rootfs, mount.target) for mount in job.mounts]
    command = [
        *(bwrap, "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net"),
        *("--unshare-uts", "--unshare-cgroup-try", "--hostname", "build", "--uid", "1000"),
        *("--gid", "1000", "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--clearenv"),
        *(word for name, value in job.env for word in ("--setenv", name, value)),
        *image_root(rootfs, places),
        *("--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev", "--tmpfs", "/dev/shm"),  # noqa: S108
        *("--tmpfs", "/tmp", "--tmpfs", "/var/tmp", "--tmpfs", "/run"),  # noqa: S108
    ]
    for mount, place in zip(job.mounts, places, strict=True):
        command += ["--bind" if mount.writable else "--ro-bind", str(mount.source), place]
    command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", job.cwd, "--", *job.argv]

    def run() -> None:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)

    return run


def _bare_docker(
    job: Job, image: str, engine: docker.APIClient, network: str
) -> Callable[[], None]:
    """The job in a container of the same image with the same mounts: the engine's own time."""
    mounts = [
        EngineMount(mount.target, str(mount.source), type="bind", read_only=not mount.writable)
        for mount in job.mounts
    ]

    def run() -> None:
        container = engine.create_container(
            image,
            entrypoint=list(job.argv),
            working_dir=job.cwd,
            environment=dict(job.env),
            host_config=engine.create_host_config(network_mode=network, mounts=mounts),
        )["Id"]
        try:
            engine.start(container)
            status = engine.wait(container)["StatusCode"]
        finally:
            engine.remove_container(container, force=True)
        if status:
            raise HarnessError(f"the bare job failed with exit status {status}")

    return run


def _bare_command(job: Job, image: str, network: str) -> Callable[[], None]:
    command = PlainDocker(image).command(job, network)

    def run() -> None:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)

    return run


def _table(sandbox: str, times: dict[str, list[float]]) -> Table:
    bare = Spread.of(times[BARE]).median
    rows = []
    for name, found in times.items():
        spread = Spread.of(found)
        beyond = f"{1000 * (spread.median - bare):.0f}" if name != BARE else ""
        rows.append((name, spread.milliseconds(), beyond))
    return Table(
        title=f"One trivial build in {sandbox}, ms",
        columns=("", "median (least to most)", "more than bare"),
        rows=tuple(rows),
        notes=(
            *_NOTES.get(sandbox, ()),
            (
                f"Goal: all that the harness does for a build takes {_GOALS[sandbox]} ms more"
                f" than bare, at most. {len(times[BARE])} rounds, in turn."
            ),
        ),
    )
