"""Comparing two trees in lockstep finds exactly what comparing their manifests finds."""

import tempfile
from pathlib import Path

from comparing import compare_folders, plainly
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import Node, edited, open_up, trees, write

from benchmarks.lockstep import compare_trees, differences
from harness.trees.difference import Side
from harness.trees.manifest import HERE
from harness.trees.scan import read_entries, scan

_PATTERNS = st.one_of(
    st.just((HERE,)),
    st.lists(
        st.sampled_from(["*", "a", "A", "*/*", "a*/*", "[aA]/b.pyc", ".git", "*/a/*", "a/a"]),
        min_size=1,
        max_size=3,
    ).map(tuple),
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[dict[str, Node], dict[str, Node]]:
    """Two trees: unrelated ones, or one and a copy of it with some paths changed or removed."""
    cached = draw(trees(entries=16))
    if draw(st.booleans()):
        return cached, draw(trees(entries=16))
    clean = dict(cached)
    for path in draw(st.lists(st.sampled_from(sorted(cached)), max_size=3, unique=True)):
        if path not in clean:
            continue
        if path != HERE and draw(st.booleans()):
            clean = {
                each: node
                for each, node in clean.items()
                if each != path and not each.startswith(f"{path}/")
            }
        else:
            clean[path] = draw(st.sampled_from(list(edited(clean[path]).values())))
    return (cached, clean) if draw(st.booleans()) else (clean, cached)


@settings(deadline=None, max_examples=150)
@given(pair=pairs(), patterns=_PATTERNS)
def test_lockstep_finds_what_comparing_two_scans_finds(
    pair: tuple[dict[str, Node], dict[str, Node]], patterns: tuple[str, ...]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        roots = {Side.CACHED: Path(folder, "cached"), Side.CLEAN: Path(folder, "clean")}
        both = roots[Side.CACHED], roots[Side.CLEAN]
        for root, tree in zip(both, pair, strict=True):
            write(tree, root)
        try:
            cached, clean = (scan(root, patterns) for root in roots.values())
            expected = compare_folders(*both, patterns)
            bare = plainly(cached, clean)
            found = differences(*both, patterns)
            assert found.paths == tuple(sorted({one.path for one in bare.divergences}))
            assert found.compared == expected.compared
            assert (found.cached_roots, found.clean_roots) == (cached.roots, clean.roots)
            assert compare_trees(*both, patterns) == expected
            # Reading them left every mode as it was.
            assert [scan(root, patterns) for root in roots.values()] == [cached, clean]
        finally:
            both = roots[Side.CACHED], roots[Side.CLEAN]
        for root, tree in zip(both, pair, strict=True):
            open_up(tree, root)


@settings(deadline=None)
@given(tree=trees(), data=st.data())
def test_entries_of_some_paths_are_those_of_a_scan(
    tree: dict[str, Node], data: st.DataObject
) -> None:
    paths = data.draw(st.lists(st.sampled_from(sorted(tree)), unique=True))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "tree"
        write(tree, root)
        try:
            whole = scan(root, (HERE,)).entries
            assert read_entries(root, paths) == {path: whole[path] for path in paths}
        finally:
            open_up(tree, root)
