from dataclasses import replace
from hashlib import sha256

import pytest
from comparing import plainly

from harness.diagnosis.origin import origin, with_origins, with_origins_by_tree
from harness.trees.manifest import Entry, EntryKind, Manifest
from harness.verdicts.divergence import Divergence, DivergenceKind, outcome

PATHLESS = (DivergenceKind.OUTCOME, DivergenceKind.RELEASE, DivergenceKind.RUN)


def manifest(**files: str | None) -> Manifest:
    entries = {
        name: Entry(kind=EntryKind.FILE, mode=0o644, digest=sha256(text.encode()).hexdigest())
        for name, text in files.items()
        if text is not None
    }
    return Manifest(
        roots=(".",), entries={".": Entry(kind=EntryKind.DIRECTORY, mode=0o755), **entries}
    )


def only(cached: Manifest, clean: Manifest) -> Divergence:
    (found,) = plainly(cached, clean).divergences
    return found


def test_the_latest_commit_with_the_same_content_is_named() -> None:
    history = (manifest(x="old"), manifest(x="old"), manifest(x="newer"))
    assert origin(only(manifest(x="old"), manifest(x="new")), history) == 1


def test_a_leftover_comes_from_the_last_commit_that_had_it() -> None:
    history = (manifest(x="old"), manifest(x="old"), manifest())
    assert origin(only(manifest(x="old"), manifest()), history) == 1


def test_a_missing_file_is_absent_as_it_was() -> None:
    history = (manifest(y="y"), manifest(x="x", y="y"))
    assert origin(only(manifest(y="y"), manifest(x="new", y="y")), history) == 0


def test_an_empty_or_failed_build_is_no_origin_of_absence() -> None:
    found = only(manifest(), manifest(x="new"))
    assert origin(found, (Manifest(roots=(), entries={}), None)) is None
    assert origin(found, (manifest(), None)) == 0


def test_a_mode_alone_comes_from_a_commit_with_that_mode() -> None:
    def tool(mode: int, digest: str) -> Manifest:
        entry = Entry(kind=EntryKind.FILE, mode=mode, digest=digest)
        return Manifest(roots=("tool",), entries={"tool": entry})

    found = only(tool(0o644, "b"), tool(0o755, "b"))
    assert origin(found, (tool(0o644, "a"), tool(0o755, "b"))) == 0


def test_what_no_clean_tree_held_dates_from_when_the_cached_ones_began_to() -> None:
    """A compiled file names its build's time, so no clean build's is the same."""
    found = only(manifest(x="stamp 2"), manifest(x="stamp 9"))
    clean = tuple(manifest(x=f"stamp {n}") for n in (5, 6, 7, 8))
    cached = tuple(manifest(x=f"stamp {n}") for n in (2, 1, 2, 2))
    assert origin(found, clean, cached) == 2
    assert origin(found, clean) is None
    assert origin(found, clean, cached[:2]) is None


@pytest.mark.parametrize("kind", PATHLESS)
def test_what_has_no_path_has_no_origin(kind: DivergenceKind) -> None:
    found = replace(outcome("they differ"), kind=kind)
    assert origin(found, (manifest(x="a"),), (manifest(x="a"),)) is None


@pytest.mark.parametrize("kind", [kind for kind in DivergenceKind if kind not in PATHLESS])
def test_every_kind_with_a_path_has_words_for_its_origin(kind: DivergenceKind) -> None:
    old, new = manifest(x="old").entries["x"], manifest(x="new").entries["x"]
    new = replace(new, mode=0o755, attributes=(("user.mark", "00"),))
    found = Divergence(kind=kind, tree="app", path="x", cached=old, clean=new, why="they differ;")
    (told,) = with_origins((found,), (manifest(x="old"),), (None,), commits=("0bc5805",))
    assert told.origin == "0bc5805"
    assert told.why.endswith(" commit 1 (0bc5805)")


def test_attributes_alone_come_from_a_commit_with_those_attributes() -> None:
    def tool(digest: str, *names: str) -> Manifest:
        attributes = tuple((name, "00") for name in names)
        entry = Entry(kind=EntryKind.FILE, mode=0o755, digest=digest, attributes=attributes)
        return Manifest(roots=("tool",), entries={"tool": entry})

    found = only(tool("b"), tool("b", "user.sealed"))
    assert origin(found, (tool("a"), tool("b", "user.sealed"))) == 0


def test_an_origin_is_told_in_words() -> None:
    divergences = (
        only(manifest(x="old"), manifest(x="new")),
        only(manifest(x="never seen"), manifest(x="new")),
    )
    stale, unknown = with_origins(divergences, (manifest(x="old"),), (None,), commits=("0bc5805",))
    assert stale.origin == "0bc5805"
    assert stale.why == "the contents differ; still holds the content of commit 1 (0bc5805)"
    assert unknown == divergences[1]
    assert unknown.kind is DivergenceKind.CONTENT


def test_what_is_told_of_other_paths_has_no_origin_of_its_own() -> None:
    """A HEAD is the same file whichever commit its branch is at."""
    head = manifest(HEAD="ref: refs/heads/main").entries["HEAD"]
    found = Divergence(
        kind=DivergenceKind.CONTENT, tree="app", path="HEAD", cached=head, clean=head, why="moved"
    )
    history = (manifest(HEAD="ref: refs/heads/main"),)
    assert with_origins((found,), history, history, commits=("1" * 40,)) == (found,)


def test_each_tree_s_divergences_come_from_that_tree_s_own_past() -> None:
    """The same file of two trees was the one's at the first commit, the other's at the second."""
    (one,) = plainly(manifest(x="old"), manifest(x="new")).divergences
    trees = {
        "app": (manifest(x="old"), manifest(x="new")),
        "layer": (manifest(x="new"), manifest(x="old")),
    }
    pathless = outcome("they differ")
    app, layer, whole = with_origins_by_tree(
        (replace(one, tree="app"), replace(one, tree="layer"), pathless),
        clean=trees.__getitem__,
        cached=lambda _: (None, None),
        commits=("first", "second"),
    )
    assert (app.origin, layer.origin) == ("first", "second")
    assert whole == pathless
