"""Comparison finds each difference, exactly it, and says it alike from either side."""

from dataclasses import replace

from comparing import plainly
from hypothesis import assume, given
from hypothesis import strategies as st
from random_trees import Node, edited, manifest, trees

from harness.diagnosis.origin import origin
from harness.trees.manifest import HERE
from harness.verdicts.compare import split_noise
from harness.verdicts.divergence import Divergence, DivergenceKind

_MIRRORED = {
    DivergenceKind.LEFTOVER: DivergenceKind.MISSING,
    DivergenceKind.MISSING: DivergenceKind.LEFTOVER,
}


def _facts(one: Divergence) -> tuple[object, ...]:
    return one.kind, one.tree, one.path, one.cached, one.clean


@given(tree=trees())
def test_a_tree_equals_itself(tree: dict[str, Node]) -> None:
    comparison = plainly(manifest(tree), manifest(dict(tree)))
    assert comparison.divergences == ()
    assert comparison.set_aside == ()
    assert comparison.compared == sum(node.kind != "directory" for node in tree.values())


@given(cached=trees(), clean=trees())
def test_swapping_the_sides_mirrors(cached: dict[str, Node], clean: dict[str, Node]) -> None:
    there = plainly(manifest(cached), manifest(clean)).divergences
    back = plainly(manifest(clean), manifest(cached)).divergences
    mirrored = [
        replace(one, kind=_MIRRORED.get(one.kind, one.kind), cached=one.clean, clean=one.cached)
        for one in back
    ]
    assert sorted(map(_facts, there), key=repr) == sorted(map(_facts, mirrored), key=repr)


@given(cached=trees(), clean=trees())
def test_trees_without_divergence_are_equal(
    cached: dict[str, Node], clean: dict[str, Node]
) -> None:
    found = plainly(manifest(cached), manifest(clean)).divergences
    assert {one.path for one in found} == {
        path
        for path in cached.keys() | clean.keys()
        if cached.get(path) is None or cached.get(path) != clean.get(path)
    }


@given(tree=trees(), data=st.data())
def test_one_edit_gives_that_path_and_kind(tree: dict[str, Node], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(tree)))
    kind, node = data.draw(st.sampled_from(sorted(edited(tree[path]).items())))
    found = plainly(manifest({**tree, path: node}), manifest(tree)).divergences
    assert [(one.kind, one.path) for one in found] == [(kind, path)]


@given(tree=trees(), data=st.data())
def test_a_removed_path_is_missing_with_all_that_is_in_it(
    tree: dict[str, Node], data: st.DataObject
) -> None:
    assume(len(tree) > 1)
    gone = data.draw(st.sampled_from(sorted(tree.keys() - {HERE})))
    inside = {path for path in tree if path == gone or path.startswith(f"{gone}/")}
    less = {path: node for path, node in tree.items() if path not in inside}
    found = plainly(manifest(less), manifest(tree)).divergences
    assert {(one.kind, one.path) for one in found} == {("missing", path) for path in inside}


def _steady(kind: DivergenceKind, first: Node | None, second: Node | None) -> bool:
    """Whether what a divergence of this kind is about is the same in two clean trees."""
    if first is None or second is None or first.kind != second.kind:
        return first is second
    match kind:
        case DivergenceKind.CONTENT:
            return first.data == second.data
        case DivergenceKind.MODE:
            return first.mode == second.mode
        case DivergenceKind.TARGET:
            return first.target == second.target
        case _:
            return True


@given(cached=trees(), clean=trees(), again=trees())
def test_noise_is_where_two_cleans_differ(
    cached: dict[str, Node], clean: dict[str, Node], again: dict[str, Node]
) -> None:
    found = plainly(manifest(cached), manifest(clean)).divergences
    real, noise = split_noise(found, plainly(manifest(clean), manifest(again)).divergences)
    assert sorted(map(_facts, (*real, *noise)), key=repr) == sorted(map(_facts, found), key=repr)
    for one in real:
        assert _steady(one.kind, clean.get(one.path), again.get(one.path))
    for one in noise:
        assert not _steady(one.kind, clean.get(one.path), again.get(one.path))


@given(history=st.lists(trees(), min_size=1, max_size=4), clean=trees())
def test_a_tree_never_updated_comes_from_the_latest_commit_like_it(
    history: list[dict[str, Node]], clean: dict[str, Node]
) -> None:
    """Were the cached tree the last clean one unchanged, all it has too much came from there."""
    cached = manifest(history[-1])
    earlier = [manifest(tree) for tree in history]
    for one in plainly(cached, manifest(clean)).divergences:
        assert origin(one, earlier) == len(history) - 1
