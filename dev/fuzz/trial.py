"""One change, compared, and held against how it must be reported."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from benchmarks.lockstep import compare_trees
from dev.fuzz import attributes, compiled, files, metadata, repositories
from dev.fuzz.bench import Bench, Change, Level, Unfit, in_git
from dev.fuzz.tree import BUILD, EARLIER
from harness.ecosystems.registry import ecosystems, explainers
from harness.trees.difference import Side, differences
from harness.trees.explainer import LARGEST, BuildPaths, TreePair
from harness.trees.manifest import Manifest, from_json, to_json
from harness.trees.scan import WHOLE_TREE, read_file, scan
from harness.verdicts.compare import Comparison, compare

KINDS: Mapping[str, Callable[[Bench], Change]] = {
    **files.KINDS, **compiled.KINDS, **metadata.KINDS, **attributes.KINDS, **repositories.KINDS,
}  # fmt: skip
"""Every kind of change by its name."""

PATHS = BuildPaths(cached=(BUILD, EARLIER), clean=BUILD)

_TRIES = 40
_BESIDE = 10  # of how many changes one is compared in the other ways as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How a change was reported.

    Attributes:
        number: Which one it is of the run; with the seed it is made again by it.
        kind: The kind of change.
        change: The change.
        level: How it was reported.
        faults: In what way that is not as it must be reported.
    """

    number: int
    kind: str
    change: Change
    level: Level
    faults: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """What became of the changes of one kind."""

    levels: Counter[Level] = field(default_factory=Counter)
    whys: Counter[str] = field(default_factory=Counter)
    faults: int = 0

    def add(self, trial: Trial) -> None:
        """Counts one."""
        self.levels[trial.level] += 1
        self.faults += bool(trial.faults)
        if trial.level is not Level.DIVERGES:
            self.whys[trial.change.why or "for no reason"] += 1


class Fuzz:
    """Changes one tree again and again, and says how the comparison reports each change."""

    def __init__(self, base: Path, work: Path, *, seed: int) -> None:
        """Takes the tree, a place for the one that is changed, and what decides the changes."""
        self._seed = seed
        self._bench = Bench(base, work, Random(seed))  # noqa: S311 - nothing is to be kept secret
        self._before = scan(base, WHOLE_TREE)
        self._explainers = explainers(ecosystems())

    def trial(self, number: int, kind: str) -> Trial | None:
        """Makes a change, compares, and sets the tree right again.

        Args:
            number: Which one it is, which decides it together with the seed.
            kind: The kind of change, by its name in `KINDS`.

        Returns:
            How it was reported; None where such a change cannot be made here.
        """
        bench = self._bench
        bench.rng.seed(f"{self._seed} {number} {kind}")
        for _ in range(_TRIES):
            try:
                change = KINDS[kind](bench)
                if bench.differs():
                    return self._told(number, kind, change)
            except Unfit:
                pass
            finally:
                bench.undo()
        return None

    def check(self) -> None:
        """Sees that the tree is as it was.

        Raises:
            AssertionError: It is not: a change was not undone, and no trial since proves anything.
        """
        now = scan(self._bench.work, WHOLE_TREE)
        if now != self._before:
            changed = [one.path for one in differences(now, self._before)]
            raise AssertionError(f"not as before: {changed or 'times'}")

    def _told(self, number: int, kind: str, change: Change) -> Trial:
        bench = self._bench
        side = change.side or bench.rng.choice(list(Side))
        trees = dict.fromkeys(Side, bench.base) | {side: bench.work}
        after = scan(bench.work, WHOLE_TREE)
        manifests = dict.fromkeys(Side, self._before) | {side: after}
        found = self._compare(trees, manifests)
        level = _level(found)
        faults = [*_faults(change, level, found)]
        if number % _BESIDE == 0:
            faults += self._beside(trees, manifests, found)
        return Trial(number=number, kind=kind, change=change, level=level, faults=tuple(faults))

    def _compare(
        self, trees: Mapping[Side, Path], manifests: Mapping[Side, Manifest],
        build_paths: BuildPaths | None = PATHS,
    ) -> Comparison:  # fmt: skip
        pair = TreePair(
            cached=manifests[Side.CACHED],
            clean=manifests[Side.CLEAN],
            read=lambda side, path: read_file(trees[side], path, limit=LARGEST),
            begins=lambda side, path: read_file(trees[side], path, limit=16),
            build_paths=build_paths,
        )
        return compare(pair, self._explainers)

    def _beside(
        self, trees: Mapping[Side, Path], manifests: Mapping[Side, Manifest], found: Comparison
    ) -> list[str]:
        """Whether stored manifests, and a comparison without any, show the same."""
        faults = []
        stored = {side: from_json(to_json(each)) for side, each in manifests.items()}
        if self._compare(trees, stored) != found:
            faults.append("manifests that were stored show something else")
        without = self._compare(trees, manifests, None)
        lockstep = compare_trees(trees[Side.CACHED], trees[Side.CLEAN], WHOLE_TREE)
        ours, theirs = ([(one.kind.value, one.path, one.why) for one in each.divergences]
                        for each in (without, lockstep))  # fmt: skip
        if ours != theirs or lockstep.set_aside != without.set_aside:
            faults.append(f"side by side {theirs} {lockstep.set_aside}, by manifests {ours}"
                          f" {without.set_aside}")  # fmt: skip
        return faults


def _level(found: Comparison) -> Level:
    if found.divergences:
        return Level.DIVERGES
    if found.notes:
        return Level.NOTED
    return Level.SET_ASIDE if found.set_aside else Level.UNSEEN


def _faults(change: Change, level: Level, found: Comparison) -> list[str]:
    if level not in change.levels:
        names = [(one.kind.value, one.path) for one in found.divergences][:3]
        rules = [each.rule for each in found.notes]
        rules += [each.rule for each in found.set_aside]
        return [f"is reported as {level} {names or rules or ''}, not {' or '.join(change.levels)}"]
    if level is not Level.DIVERGES:
        return []
    named = {one.path or "." for one in found.divergences}
    # Of a repository that is gone as a whole, each file need not be reported.
    wanted = {path for path in change.paths if not in_git(path)}
    faults = []
    if unnamed := wanted - named:
        faults.append(f"is not named: {sorted(unnamed)[:3]}")
    if more := named - change.paths - change.also:
        faults.append(f"is named as well: {sorted(more)[:3]}")
    return faults
