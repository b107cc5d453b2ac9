"""The suite that ships, run by hand and by the harness, side by side."""

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import click

import harness
from benchmarks.breakdown import breakdown
from benchmarks.machine import Machine, this_machine
from benchmarks.options import options
from benchmarks.plain import PlainRun, run_plainly
from benchmarks.report import Report, Spread, Table, save, show
from benchmarks.stores import cold_store, scratch
from harness.bundled import DEFAULT_BUILDPACK, bundled_scenarios
from harness.errors import HarnessError
from harness.runs.opening import open_session
from harness.runs.settings import Settings
from harness.scenarios.scenario import load_scenarios
from harness.storage.store import Store
from harness.trees.removal import remove_tree

NAME = "suite"
ALL_JOBS = os.cpu_count() or 1

# Scenarios that cover each kind of input, and what is known of three buildpacks on them.
_MEASURED = (
    "editables/editable-to-archive",
    "forks/nested-fork-bumped",
    "forks/nested-fork-html-only",
    "package-data/data-file-removed",
    "requirements/nested-package-dropped",
    "requirements/root-package-dropped",
    "reuse/unchanged-rebuild",
    "toolchain/python-version-changed",
)
_DIVERGING: Mapping[str, frozenset[str]] = {
    "root-requirements": frozenset(_MEASURED[:5]),
    "every-input": frozenset(),
    "never-reuses": frozenset(),
}
_EDITED = "reuse/unchanged-rebuild"
_EDIT = ("<h1>Hello</h1>", "<h1>Hello again</h1>")
_UNCHANGED = "nothing changed"
_MORE = "reuse/another-page"
_MORE_EDIT = ("static/index.html", "static/other.html")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to run the suite: a sandbox (plain for by hand), and how many builds run at once."""

    sandbox: str
    jobs: int

    def __str__(self) -> str:
        name = "by hand" if self.sandbox == "plain" else f"harness, {self.sandbox}"
        return f"{name}, {self.jobs} job{'s' if self.jobs > 1 else ''}"


PLAIN = Way(sandbox="plain", jobs=1)
PLAIN_WAYS = tuple(dict.fromkeys((PLAIN, Way(sandbox="plain", jobs=ALL_JOBS))))
HARNESS_WAYS = tuple(
    dict.fromkeys(
        Way(sandbox=sandbox, jobs=jobs)
        for sandbox in ("docker", "bubblewrap")
        for jobs in (1, ALL_JOBS)
    )
)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One `cache-harness run`: wall seconds of the whole command, its status, its JSON report."""

    seconds: float
    status: int
    report: dict[str, Any] = field(repr=False)

    @cached_property
    def verdicts(self) -> dict[str, str]:
        """The verdict of each scenario."""
        return {each["scenario"]: each["verdict"] for each in self.report["results"]}

    @cached_property
    def told(self) -> dict[str, list[object]]:
        """What was reported of each scenario's commits, apart from times and digests."""
        return {
            each["scenario"]: [
                (
                    *(step[key] for key in ("commit", "verdict", "reuse", "compared", "unmet")),
                    [[one[key] for key in ("root", "path", "kind")] for one in step["divergences"]],
                )
                for step in each["steps"]
            ]
            for each in self.report["results"]
        }

    def builds(self) -> str:
        """How many builds ran, and how many were needed."""
        counts = self.report["builds"]
        return f"{counts['run']} of {counts['needed']}"


@dataclass(slots=True)
class Measured:
    """All rounds: seconds and results by way, and by what was done again."""

    plain: dict[Way, list[PlainRun]] = field(default_factory=dict)
    cold: dict[Way, list[Ran]] = field(default_factory=dict)
    again: dict[tuple[str, Way], list[Ran]] = field(default_factory=dict)


@click.command(NAME)
@click.argument("scenarios", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--buildpack", default=DEFAULT_BUILDPACK, show_default=True, metavar="NAME|PATH")
@options(rounds=3)
def command(
    scenarios: tuple[Path, ...], buildpack: str, rounds: int, store: Path, out: Path
) -> Path:
    """A suite: by hand, cold, and again.

    SCENARIOS are files and folders; without any, eight of those that ship.
    """
    chosen = scenarios or tuple(bundled_scenarios() / f"{name}.toml" for name in _MEASURED)
    with scratch(store) as folder:
        report = measure(chosen, store, folder, buildpack=buildpack, rounds=rounds)
    save(report, out)
    show(report)
    return out


def measure(
    scenarios: tuple[Path, ...], store: Path, folder: Path, *, buildpack: str, rounds: int
) -> Report:
    """Runs a suite in every way, in turn, as often as there are rounds.

    Args:
        scenarios: Files and folders of scenarios.
        store: A store with image, runtimes and tools.
        folder: An existing folder for what is made; on the store's file system.
        buildpack: The buildpack.
        rounds: How often.

    Raises:
        HarnessError: A run's verdicts are not the right ones.
    """
    machine = this_machine(folder)
    suites = _suites(scenarios, folder)
    measured = Measured()
    for number in range(rounds):
        ways = [*PLAIN_WAYS, *HARNESS_WAYS]
        turned = number % len(ways)
        for way in (*ways[turned:], *ways[:turned]):
            place = folder / f"{number}-{way.sandbox}-{way.jobs}"
            place.mkdir()
            click.echo(f"round {number + 1}: {way}", err=True)
            if way.sandbox == "plain":
                run = _plain(way, scenarios, store, place, buildpack=buildpack)
                measured.plain.setdefault(way, []).append(run)
            else:
                cold = cold_store(store, place / "store")
                _harness(way, suites, cold, measured, buildpack=buildpack)
            remove_tree(place)
            os.sync()
            gc.collect()
    _check(measured, buildpack)
    kinds = []
    for sandbox in ("docker", "bubblewrap"):
        cold = cold_store(store, folder / f"breakdown-{sandbox}")
        kinds.append(Settings(buildpack=buildpack, sandbox=sandbox, store=cold))
    table, parts = breakdown(kinds, scenarios)
    return _report(measured, machine, buildpack, table, parts)


# --- the ways --------------------------------------------------------------------------------


def _suites(scenarios: tuple[Path, ...], folder: Path) -> dict[str, tuple[Path, ...]]:
    """The scenarios: as they are, with the last commit of one edited, and with one more."""
    files = {each.name: each.file for each in load_scenarios(scenarios)}
    suites = {_UNCHANGED: scenarios}
    if _EDITED not in files:
        return suites
    text = files[_EDITED].read_text(encoding="utf-8")
    for what, name, (old, new) in (
        ("one scenario edited", _EDITED, _EDIT),
        ("one scenario more", _MORE, _MORE_EDIT),
    ):
        if old not in text:
            raise HarnessError(f"{_EDITED} has no {old!r} any more")
        home = folder / what.replace(" ", "-") / "scenarios"
        for other, file in (*files.items(), (name, None)):
            target = home / f"{other}.toml"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(
                file.read_text(encoding="utf-8") if file else text.replace(old, new),
                encoding="utf-8",
            )
        suites[what] = (home,)
    return suites


def _plain(
    way: Way, scenarios: tuple[Path, ...], store: Path, place: Path, *, buildpack: str
) -> PlainRun:
    settings = Settings(
        buildpack=buildpack, sandbox="docker", store=cold_store(store, place / "store")
    )
    with open_session(settings) as session:
        return run_plainly(
            load_scenarios(scenarios),
            session=session,
            image=session.image,
            jobs=way.jobs,
            folder=place,
        )


def _harness(
    way: Way,
    suites: Mapping[str, tuple[Path, ...]],
    cold: Store,
    measured: Measured,
    *,
    buildpack: str,
) -> None:
    """Runs on an empty store, and then again on what that stored."""
    ran = _run(way, suites[_UNCHANGED], cold, buildpack)
    measured.cold.setdefault(way, []).append(ran)
    if way.jobs == ALL_JOBS:
        for name, scenarios in suites.items():
            ran = _run(way, scenarios, cold, buildpack)
            measured.again.setdefault((name, way), []).append(ran)


def _run(way: Way, scenarios: tuple[Path, ...], store: Store, buildpack: str) -> Ran:
    """Runs the command as a person would, in a process of its own."""
    file = store.root.with_name("report.json")
    file.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-c", "from harness.cli import main; main()", "run"),
        *map(str, scenarios),
        *("--store", str(store.root), "--buildpack", buildpack, "--sandbox", way.sandbox),
        *("--jobs", str(way.jobs), "--report", f"json={file}"),
    ]
    # The harness of this process, whatever else is installed.
    env = {**os.environ, "PYTHONPATH": str(Path(harness.__file__).resolve().parents[1])}
    began = time.monotonic()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if not file.exists():
        raise HarnessError(f"{way} wrote no report: {done.stderr}{done.stdout}")
    report = json.loads(file.read_text(encoding="utf-8"))
    return Ran(seconds=seconds, status=done.returncode, report=report)


def _check(measured: Measured, buildpack: str) -> None:
    """See that what was measured gave the right answers.

    Raises:
        HarnessError: Two ways reported different things, or a verdict is not the known one.
    """
    runs = [(way, ran) for way, rans in measured.cold.items() for ran in rans]
    again = [(way, ran) for (name, way), rans in measured.again.items() for ran in rans]
    first = runs[0][1]
    for way, ran in (*runs, *again):
        for name, told in first.told.items():
            if name != _EDITED and ran.told.get(name) != told:
                raise HarnessError(f"{way} and {runs[0][0]} do not tell the same of {name}")
    known = _DIVERGING.get(buildpack)
    if known is None:
        return
    for name in _MEASURED:
        right = "diverges" if name in known else "agrees"
        if first.verdicts.get(name, right) != right:
            raise HarnessError(f"{name} {first.verdicts[name]}; it is known that it {right}")


# --- telling ---------------------------------------------------------------------------------


def _report(
    measured: Measured,
    machine: Machine,
    buildpack: str,
    parts_table: Table,
    parts: Mapping[str, Mapping[str, float]],
) -> Report:
    return Report(
        name=NAME,
        machine=machine,
        tables=(
            _cold_table(measured, buildpack),
            _again_table(measured),
            _verdict_table(measured),
            parts_table,
        ),
        measured={
            "buildpack": buildpack,
            "plain": {str(way): [asdict(run) for run in runs] for way, runs in
                      measured.plain.items()},
            "cold": {str(way): [_plainly(ran) for ran in rans] for way, rans in
                     measured.cold.items()},
            "again": {f"{name}: {way}": [_plainly(ran) for ran in rans]
                      for (name, way), rans in measured.again.items()},
            "breakdown": parts,
        },
    )  # fmt: skip


def _plainly(ran: Ran) -> dict[str, object]:
    return {
        "seconds": ran.seconds,
        "status": ran.status,
        "builds": ran.report["builds"],
        "verdicts": ran.verdicts,
    }


def _cold_table(measured: Measured, buildpack: str) -> Table:
    base = _plain_seconds(measured.plain[PLAIN])
    lean = base - sum(one.needless for one in measured.plain[PLAIN][0].scenarios)
    rows = []
    for way, plain_runs in measured.plain.items():
        spread = Spread.of(run.seconds for run in plain_runs)
        builds = sum(len(one.builds) for one in plain_runs[0].scenarios)
        rows.append(_cold_row(way, spread, f"{builds} of {builds}", base, lean))
    for way, runs in measured.cold.items():
        spread = Spread.of(ran.seconds for ran in runs)
        rows.append(_cold_row(way, spread, runs[0].builds(), base, lean))
    return Table(
        title=f"{len(measured.plain[PLAIN][0].scenarios)} scenarios, nothing stored ({buildpack})",
        columns=("way", "s", "builds run", "times by hand, 1 job", "…without needless builds"),
        rows=tuple(rows),
        notes=(
            (
                "By hand: each commit is built with the cache of the one before and without one;"
                " `cp -a`, `docker run --rm`, `diff -rq`, against the same sealed internet. Limits,"
                " control builds and verdicts are not part of it, nor is its preparation."
            ),
            "Harness: the whole command, from the start of Python to its exit.",
            (
                "Needless: a first commit has no cache, so its two builds are one; a person might"
                f" leave out the second, and by hand would take {lean:.1f} s."
            ),
        ),
    )


def _cold_row(way: Way, spread: Spread, builds: str, base: float, lean: float) -> tuple[str, ...]:
    return (
        str(way),
        spread.seconds(),
        builds,
        f"{base / spread.median:.2f}x",
        f"{lean / spread.median:.2f}x",
    )


def _again_table(measured: Measured) -> Table:
    base = _plain_seconds(measured.plain[PLAIN])
    by_name = {one.name: one.seconds for one in measured.plain[PLAIN][0].scenarios}
    alone = by_name.get(_EDITED, 0.0)
    rows = []
    for (name, way), runs in measured.again.items():
        spread = Spread.of(ran.seconds for ran in runs)
        rows.append(
            (
                f"{name}; {way}",
                spread.seconds(),
                runs[0].builds(),
                f"{base / spread.median:.0f}x",
                "" if name == _UNCHANGED else f"{alone / spread.median:.1f}x",
            )
        )
    return Table(
        title="The same again, one after the other on what the cold run stored",
        columns=("what", "s", "builds run", "times all by hand", "times that scenario by hand"),
        rows=tuple(rows),
        notes=(
            "One scenario edited: another text in the last of its three commits.",
            "One scenario more: it shares its first two commits with another.",
        ),
    )


def _verdict_table(measured: Measured) -> Table:
    told = next(iter(measured.cold.values()))[0]
    lines = {one.name: one.lines for one in measured.plain[PLAIN][0].scenarios}
    rows = []
    for result in told.report["results"]:
        step = result["steps"][-1]
        set_aside = sum(one["count"] for one in step["set_aside"])
        rows.append(
            (
                result["scenario"],
                result["verdict"],
                str(len(step["divergences"])),
                str(set_aside),
                str(lines[result["scenario"]][-1]),
            )
        )
    return Table(
        title="What was found at the last commit",
        columns=("scenario", "verdict", "divergences", "set aside by rule", "lines of diff -rq"),
        rows=tuple(rows),
        notes=(
            (
                "Every run of the harness reported the same, and the verdicts are those known for"
                " the buildpack."
            ),
            (
                "By hand differences show by diff only: contents and names, no modes; which of them"
                " are the cache's doing is left to the reader."
            ),
        ),
    )


def _plain_seconds(runs: Sequence[PlainRun]) -> float:
    return Spread.of(run.seconds for run in runs).median
