"""Compares two trees as a run does: with everyone who explains differences."""

from dataclasses import replace
from pathlib import Path

from harness.ecosystems.registry import ecosystems, explainers
from harness.trees.difference import Side
from harness.trees.explainer import TreePair, largest
from harness.trees.manifest import Manifest
from harness.trees.scan import WHOLE_TREE, read_file, scan
from harness.verdicts.compare import Comparison, compare

EXPLAINERS = explainers(ecosystems())


def plainly(cached: Manifest, clean: Manifest) -> Comparison:
    """By the manifests alone."""
    return compare(TreePair(cached=cached, clean=clean))


def on_disk(cached: Path, clean: Path, patterns: tuple[str, ...] = WHOLE_TREE) -> TreePair:
    """The trees in two folders, of which every file can be read."""
    roots = {Side.CACHED: cached, Side.CLEAN: clean}
    limit = largest(EXPLAINERS)
    return TreePair(
        cached=scan(cached, patterns),
        clean=scan(clean, patterns),
        read=lambda side, path: read_file(roots[side], path, limit=limit(path)),
        begins=lambda side, path: read_file(roots[side], path, limit=16),
    )


def compare_folders(
    cached: Path, clean: Path, patterns: tuple[str, ...] = WHOLE_TREE, **more: object
) -> Comparison:
    """What the trees in two folders show, with what else explainers are given."""
    pair = on_disk(cached, clean, patterns)
    return compare(replace(pair, **more), EXPLAINERS)  # type: ignore[arg-type]
