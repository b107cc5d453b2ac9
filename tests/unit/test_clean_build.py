"""A clean build that is made in its own way: what of it counts for nothing, and what it tells."""

from dataclasses import replace

import pytest

from harness.scenarios.scenario import Stage
from harness.scenarios.scenario_file import BuildExpectation
from harness.scenarios.tree import File, Leaf, Link, Tree
from harness.scenarios.world import World
from harness.trees.explainer import TreePair
from harness.trees.manifest import Entry, EntryKind, Manifest, content_digest
from harness.trees.named import APP
from harness.verdicts.clean_build import CLEAN_FILES, made, without_given
from harness.verdicts.compare import Comparison, compare
from harness.verdicts.divergence import SetAside
from harness.verdicts.result import CleanMade

OURS: dict[str, Leaf] = {"a.txt": File(data=b"one")}
THEIRS: dict[str, Leaf] = {
    "a.txt": File(data=b"two"),
    "conf/x": File(data=b"", executable=True),
    "link": Link(target="a.txt"),
}
FOLDER = Entry(kind=EntryKind.DIRECTORY, mode=0o755)


def stage(world: World | None = None) -> Stage:
    plain = Stage(
        index=1, message="m", time=0, tree=Tree(entries=OURS), world=World(),
        build=BuildExpectation.PASSES, reuse=None, expect=(),
    )  # fmt: skip
    own = World(env=(("A", "1"),), buildpack="v2")
    clean = replace(plain, tree=Tree(entries=THEIRS), world=own)
    return replace(plain, world=world or World(), clean=clean)


def file(data: bytes, mode: int = 0o644) -> Entry:
    return Entry(kind=EntryKind.FILE, mode=mode, size=len(data), digest=content_digest(data))


GIVEN = {
    "a.txt": file(b"two"),
    "conf": FOLDER,
    "conf/x": file(b"", 0o755),
    "link": Entry(kind=EntryKind.SYMLINK, target="a.txt"),
}


def compared(
    cached: dict[str, Entry], clean: dict[str, Entry], *, tree: str = APP, of: Stage | None = None
) -> Comparison:
    """What two trees show, of which all but these entries is the same."""
    pair = (
        Manifest(roots=(".",), entries=dict(sorted({".": FOLDER, **entries}.items())))
        for entries in (cached, clean)
    )
    found = compare(TreePair(name=tree, cached=next(pair), clean=next(pair)))
    return without_given(found, of or stage())


def places(found: Comparison) -> list[str]:
    return [f"{one.kind} {one.path}" for one in found.divergences]


def test_files_that_are_as_they_were_given_count_for_nothing() -> None:
    found = compared({"a.txt": file(b"one")}, GIVEN)
    assert found.divergences == ()
    assert found.set_aside == (SetAside(rule=CLEAN_FILES, count=4),)


@pytest.mark.parametrize(
    ("cached", "clean", "shown"),
    [
        # A build changed its app's own file.
        ({"a.txt": file(b"three")}, {}, ["content a.txt"]),
        ({}, {"a.txt": file(b"three")}, ["content a.txt"]),
        ({}, {"a.txt": file(b"two", 0o755)}, ["content a.txt", "mode a.txt"]),
        ({"a.txt": FOLDER}, {}, ["type a.txt"]),
        # The cached build has what only the clean one was given.
        ({"conf": FOLDER, "conf/x": file(b"y", 0o755)}, {}, ["content conf/x"]),
        ({}, {"link": Entry(kind=EntryKind.SYMLINK, target="b")}, ["missing link"]),
        ({}, {"conf/x": replace(GIVEN["conf/x"], attributes=(("user.a", "00"),))},
         ["missing conf/x"]),
        # What lies beside what was given.
        ({}, {"conf/made": file(b"")}, ["missing conf/made"]),
        ({"left": file(b"")}, {}, ["leftover left"]),
        ({"conf": FOLDER, "conf/x": GIVEN["conf/x"]}, {"conf": file(b"")},
         ["type conf"]),
    ],
)  # fmt: skip
def test_whatever_else_is_there_is_a_divergence(
    cached: dict[str, Entry], clean: dict[str, Entry], shown: list[str]
) -> None:
    assert set(shown) <= set(
        places(compared({"a.txt": file(b"one"), **cached}, {**GIVEN, **clean}))
    )


def test_a_folder_that_the_app_has_anyway_is_no_gift() -> None:
    own: dict[str, Leaf] = {**OURS, "conf/own": File(data=b"")}
    plain = replace(stage(), clean=None, tree=Tree(entries=own))
    of = replace(plain, clean=replace(plain, tree=Tree(entries=own | THEIRS)))
    clean = {**GIVEN, "conf/own": file(b"")}
    found = compared({"a.txt": file(b"one")}, clean, of=of)
    assert places(found) == ["missing conf", "missing conf/own"]
    found = compared({"a.txt": file(b"one"), "conf": FOLDER, "conf/own": file(b"")}, clean, of=of)
    assert places(found) == []


def test_another_tree_has_no_files_of_the_app() -> None:
    found = compared({"a.txt": file(b"one")}, GIVEN, tree="layer")
    assert places(found) == ["content a.txt", "missing conf", "missing conf/x", "missing link"]


def test_where_both_are_made_alike_nothing_is_set_aside() -> None:
    plain = replace(stage(), clean=None)
    assert len(compared({"a.txt": file(b"one")}, GIVEN, of=plain).divergences) == 4
    assert made(plain) is None


def test_it_is_told_what_only_the_clean_build_had() -> None:
    told = CleanMade(files=("a.txt", "conf/x", "link"), env=("A",), buildpack="v2")
    assert made(stage()) == told
    same = World(env=(("A", "1"),), buildpack="v2")
    older = World(buildpack="v1")
    asked = stage(older)
    assert asked.clean is not None
    asked = replace(asked, clean=replace(asked.clean, world=World()))
    assert made(asked) == replace(told, env=(), buildpack="subject")
    assert made(stage(same)) == replace(told, env=(), buildpack="")
