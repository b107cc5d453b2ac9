"""Which differences between two trees do not matter to Python, and what else differs for it."""

from collections.abc import Iterable, Sequence
from functools import partial

from harness.ecosystems.python.bytecode_difference import BytecodeUse
from harness.ecosystems.python.rules import (
    RecordFile,
    content_rules,
    is_record,
    may_explain,
    record_rules,
)
from harness.trees.difference import Difference, DifferenceKind, Place, Side
from harness.trees.explainer import LARGEST, Explanation, Rule, TreePair
from harness.trees.manifest import EntryKind

_Explained = dict[Place, frozenset[Rule]]


def explain(differences: Sequence[Difference], trees: TreePair) -> Explanation:
    """Explains files by their contents, and finds where compiled files are not used alike.

    Args:
        differences: All differences between the trees' entries.
        trees: The trees.

    Raises:
        ManifestError: A tree cannot be read any more.
    """
    readable = [one for one in differences if may_explain(one.path) and _is_readable(one)]
    explained = _explained(readable, trees)
    used = BytecodeUse(trees)
    found = [
        better
        for one in readable
        if one.place not in explained and (better := used.other_source(one))
    ]
    for one, rule in used.differences():
        if rule is None:
            found.append(one)
        else:
            explained[one.place] = frozenset({rule})
    return Explanation(explained=explained, found=tuple(found))


def _explained(differences: Iterable[Difference], trees: TreePair) -> _Explained:
    explained: _Explained = {}
    aside: set[str] = set()
    # RECORD files come last: they may differ in the hashes of files that were set aside.
    for one in sorted(differences, key=lambda one: is_record(one.path)):
        if rules := _rules(one, trees, aside):
            explained[one.place] = rules
            aside.add(one.path)
    return explained


def _rules(one: Difference, trees: TreePair, aside: set[str]) -> frozenset[Rule]:
    contents = trees.contents(one)
    if contents is None:
        return frozenset()
    if is_record(one.path):
        cached, clean = (
            RecordFile(content=content, read=partial(trees.read, side))
            for content, side in zip(contents, Side, strict=True)
        )
        return record_rules(one.path, cached, clean, trees.build_paths, aside)
    return content_rules(one.path, *contents, trees.build_paths)


def _is_readable(one: Difference) -> bool:
    """Whether it is the contents of two files that differ, and both are small enough."""
    return (
        one.kind is DifferenceKind.CONTENT
        and one.cached is not None
        and one.clean is not None
        and one.cached.kind is EntryKind.FILE
        and max(one.cached.size, one.clean.size) <= LARGEST
    )
