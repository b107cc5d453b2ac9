"""Properties of trees and edits: paths stay safe, and what is written is what was meant."""

import tempfile
from pathlib import Path

from git_repositories import git
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.scenarios.edits import (
    Append,
    Chmod,
    Copy,
    Delete,
    Edit,
    EditError,
    Move,
    RemoveLines,
    Replace,
    Symlink,
    Write,
    apply,
    edit_paths,
)
from harness.scenarios.gitobjects import tree_objects
from harness.scenarios.tree import File, Leaf, Link, Tree, digest, path_fault, read_tree, write_tree

# Few names, so that paths meet; sorted by git in another order than by Python where a folder is.
NAMES = st.sampled_from(["a", "a.b", "a0", "b", "é", "\udcff", "-x", " "])
ODD = st.sampled_from(["..", ".", "", ".git", ".GIT", "\0", "x" * 300])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
ANY_PATHS = st.lists(NAMES | ODD, min_size=1, max_size=3).map("/".join)
TEXTS = st.sampled_from(["one\n", "two\r\n", "one\ntwo\n", "one", "é"])
LEAVES: st.SearchStrategy[Leaf] = st.builds(
    File, data=st.binary(max_size=8) | TEXTS.map(str.encode), executable=st.booleans()
) | st.builds(Link, target=st.sampled_from(["a", "../..", "/etc", "nowhere"]))


def settle(entries: dict[str, Leaf]) -> Tree:
    """The tree of those entries that do not lie below another."""
    kept: dict[str, Leaf] = {}
    for path in sorted(entries):
        if not any(path.startswith(f"{other}/") for other in kept):
            kept[path] = entries[path]
    return Tree(entries=kept)


TREES = st.dictionaries(PATHS, LEAVES, max_size=8).map(settle)
EDITS: st.SearchStrategy[Edit] = st.one_of(
    st.builds(Write, do=st.just("write"), path=ANY_PATHS, text=TEXTS),
    st.builds(Append, do=st.just("append"), path=ANY_PATHS, text=TEXTS),
    st.builds(
        Replace, do=st.just("replace"), path=ANY_PATHS, old=st.just("one"), new=TEXTS,
        count=st.sampled_from([1, 2]),
    ),
    st.builds(
        RemoveLines, do=st.just("remove-lines"), path=ANY_PATHS,
        lines=st.sampled_from([("one",), ("two",), ("one", "two")]),
    ),
    st.builds(Delete, do=st.just("delete"), path=ANY_PATHS),
    st.builds(Move, do=st.just("move"), path=ANY_PATHS, to=ANY_PATHS),
    st.builds(
        Copy, do=st.just("copy"), source=st.sampled_from(["f", "f/a", "f/a/b"]),
        path=ANY_PATHS | st.just("."),
    ),
    st.builds(Chmod, do=st.just("chmod"), path=ANY_PATHS, executable=st.booleans()),
    st.builds(Symlink, do=st.just("symlink"), path=ANY_PATHS, target=st.just("../../etc")),
)  # fmt: skip


@given(tree=TREES, edits=st.lists(EDITS, max_size=6), fixture=TREES)
def test_edits_change_only_what_they_name(tree: Tree, edits: list[Edit], fixture: Tree) -> None:
    for edit in edits:
        try:
            after = apply(tree, edit, lambda _: fixture)
        except EditError:
            continue
        assert digest(after) != digest(tree)
        changed = {
            path for path in {*tree, *after} if tree.entries.get(path) != after.entries.get(path)
        }
        named = set(edit_paths(edit).values())
        if named:
            assert all(
                any(path == name or path.startswith(f"{name}/") for name in named)
                for path in changed
            )
        assert not any(path_fault(path) for path in after)
        tree = after


@given(tree=TREES, mtime=st.none() | st.integers(0, 2**31))
@settings(deadline=None, max_examples=40)
def test_written_tree_is_read_back(tree: Tree, mtime: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        write_tree(tree, root, mtime=mtime)
        assert read_tree(root) == tree
        assert [path.name for path in Path(folder).iterdir()] == ["root"]


@given(one=TREES, other=TREES)
def test_digests_are_equal_just_where_trees_are(one: Tree, other: Tree) -> None:
    assert (digest(one) == digest(other)) == (one == other)


@given(tree=TREES)
@settings(deadline=None, max_examples=15)
def test_root_has_the_sha_that_git_gives_it(tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        write_tree(tree, root)
        git(root, "init", "--quiet", "--object-format=sha1")
        git(root, "add", "--all", "--force")
        assert tree_objects(tree)[-1].sha == git(root, "write-tree")
