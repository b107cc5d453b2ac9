"""Compares two trees as a run does: with everyone who explains differences."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.ecosystems.python.reuse import Traces, judge
from harness.ecosystems.registry import ecosystems, explainers
from harness.ecosystems.reuse import Needs, PartReuse, Reused, Trace
from harness.trees.difference import Side
from harness.trees.explainer import TreePair, content_policy
from harness.trees.manifest import Manifest
from harness.trees.scan import WHOLE_TREE, read_file, scan
from harness.verdicts.compare import Comparison, compare
from harness.verdicts.reuse import judge_parts

EXPLAINERS = explainers(ecosystems())


def plainly(cached: Manifest, clean: Manifest) -> Comparison:
    """By the manifests alone."""
    return compare(TreePair(cached=cached, clean=clean))


def on_disk(cached: Path, clean: Path, patterns: tuple[str, ...] = WHOLE_TREE) -> TreePair:
    """The trees in two folders, of which every file can be read."""
    roots = {Side.CACHED: cached, Side.CLEAN: clean}
    limit = content_policy(EXPLAINERS).largest
    return TreePair(
        cached=scan(cached, patterns),
        clean=scan(clean, patterns),
        read=lambda side, path: read_file(roots[side], path, limit=limit(path)),
        begins=lambda side, path: read_file(roots[side], path, limit=16),
    )


def compare_folders(
    cached: Path, clean: Path, patterns: tuple[str, ...] = WHOLE_TREE, **more: Any
) -> Comparison:
    """What the trees in two folders show, with what else explainers are given."""
    pair = on_disk(cached, clean, patterns)
    return compare(replace(pair, **more), EXPLAINERS)


class _Judging:
    """Python's ecosystem for builds whose traces a test made itself."""

    name = "python"

    def __init__(self, cached: Traces, clean: Traces, needs: Needs) -> None:
        self._reused = judge(cached, clean, needs)

    def reuse(self, *_: object) -> Reused:
        return self._reused


def parts_of(cached: Traces, clean: Traces, needs: Needs) -> tuple[PartReuse, ...]:
    """What became of each part of a cache, as Python and the rest of the requests tell."""
    left = [Trace(passed=each.passed, requests=each.requests) for each in (cached, clean)]
    return judge_parts((_Judging(cached, clean, needs),), left[0], left[1], needs)  # type: ignore[arg-type]
