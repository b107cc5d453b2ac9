"""Where the time of a cold suite goes, one build at a time."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import docker

import harness.builds.run
import harness.runs.execute
import harness.runs.keeping
import harness.storage.builds
from benchmarks.report import Table
from benchmarks.stopwatch import Stopwatch
from harness.internet import Internet
from harness.internet.server import InternetServer, OnRequest
from harness.reports import console
from harness.runs.inputs import CommitInputs
from harness.runs.opening import open_session
from harness.runs.runner import run_scenarios
from harness.runs.schedule import Schedule
from harness.runs.settings import Settings
from harness.sandboxes import Job, Listeners, OnOutput, Outcome, Sandbox, Serve, sockets
from harness.scenarios.scenario import load_scenarios
from harness.storage.builds import BuildStore
from harness.storage.judgements import Judgements
from harness.verdicts import judge

_START = "starting Python, imports"
_READ = "reading scenarios"
_OPEN = "opening the session"
_PLAN = "planning"
_WAIT = "waiting"
_REPORT = "reporting"
_CLOSE = "closing the session"
_ONCE = (_START, _READ, _OPEN, _PLAN, _REPORT, _CLOSE)

_JOB = "inside the sandbox"
_ENGINE = "the engine: create, start, remove"
_AROUND = "around the job"
_SOCKETS = "sockets in the namespace"
_SERVER = "the sealed internet: start, stop"
_INPUTS = "forks and releases"
_LAY_OUT = "laying out"
_COPY = "laying out the cache"
_SCAN = "scanning"
_DISTRIBUTIONS = "reading distributions"
_KEEP = "keeping"
_RECORD = "keeping: its cache"
_COMPARED = "keeping: compared contents"
_JUDGE = "judging"
_REST = "scheduling, all else"
_EACH = (
    *(_JOB, _ENGINE, _AROUND, _SOCKETS, _SERVER, _INPUTS, _LAY_OUT, _COPY),
    *(_SCAN, _DISTRIBUTIONS, _KEEP, _RECORD, _COMPARED, _JUDGE, _REST),
)

_PLACES: tuple[tuple[object, str, str], ...] = (
    (harness.runs.execute, "run_build", _LAY_OUT),
    (harness.storage.builds, "lay_out", _COPY),
    (sockets, "bound_in_network_of", _SOCKETS),
    (docker.APIClient, "create_container", _ENGINE),
    (docker.APIClient, "start", _ENGINE),
    (docker.APIClient, "remove_container", _ENGINE),
    (CommitInputs, "of", _INPUTS),
    (harness.runs.keeping, "scan", _SCAN),
    (harness.runs.keeping, "describe", _DISTRIBUTIONS),
    (BuildStore, "keep", _KEEP),
    (harness.storage.builds, "record", _RECORD),
    (harness.storage.builds, "keep_contents", _COMPARED),
    (judge, "compare_arms", _JUDGE),
    (judge, "judge", _JUDGE),
    (Judgements, "keep", _JUDGE),
    (Schedule, "run", _WAIT),
)


def breakdown(
    kinds: Sequence[Settings], scenarios: tuple[Path, ...]
) -> tuple[Table, dict[str, dict[str, float]]]:
    """Runs a suite with each settings in this process, one build at a time.

    Args:
        kinds: Settings, each of another sandbox, whose stores have no builds.
        scenarios: What to run.

    Returns:
        The table, and the seconds by settings' sandbox and label.
    """
    found: dict[str, dict[str, float]] = {}
    counts: dict[str, int] = {}
    for settings in kinds:
        name = str(settings.sandbox)
        found[name], counts[name] = _seconds(settings, scenarios)
    rows = [
        (label, *(cell for name in found for cell in _cells(found[name], label, counts[name])))
        for label in (*_EACH, *_ONCE)
    ]
    rows.append(("all", *(cell for name in found for cell in _total(found[name], counts[name]))))
    columns = [each for name in found for each in (f"{name}, s", "share", "ms a build")]
    table = Table(
        title="Where the time of a cold suite goes, one build at a time",
        columns=("", *columns),
        rows=tuple(rows),
        notes=(
            "One run in the benchmark's own process, its functions timed; no moment counts twice.",
            "Inside the sandbox: from the job's start to its end, as the harness tells it.",
        ),
    )
    return table, found


def _seconds(settings: Settings, scenarios: tuple[Path, ...]) -> tuple[dict[str, float], int]:
    """Seconds by label, and how many builds ran."""
    watch = Stopwatch()
    watch.seconds[_START] = _start()
    serving = _timed_serving(watch, InternetServer.serving)
    with (
        watch.on(_PLACES),
        patch.object(InternetServer, "serving", serving),
        ExitStack() as stack,
    ):
        with watch.span(_READ):
            loaded = load_scenarios(scenarios)
        with watch.span(_OPEN):
            session = stack.enter_context(open_session(settings))
        with (
            watch.span(_PLAN),
            patch.object(
                session.machine.sandbox, "run", _timed_run(watch, session.machine.sandbox)
            ),
        ):
            result = run_scenarios(loaded, session=session, jobs=1)
        with watch.span(_REPORT):
            console.render(result)
        with watch.span(_CLOSE):
            stack.close()
    seconds = dict(watch.seconds)
    # What one thread waited for is what the other did.
    waited = seconds.pop(_WAIT)
    seconds[_REST] = waited - sum(seconds.get(label, 0.0) for label in _EACH)
    return seconds, result.builds.run


def _start() -> float:
    began = time.perf_counter()
    subprocess.run((sys.executable, "-c", "import harness.cli"), check=True)
    return time.perf_counter() - began


def _timed_run(watch: Stopwatch, sandbox: Sandbox) -> Callable[..., Outcome]:
    original = sandbox.run

    def run(job: Job, *, serve: Serve | None = None, on_output: OnOutput) -> Outcome:
        with watch.span(_AROUND):
            outcome = original(job, serve=serve, on_output=on_output)
        watch.move(outcome.seconds, of=_AROUND, to=_JOB)
        return outcome

    return run


def _timed_serving(
    watch: Stopwatch, original: Callable[[InternetServer, Internet, OnRequest], Serve]
) -> Callable[[InternetServer, Internet, OnRequest], Serve]:
    def serving(server: InternetServer, internet: Internet, on_request: OnRequest) -> Serve:
        serve = original(server, internet, on_request)

        @contextmanager
        def timed(listeners: Listeners) -> Iterator[None]:
            entered: AbstractContextManager[object] = serve(listeners)
            with watch.span(_SERVER):
                entered.__enter__()
            try:
                yield
            finally:
                with watch.span(_SERVER):
                    entered.__exit__(None, None, None)

        return timed

    return serving


def _cells(seconds: dict[str, float], label: str, builds: int) -> tuple[str, str, str]:
    spent = seconds.get(label, 0.0)
    each = f"{1000 * spent / builds:,.1f}" if label in _EACH else ""
    return f"{spent:.2f}", f"{spent / sum(seconds.values()):.1%}", each


def _total(seconds: dict[str, float], builds: int) -> tuple[str, str, str]:
    return f"{sum(seconds.values()):.2f}", "", f"{builds} builds"
