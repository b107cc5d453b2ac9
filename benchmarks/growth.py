"""How the harness's time grows: with scenarios, with commits, and with the cache."""

import hashlib
import math
import multiprocessing
import random
import resource
import secrets
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import click

from benchmarks import trivial
from benchmarks.commits import commits_of
from benchmarks.machine import this_machine
from benchmarks.options import options
from benchmarks.report import Report, Spread, Table, save, show
from benchmarks.stores import cold_store, scratch
from harness.builds.run import run_build
from harness.ecosystems.registry import ecosystems
from harness.errors import HarnessError
from harness.runs.keeping import to_keep
from harness.runs.opening import open_session
from harness.runs.progress import Label, Silent
from harness.runs.runner import run_scenarios
from harness.runs.settings import Settings
from harness.scenarios.scenario import load_scenarios
from harness.storage.caches.restore import lay_out
from harness.storage.caches.save import record
from harness.storage.content_store import ContentStore
from harness.trees.removal import remove_tree
from harness.verdicts.result import Builds

NAME = "growth"

T = TypeVar("T")

_SCENARIOS = (10, 100, 1000)
_APPS = 5
_COMMITS = (2, 10, 50)
_PLANNED = (1000, 10)  # scenarios, commits of each
# As a site-packages of many large wheels: median and mean size of a file, and how many there are.
_MEDIAN, _MEAN, _FILES = 4_600, 19_000, 85_000
_FILES_A_FOLDER = 6


@click.command(NAME)
@click.option("--files", type=click.IntRange(min=1), default=_FILES, show_default=True,
              help="How many files the large cache has, of 19 kB on average.")  # fmt: skip
@options(rounds=3)
def command(files: int, rounds: int, store: Path, out: Path) -> Path:
    """How time grows with scenarios, commits and the cache."""
    with scratch(store) as folder:
        report = measure(store, folder, rounds=rounds, files=files)
    save(report, out)
    show(report)
    return out


def measure(store: Path, folder: Path, *, rounds: int, files: int) -> Report:
    """Measures each growth by itself.

    Args:
        store: A store with image, runtimes and tools.
        folder: An existing folder for what is made; on the store's file system.
        rounds: How often each thing is measured.
        files: How many files the large cache has.

    Raises:
        HarnessError: A run does not come to the verdicts that it should.
    """
    machine = this_machine(folder)
    bench = _Bench(store, folder, trivial.buildpack(folder / "buildpack"))
    by_scenarios = {
        count: _repeat(rounds, partial(bench.suite, count, commits=2, apps=_APPS))
        for count in _SCENARIOS
    }
    by_commits = {
        commits: _repeat(rounds, partial(bench.suite, 1, commits=commits, apps=1))
        for commits in _COMMITS
    }
    planned = _repeat(rounds, partial(bench.planning, *_PLANNED))
    cache = _Large(store, folder, files)
    large = _repeat(rounds, cache.measured)
    return Report(
        name=NAME,
        machine=machine,
        tables=(
            _suites_table(
                "scenarios",
                by_scenarios,
                f"Scenarios of {_APPS} apps, 2 commits each: those of one app need the same builds",
                ("Time should grow with the builds that run, not with scenarios.",),
            ),
            _suites_table(
                "commits",
                by_commits,
                "One scenario of more and more commits",
                ("Each commit after the first needs two builds.",),
            ),
            _planning_table(planned),
            _large_table(large, cache.files, cache.size),
        ),
        measured={
            "scenarios": {count: [asdict(one) for one in found]
                          for count, found in by_scenarios.items()},
            "commits": {count: [asdict(one) for one in found]
                        for count, found in by_commits.items()},
            "planning": [asdict(one) for one in planned],
            "large cache": large,
        },
    )  # fmt: skip


def _repeat(rounds: int, measured: Callable[[], T]) -> list[T]:
    return [measured() for _ in range(rounds)]


# --- scenarios and commits -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """Seconds of a suite with nothing stored and of the same again, and the first's builds."""

    cold: float
    again: float
    builds: Builds


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Planning in a process of its own: wall and CPU seconds, and the process's peak memory in MB.

    `reading` is the wall time of reading the scenarios, which comes before.
    """

    reading: float
    wall: float
    cpu: float
    memory: float


class _Bench:
    """Suites of the trivial buildpack in bubblewrap, each on a store of its own."""

    def __init__(self, store: Path, folder: Path, buildpack: Path) -> None:
        self._store = store
        self._folder = folder
        self._buildpack = buildpack

    def suite(self, count: int, *, commits: int, apps: int) -> Grown:
        """A suite with nothing stored, and then again."""
        place, settings = self._place()
        suite = trivial.scenarios(place / "suite", count=count, commits=commits, apps=apps)
        seconds: list[float] = []
        found: list[Builds] = []
        for _ in range(2):
            began = time.perf_counter()
            loaded = load_scenarios((suite,))
            with open_session(settings) as session:
                run = run_scenarios(loaded, session=session, jobs=1)
            seconds.append(time.perf_counter() - began)
            found.append(run.builds)
            if int(run.exit_code) != 0:
                raise HarnessError("the trivial buildpack does not agree with itself")
        if found[1].run:
            raise HarnessError(f"{found[1].run} builds ran again")
        remove_tree(place)
        return Grown(cold=seconds[0], again=seconds[1], builds=found[0])

    def planning(self, count: int, commits: int) -> Planned:
        """Planning of scenarios that share no build, until the first build would begin."""
        place, settings = self._place()
        suite = trivial.scenarios(place / "suite", count=count, commits=commits, apps=count)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            planned = pool.submit(_plan, settings, suite).result()
        remove_tree(place)
        return planned

    def _place(self) -> tuple[Path, Settings]:
        place = self._folder / secrets.token_hex(4)
        place.mkdir()
        store = cold_store(self._store, place / "store")
        settings = Settings(buildpack=str(self._buildpack), sandbox="bubblewrap", store=store)
        return place, settings


class _Planned(Exception):  # noqa: N818 - no error: there is nothing more to see
    """All is planned."""


class _UntilFirstBuild(Silent):
    """Ends a run where its first build begins."""

    def build_started(self, label: Label) -> None:
        raise _Planned(label.scenario)


def _plan(settings: Settings, suite: Path) -> Planned:
    began = time.perf_counter()
    scenarios = load_scenarios((suite,))
    reading = time.perf_counter() - began
    with open_session(settings) as session:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            run_scenarios(scenarios, session=session, jobs=1, observer=_UntilFirstBuild())
        except _Planned:
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        else:
            raise HarnessError("no build was needed")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return Planned(reading=reading, wall=wall, cpu=cpu, memory=memory)


# --- a large cache ---------------------------------------------------------------------------


class _Large:
    """A cache like the site-packages of many large wheels, and what a build does with it."""

    def __init__(self, store: Path, folder: Path, files: int) -> None:
        self._folder = folder / "large"
        self._cache = self._folder / "cache"
        self.files = files
        self.size = _fill(self._cache / "site-packages", files)
        self._store = cold_store(store, self._folder / "store")
        self._suite = trivial.scenarios(self._folder / "suite", count=1, commits=2, apps=1)
        self._buildpacks = {
            "ignores its cache": trivial.buildpack(self._folder / "ignores"),
            "installs from its cache": trivial.restoring_buildpack(self._folder / "installs"),
        }

    def measured(self) -> dict[str, float]:
        """Seconds by what was done."""
        seconds: dict[str, float] = {}
        copy = self._folder / "copy"
        with _timing(seconds, "copy (cp -a, to disk)"):
            subprocess.run(["cp", "-a", str(self._cache), str(copy)], check=True)
        remove_tree(copy)
        content_store = ContentStore(self._store.contents)
        with _timing(seconds, "keep, nothing like it kept before"):
            listing = record(self._cache, content_store)
        with _timing(seconds, "keep again"):
            record(self._cache, content_store)
        self._lay_out = partial(lay_out, listing, content_store)
        for name, buildpack in self._buildpacks.items():
            seconds |= {f"{name}: {part}": took for part, took in self._build(buildpack)}
        return seconds

    def _build(self, buildpack: Path) -> Iterable[tuple[str, float]]:
        """What a build of that buildpack takes, given the cache, in parts and as a whole."""
        seconds: dict[str, float] = {}
        settings = Settings(buildpack=str(buildpack), sandbox="bubblewrap", store=self._store)
        (scenario,) = load_scenarios((self._suite,))
        with open_session(settings) as session:
            commit = commits_of(scenario, session)[0]
            with session.places.place("large", cache=self.size) as place, _timing(seconds, "whole"):
                with _timing(seconds, "run_build, its cache laid out"):
                    build = run_build(
                        session.inputs.of(commit),
                        session.machine,
                        folder=place.folder,
                        caches=lambda _, target: self._lay_out(target),
                    )
                seconds["inside the sandbox"] = build.outcome.seconds
                with _timing(seconds, "scan"):
                    new = to_keep(
                        build,
                        session.inputs.preparation(commit),
                        ecosystems(),
                        expected={},
                        in_memory=place.in_memory,
                        with_caches=True,
                    )
                with _timing(seconds, "keep"):
                    key = hashlib.sha256(secrets.token_bytes()).hexdigest()
                    session.builds.keep(key, new, parent=None)
            if not build.outcome.passed or not new.trees[0].manifest.entries:
                raise HarnessError("the build with a large cache failed")
        return seconds.items()


@contextmanager
def _timing(seconds: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - began


def _fill(folder: Path, files: int) -> int:
    """Writes so many files, of text that packs as code does; gives the bytes that they hold."""
    chance = random.Random(19)  # noqa: S311
    sigma = math.sqrt(2 * math.log(_MEAN / _MEDIAN))
    words = [chance.randbytes(chance.randint(1, 6)).hex() for _ in range(3000)]
    pool = " ".join(chance.choice(words) for _ in range(400_000)).encode()
    written = 0
    for number in range(files):
        place = folder / f"package{number // 500}" / f"part{number // _FILES_A_FOLDER}"
        place.mkdir(parents=True, exist_ok=True)
        size = min(int(chance.lognormvariate(math.log(_MEDIAN), sigma)), len(pool))
        start = chance.randrange(len(pool) - size + 1)
        (place / f"module{number}.py").write_bytes(pool[start : start + size])
        written += size
    return written


# --- telling ---------------------------------------------------------------------------------


def _suites_table(
    what: str, grown: Mapping[int, Sequence[Grown]], title: str, notes: tuple[str, ...]
) -> Table:
    rows = []
    for count, found in grown.items():
        builds = found[0].builds
        cold = Spread.of(one.cold for one in found)
        again = Spread.of(one.again for one in found)
        rows.append(
            (
                f"{count:,}",
                f"{builds.needed:,}",
                f"{builds.run:,}",
                cold.seconds(),
                f"{1000 * cold.median / builds.run:.0f}",
                again.seconds(),
                f"{1000 * again.median / count:.1f}",
            )
        )
    columns = ("builds needed", "run", "cold, s", "ms a build run", "again, s", f"ms a {what[:-1]}")
    return Table(title=title, columns=(what, *columns), rows=tuple(rows), notes=notes)


def _planning_table(planned: Sequence[Planned]) -> Table:
    scenarios, commits = _PLANNED
    return Table(
        title=f"Planning {scenarios:,} scenarios of {commits} commits, no build shared",
        columns=("reading, s", "planning, s", "planning, CPU s", "peak memory, MB"),
        rows=(
            (
                Spread.of(one.reading for one in planned).seconds(),
                Spread.of(one.wall for one in planned).seconds(),
                Spread.of(one.cpu for one in planned).seconds(),
                f"{max(one.memory for one in planned):.0f}",
            ),
        ),
        notes=(
            (
                f"{scenarios * (2 * commits - 1):,} builds, in a process of its own, until the"
                " first one would begin. Goal: 2 s of planning."
            ),
        ),
    )


def _large_table(large: Sequence[Mapping[str, float]], files: int, size: int) -> Table:
    whole = {
        name.partition(":")[0]: Spread.of(each[name] for each in large).median
        for name in large[0]
        if name.endswith(": whole")
    }
    rows = []
    for name in large[0]:
        spread = Spread.of(each[name] for each in large)
        base = whole.get(name.partition(":")[0])
        rows.append((name, spread.seconds(), f"{spread.median / base:.0%}" if base else ""))
    return Table(
        title=f"A cache of {files:,} files and {size / 1_000_000:,.0f} MB, given to a build",
        columns=("", "s", "of the whole build"),
        rows=tuple(rows),
        notes=("Files are in the page cache, as they are after the build that left them.",),
    )
