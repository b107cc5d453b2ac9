"""Times ways to compare two large trees, side by side, and counts what each finds."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

from platformdirs import user_cache_path

from benchmarks.corpus import Corpus, corpus
from benchmarks.lockstep import compare_trees
from benchmarks.machine import Machine, this_machine
from benchmarks.report import Report, Spread, Table, save, show
from harness.trees.explainer import TreePair
from harness.trees.manifest import from_json, to_json
from harness.trees.scan import WHOLE_TREE, scan
from harness.verdicts.compare import compare

_UNIT = "diff -rq"
_DIFF = re.compile(
    r"Files (?P<a>.*) and .* differ|Only in (?P<b>.*): (?P<c>.*)|diff: (?P<d>.*): No such .*"
    r"|File (?P<e>.*) is a .* while file .*"
)
_RSYNC = re.compile(r"(?:\*deleting  |[<>ch.][fdLDS]\S{9}) (.*?)(?: -> .*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How one way did.

    Attributes:
        way: What was run.
        seconds: Wall time of each round.
        median: Their median.
        ratio: That, divided by the median of `diff -rq` on the same trees.
        found: How many of the planted changes it found; None where it does not look for any.
        others: How many paths that were not changed it named.
        note: What else to know.
    """

    way: str
    seconds: tuple[float, ...]
    median: float
    ratio: float
    found: int | None
    others: int | None
    note: str = ""


# --- ways of this project; each runs in a process of its own, which times it ---------------------


def _scan(original: Path, changed: Path) -> tuple[float, list[str] | None]:  # noqa: ARG001
    start = time.perf_counter()
    scan(original, WHOLE_TREE)
    return time.perf_counter() - start, None


def _direct(original: Path, changed: Path) -> tuple[float, list[str] | None]:
    start = time.perf_counter()
    found = compare_trees(original, changed, WHOLE_TREE)
    return time.perf_counter() - start, [one.path for one in found.divergences]


def _manifests(original: Path, changed: Path) -> tuple[float, list[str] | None]:
    sides = scan(original, WHOLE_TREE), scan(changed, WHOLE_TREE)
    start = time.perf_counter()
    found = compare(TreePair(cached=sides[0], clean=sides[1]))
    return time.perf_counter() - start, [one.path for one in found.divergences]


def _load(original: Path, changed: Path) -> tuple[float, list[str] | None]:  # noqa: ARG001
    text = to_json(scan(original, WHOLE_TREE))
    start = time.perf_counter()
    from_json(text)
    return time.perf_counter() - start, None


OURS = {
    "scan of one tree": _scan,
    "comparison of two trees": _direct,
    "comparison of two manifests": _manifests,
    "loading a stored manifest": _load,
}


def _apart(way: str, trees: Corpus) -> tuple[float, list[str] | None]:
    ran = subprocess.run(
        (sys.executable, __file__, "--way", way, trees.original, trees.changed),
        capture_output=True,
        check=True,
    )
    seconds, found = json.loads(ran.stdout)
    return seconds, found


# --- other tools ---------------------------------------------------------------------------------


def _run(*command: str | Path) -> tuple[float, str]:
    environment = {**os.environ, "LC_ALL": "C"}
    start = time.perf_counter()
    ran = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, check=False
    )
    return time.perf_counter() - start, ran.stdout.decode("utf-8", "surrogateescape")


def _relative(path: str, trees: Corpus) -> str:
    for root in (trees.original, trees.changed):
        path = path.removeprefix(f"{root}/")
    return path


def _diff(trees: Corpus) -> tuple[float, list[str] | None]:
    seconds, said = _run("diff", "-rq", trees.original, trees.changed)
    found = []
    for line in said.splitlines():
        if match := _DIFF.fullmatch(line):
            one = match.groupdict()
            path = one["a"] or one["d"] or one["e"] or f"{one['b']}/{one['c']}"
            found.append(_relative(path, trees))
    return seconds, found


def _rsync(options: str) -> Callable[[Corpus], tuple[float, list[str] | None]]:
    def run(trees: Corpus) -> tuple[float, list[str] | None]:
        seconds, said = _run(
            "rsync", options, "--delete", "-i", f"{trees.original}/", f"{trees.changed}/"
        )
        lines = map(_RSYNC.fullmatch, said.splitlines())
        # Of folders it tells another time only.
        return seconds, [match[1] for match in lines if match and not match[1].endswith("/")]

    return run


def _git(trees: Corpus) -> tuple[float, list[str] | None]:
    seconds, said = _run(
        "git", "diff", "--no-index", "--no-renames", "--name-status", "-z",
        trees.original, trees.changed,
    )  # fmt: skip
    return seconds, [_relative(path, trees) for path in said.split("\0")[1::2]]


WAYS: dict[str, Callable[[Corpus], tuple[float, list[str] | None]]] = {
    _UNIT: _diff,
    "rsync -rcn": _rsync("-rcn"),
    "rsync -rlpcn": _rsync("-rlpcn"),
    "git diff --no-index --name-status": _git,
    **{name: partial(_apart, name) for name in OURS},
}


def _diffoscope(trees: Corpus) -> Timing:
    """Once, on one package: it takes minutes on a whole tree."""
    both = trees.original / trees.package, trees.changed / trees.package
    unit = median(_run("diff", "-rq", *both)[0] for _ in range(9))
    seconds, _ = _run("diffoscope", "--exclude-directory-metadata=yes", *both)
    return Timing(
        way="diffoscope", seconds=(seconds,), median=seconds, ratio=seconds / unit,
        found=None, others=None, note=f"of {trees.package} only",
    )  # fmt: skip


# --- the run -------------------------------------------------------------------------------------


def measure(trees: Corpus, rounds: int) -> tuple[list[Timing], list[str]]:
    """Times each available way, in turn, round by round; names the tools that are missing."""
    missing = sorted(
        {tool for tool in ("diff", "rsync", "git", "diffoscope") if not shutil.which(tool)}
    )
    ways = {name: way for name, way in WAYS.items() if name.split()[0] not in missing}
    results = {name: way(trees) for name, way in ways.items()}  # warms the page cache
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(way(trees)[0])
    unit = median(seconds[_UNIT])
    timings = [
        Timing(
            way=name,
            seconds=tuple(seconds[name]),
            median=median(seconds[name]),
            ratio=median(seconds[name]) / unit,
            found=None if found is None else len({*found} & trees.planted.keys()),
            others=None if found is None else len({*found} - trees.planted.keys()),
        )
        for name, (_, found) in results.items()
    ]
    if "diffoscope" not in missing:
        timings.append(_diffoscope(trees))
    return timings, missing


def report(trees: Corpus, timings: list[Timing], missing: list[str], machine: Machine) -> Report:
    """What is shown and kept."""
    planted = len(trees.planted)
    return Report(
        name="trees",
        machine=machine,
        tables=(
            Table(
                title=f"Two trees of {trees.files:,} files that differ in {planted} places",
                columns=("way", "seconds", f"to {_UNIT}", f"found of {planted}"),
                rows=tuple(
                    (
                        f"{one.way}, {one.note}" if one.note else one.way,
                        Spread.of(one.seconds).seconds(),
                        f"{one.ratio:.2f}",
                        _found(one),
                    )
                    for one in timings
                ),
                notes=(
                    (
                        f"{trees.files:,} files in {trees.folders:,} folders,"
                        f" {trees.size / 1e6:,.0f} MB; the page cache is warm;"
                        f" load after: {os.getloadavg()[0]:.1f}"
                    ),
                    *(f"{tool} is not installed, so it was not timed" for tool in missing),
                ),
            ),
        ),
        measured={
            "files": trees.files,
            "folders": trees.folders,
            "bytes": trees.size,
            "planted": trees.planted,
            "missing": missing,
            "ways": [asdict(one) for one in timings],
        },
    )


def _found(one: Timing) -> str:
    if one.found is None:
        return "-"
    return f"{one.found} and {one.others} others" if one.others else f"{one.found}"


def main() -> None:
    """Reads the command line, prints the table and writes `trees.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=80_000, help="the fewest files in a tree")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=user_cache_path("cache-harness") / "benchmarks",
        help="where the trees are kept for later runs",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write trees.json to")
    arguments = parser.parse_args()
    trees = corpus(arguments.corpus.absolute(), arguments.files)
    machine = this_machine(trees.original)
    found = report(trees, *measure(trees, arguments.rounds), machine)
    show(found)
    save(found, arguments.out)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--way"]:
        print(json.dumps(OURS[sys.argv[2]](Path(sys.argv[3]), Path(sys.argv[4]))))
    else:
        main()
