"""The same comparison as a person would script it: `cp -a`, `docker run --rm`, `diff -rq`."""

import contextlib
import queue
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.commits import commits_of
from harness.builds.result import Build
from harness.builds.run import run_build
from harness.errors import SandboxError
from harness.runs.plan import Commit
from harness.runs.session import Session
from harness.sandboxes import (
    NAME_SERVER,
    RESOLVER_OPTIONS,
    End,
    Job,
    Listeners,
    OnOutput,
    Outcome,
    Serve,
    sockets,
)
from harness.scenarios.scenario import Scenario
from harness.scenarios.scenario_file import BuildExpectation
from harness.trees.named import APP
from harness.verdicts.arms import Arm

_CHUNK = 64 * 1024


class PlainDocker:
    """A `Sandbox` of the docker command alone: each job is one `docker run --rm`.

    Jobs with a server share the network of a container that does nothing else, one for each job
    that runs at a time. Limits are not looked after. It takes root, to bind the server's sockets
    in that network.
    """

    name = "docker"

    def __init__(self, image: str) -> None:
        """Args: the image's name or id."""
        self._image = image
        self._holders: list[str] = []
        self._idle: queue.SimpleQueue[tuple[str, Listeners]] = queue.SimpleQueue()

    def run(self, job: Job, *, serve: Serve | None = None, on_output: OnOutput) -> Outcome:
        """Runs a job to its end; see `Sandbox.run`."""
        with contextlib.ExitStack() as stack:
            network = "none"
            if serve is not None:
                holder, listeners = stack.enter_context(self._held())
                network = f"container:{holder}"
                stack.enter_context(serve(sockets.duplicate(listeners)))
            began = time.monotonic()
            with subprocess.Popen(
                self.command(job, network),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            ) as process:
                assert process.stdout is not None  # noqa: S101  (for the type checker: a pipe)
                while chunk := process.stdout.read(_CHUNK):
                    on_output(chunk)
            seconds = time.monotonic() - began
        return Outcome(end=End.EXITED, status=process.returncode, seconds=seconds)

    def command(self, job: Job, network: str) -> list[str]:
        """The `docker run` that runs a job in a network."""
        command = ["docker", "run", "--rm", f"--network={network}", f"--workdir={job.cwd}"]
        command += [f"--env={name}={value}" for name, value in job.env]
        for mount in job.mounts:
            mode = "" if mount.writable else ",readonly"
            command += [f"--mount=type=bind,source={mount.source},target={mount.target}{mode}"]
        return [*command, f"--entrypoint={job.argv[0]}", self._image, *job.argv[1:]]

    def close(self) -> None:
        """Removes the containers that hold networks."""
        while not self._idle.empty():
            sockets.close(self._idle.get()[1])
        if self._holders:
            _docker("rm", "--force", *self._holders)
            self._holders.clear()

    @contextlib.contextmanager
    def _held(self) -> Iterator[tuple[str, Listeners]]:
        try:
            held = self._idle.get_nowait()
        except queue.Empty:
            held = self._hold()
        sockets.drain(held[1])
        try:
            yield held
        finally:
            self._idle.put(held)

    def _hold(self) -> tuple[str, Listeners]:
        dns = (f"--dns={NAME_SERVER}", *(f"--dns-option={each}" for each in RESOLVER_OPTIONS))
        run = ("run", "--detach", "--network=none", *dns)
        holder = _docker(*run, self._image, "sleep", "infinity")
        self._holders.append(holder)
        pid = _docker("inspect", "--format={{.State.Pid}}", holder)
        return holder, sockets.bound_in_network_of(int(pid))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainBuild:
    """One build: the number of its commit, from 1, its arm, and seconds from copying to its end."""

    commit: int
    arm: Arm
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainScenario:
    """What a scenario took and showed.

    Attributes:
        name: The scenario's.
        seconds: Wall time of all of it.
        builds: Every build, in order.
        lines: How many lines `diff -rq` wrote, commit by commit.
    """

    name: str
    seconds: float
    builds: tuple[PlainBuild, ...]
    lines: tuple[int, ...]

    @property
    def needless(self) -> float:
        """Seconds of the first commit's second build, which has no cache to be told apart by."""
        return next(one.seconds for one in self.builds if one.arm is Arm.CACHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainRun:
    """What the whole suite took, in seconds of wall time, and its scenarios."""

    seconds: float
    scenarios: tuple[PlainScenario, ...]


def run_plainly(
    scenarios: Sequence[Scenario], *, session: Session, image: str, jobs: int, folder: Path
) -> PlainRun:
    """Builds each commit with the cache of the one before, and without one, and runs diff.

    What the builds are made from is prepared before the clock starts, and nothing is removed while
    it runs.

    Args:
        scenarios: What to run.
        session: Gives the builds' inputs and answers what they ask the internet for.
        image: The Docker image.
        jobs: How many scenarios run at once.
        folder: An existing folder for the builds.

    Raises:
        SandboxError: A build without a cache did not end as its scenario says.
    """
    commits = [commits_of(scenario, session) for scenario in scenarios]
    for commit in (commit for each in commits for commit in each):
        session.inputs.of(commit)
    sandbox = PlainDocker(image)
    with contextlib.closing(sandbox), ThreadPoolExecutor(jobs) as pool:
        began = time.monotonic()
        waiting = [
            pool.submit(_scenario, each, session, sandbox, folder / str(number))
            for number, each in enumerate(commits)
        ]
        found = tuple(one.result() for one in waiting)
        return PlainRun(seconds=time.monotonic() - began, scenarios=found)


def _scenario(
    commits: Sequence[Commit], session: Session, sandbox: PlainDocker, folder: Path
) -> PlainScenario:
    began = time.monotonic()
    cache: Path | None = None
    builds: list[PlainBuild] = []
    lines: list[int] = []
    for number, commit in enumerate(commits, 1):
        trees: list[Path] = []
        left = cache
        for arm in (Arm.CACHED, Arm.CLEAN):
            started = time.monotonic()
            given = cache if arm is Arm.CACHED else None
            build = _build(commit, given, session, sandbox, folder / f"{number}-{arm}")
            builds.append(PlainBuild(commit=number, arm=arm, seconds=time.monotonic() - started))
            trees.append(build.trees[APP])
            if arm is Arm.CACHED:
                left = build.caches["cache"]
        cache = left
        lines.append(
            _differing(trees[0], trees[1], session.inputs.preparation(commit).results[0].roots)
        )
    return PlainScenario(
        name=commits[0].scenario.name,
        seconds=time.monotonic() - began,
        builds=tuple(builds),
        lines=tuple(lines),
    )


def _copy(cache: Path, _: str, target: Path) -> None:
    subprocess.run(["cp", "-a", str(cache), str(target)], check=True)


def _build(
    commit: Commit, cache: Path | None, session: Session, sandbox: PlainDocker, folder: Path
) -> Build:
    build = run_build(
        session.inputs.of(commit),
        replace(session.machine, sandbox=sandbox),
        folder=folder,
        caches=partial(_copy, cache) if cache else None,
    )
    expected = commit.stage.build is BuildExpectation.PASSES
    if cache is None and build.outcome.passed is not expected:
        raise SandboxError(f"{folder.name} {build.outcome.how()}: see {build.log}")
    return build


def _differing(cached: Path, clean: Path, roots: tuple[str, ...]) -> int:
    """How many lines `diff -rq` writes of two trees' compared roots."""
    found = {
        path.relative_to(tree) for tree in (cached, clean) for root in roots
        for path in tree.glob(root)
    }  # fmt: skip
    count = 0
    for path in found:
        command = ("diff", "-rq", "--no-dereference", cached / path, clean / path)
        done = subprocess.run(command, capture_output=True, check=False)
        count += len((done.stdout + done.stderr).splitlines())
    return count


def _docker(*arguments: str) -> str:
    done = subprocess.run(("docker", *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SandboxError(f"docker {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()
