"""Checkouts are compared by what they are: what any two clones differ in is no divergence."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from git_clones import GIT, PLACE, Clones, clones, diverging, history, whys
from git_repositories import git

from harness.trees.git.git_folder import Repositories
from harness.verdicts.compare import Comparison


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Clones:
    return clones(tmp_path_factory.mktemp("clones"))


@pytest.fixture
def here(made: Clones, tmp_path: Path) -> Clones:
    shutil.copytree(made.root, tmp_path / "clones", symlinks=True)
    return Clones(root=tmp_path / "clones", commits=made.commits)


@pytest.fixture
def twins(here: Clones) -> Clones:
    """Two equal checkouts, on a branch, of which all is loose."""
    folder = here.clone("cached")
    unpack(folder)
    here.copy()
    return here


def unpack(checkout: Path) -> None:
    packs = checkout / ".git" / "objects" / "pack"
    for pack in sorted(packs.glob("*.pack")):
        moved = checkout.parent / pack.name
        pack.rename(moved)
        for beside in packs.glob(f"{pack.stem}.*"):
            beside.unlink()
        git(checkout, "unpack-objects", "-q", stdin=moved.read_bytes())
        moved.unlink()


def aside(found: Comparison) -> set[str]:
    return {one.rule for one in found.set_aside}


def loose(folder: Path, name: str) -> Path:
    return folder / "objects" / name[:2] / name[2:]


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


# What was held against a right buildpack.


def test_a_pinned_commit_is_the_same_where_the_forks_branch_moved(here: Clones) -> None:
    here.branch(here.commits[0])
    git(here.clone("cached"), "checkout", "-q", here.commits[0])
    here.branch(here.commits[2])
    git(here.clone("clean"), "checkout", "-q", here.commits[0])
    found = here.compared()
    assert diverging(found) == []
    one, two = here.commits[0][:7], here.commits[2][:7]
    assert f"branch main is at {one}, in a clean build at {two}" in history(found)
    assert "git-store" in aside(found)


def test_a_bumped_commit_is_the_same_on_a_branch_and_off_it(here: Clones) -> None:
    here.branch(here.commits[0])
    cached = here.clone("cached")
    here.branch(here.commits[1], "next")
    git(cached, "fetch", "-q")
    git(cached, "reset", "-q", "--hard", here.commits[1])
    git(here.clone("clean"), "checkout", "-q", here.commits[1])
    found = here.compared()
    assert diverging(found) == []
    assert "HEAD is on branch main, in a clean build detached" in history(found)
    (note,) = found.notes
    assert f"{GIT}/HEAD" in note.paths


def repack(clones: Clones) -> None:
    git(clones.checkout("cached"), "gc", "-q", "--aggressive")


def rename(clones: Clones) -> None:
    git(clones.checkout("cached"), "branch", "-q", "-m", "main", "trunk")


def tag(clones: Clones) -> None:
    git(clones.checkout("clean"), "tag", "v9")


def shorten(clones: Clones) -> None:
    shutil.rmtree(clones.checkout("cached"))
    clones.clone("cached", "--depth=1", "--no-single-branch")


def log(clones: Clones) -> None:
    git(clones.checkout("cached"), "reflog", "expire", "--expire=now", "--all")


def litter(clones: Clones) -> None:
    (clones.checkout("cached") / "left").write_text("nobody needs this any more")
    git(clones.checkout("cached"), "hash-object", "-w", "left")
    (clones.checkout("cached") / "left").unlink()


def empty(clones: Clones) -> None:
    (clones.git_folder("cached") / "branches").mkdir(exist_ok=True)
    shutil.rmtree(clones.git_folder("clean") / "branches", ignore_errors=True)
    (clones.git_folder("clean") / "refs" / "tags").rmdir()


def restat(clones: Clones) -> None:
    os.utime(clones.checkout("cached") / "forms" / "fields.py", (1, 1))
    git(clones.checkout("cached"), "status")


def reformat(clones: Clones) -> None:
    path = clones.git_folder("cached") / "config"
    path.write_text("# by somebody\n" + path.read_text().replace("[core]", "[CORE] ;x"))


def index_of_another_version(clones: Clones) -> None:
    git(clones.checkout("cached"), "update-index", "--index-version=4")


def graph(clones: Clones) -> None:
    git(clones.checkout("cached"), "commit-graph", "write", "--reachable")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (repack, ""),
        (rename, "HEAD is on branch trunk, in a clean build on branch main"),
        (tag, "tag v9 is absent, in a clean build at "),
        (shorten, "its history is cut at 1 commit, in a clean build whole"),
        (log, ""),
        (litter, ""),
        (empty, ""),
        (restat, ""),
        (reformat, ""),
        (index_of_another_version, ""),
        (graph, ""),
    ],
)
def test_how_git_stores_and_names_is_no_divergence(
    twins: Clones, change: Callable[[Clones], None], told: str
) -> None:
    change(twins)
    found = twins.compared()
    assert diverging(found) == []
    assert (told in history(found)) if told else found.notes == ()
    assert found.notes or aside(found) == {"git-store"}


def test_a_partial_clone_may_lack_what_was_promised_of_its_history(here: Clones) -> None:
    for side in ("cached", "clean"):
        here.clone(side, "--filter=blob:none")
    # As a later commit's checkout fetches what it needs.
    git(here.checkout("cached"), "checkout", "-q", here.commits[0])
    git(here.checkout("cached"), "checkout", "-q", "main")
    found = here.compared()
    assert diverging(found) == []
    assert "git-store" in aside(found)


# What must show, and would not where git's storage is passed over.


def move_in_packed_refs(clones: Clones) -> None:
    for side in ("cached", "clean"):
        git(clones.checkout(side), "pack-refs", "--all")
    path = clones.git_folder("cached") / "packed-refs"
    path.write_text(path.read_text().replace(clones.commits[2], clones.commits[1]))


def delete_a_file_of_head(clones: Clones) -> None:
    name = git(clones.checkout("cached"), "rev-parse", "HEAD:forms/fields.py")
    loose(clones.git_folder("cached"), name).unlink()


def delete_a_folder_of_head(clones: Clones) -> None:
    name = git(clones.checkout("cached"), "rev-parse", "HEAD:forms")
    loose(clones.git_folder("cached"), name).unlink()


def delete_head(clones: Clones) -> None:
    loose(clones.git_folder("cached"), clones.commits[2]).unlink()


def delete_an_old_commit(clones: Clones) -> None:
    loose(clones.git_folder("cached"), clones.commits[0]).unlink()


def delete_an_old_file(clones: Clones) -> None:
    name = git(clones.checkout("cached"), "rev-parse", f"{clones.commits[0]}:forms/field.html")
    loose(clones.git_folder("cached"), name).unlink()


def damage_an_object(clones: Clones) -> None:
    name = git(clones.checkout("cached"), "rev-parse", "HEAD:forms/fields.py")
    path = loose(clones.git_folder("cached"), name)
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    rewrite(path, bytes(data))


def swap_an_object(clones: Clones) -> None:
    folder = clones.checkout("cached")
    (folder / "other").write_text("x = 2\n")
    other = git(folder, "hash-object", "-w", "other")
    (folder / "other").unlink()
    name = git(folder, "rev-parse", "HEAD:forms/fields.py")
    data = loose(clones.git_folder("cached"), other).read_bytes()
    rewrite(loose(clones.git_folder("cached"), name), data)


def damage_a_pack(clones: Clones) -> None:
    repack(clones)
    (path,) = (clones.git_folder("cached") / "objects" / "pack").glob("*.pack")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    rewrite(path, bytes(data))


def lose_a_pack(clones: Clones) -> None:
    repack(clones)
    (path,) = (clones.git_folder("cached") / "objects" / "pack").glob("*.pack")
    path.unlink()


def damage_a_graph(clones: Clones) -> None:
    graph(clones)
    path = clones.git_folder("cached") / "objects" / "info" / "commit-graph"
    rewrite(path, path.read_bytes()[:-1] + b"?")


def borrow_elsewhere(clones: Clones) -> None:
    folder = clones.git_folder("cached")
    shutil.rmtree(folder / "objects")
    (folder / "objects" / "info").mkdir(parents=True)
    elsewhere = clones.fork / ".git" / "objects"
    (folder / "objects" / "info" / "alternates").write_text(f"{elsewhere}\n")


def hide_by_shallow(clones: Clones) -> None:
    (clones.git_folder("cached") / "shallow").write_text("junk\n")


def lose_the_index(clones: Clones) -> None:
    (clones.git_folder("cached") / "index").unlink()


def damage_the_index(clones: Clones) -> None:
    path = clones.git_folder("cached") / "index"
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def stage_something(clones: Clones) -> None:
    folder = clones.checkout("cached")
    (folder / "forms" / "fields.py").write_text("x = 2\n")
    git(folder, "add", ".")
    (folder / "forms" / "fields.py").write_text("x = 1\n")


def assume_unchanged(clones: Clones) -> None:
    git(clones.checkout("cached"), "update-index", "--assume-unchanged", "forms/fields.py")


def replace_an_object(clones: Clones) -> None:
    git(clones.checkout("cached"), "replace", clones.commits[2], clones.commits[1])
    git(clones.checkout("cached"), "pack-refs", "--all")


def watch_files(clones: Clones) -> None:
    git(clones.checkout("cached"), "config", "core.fsmonitor", ".git/hooks/watch")


def include_settings(clones: Clones) -> None:
    git(clones.checkout("cached"), "config", "include.path", "/tmp/x")


def break_the_config(clones: Clones) -> None:
    with (clones.git_folder("cached") / "config").open("a") as file:
        file.write('[remote "x\n')


def hook(clones: Clones) -> None:
    path = clones.git_folder("cached") / "hooks" / "post-checkout"
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")


def ignore(clones: Clones) -> None:
    path = clones.git_folder("cached") / "info" / "exclude"
    path.parent.mkdir(exist_ok=True)
    path.write_text("*.py\n")


def no_refs(clones: Clones) -> None:
    git(clones.checkout("cached"), "pack-refs", "--all")
    shutil.rmtree(clones.git_folder("cached") / "refs")


def malformed_packed_refs(clones: Clones) -> None:
    (clones.git_folder("cached") / "packed-refs").write_text("<<<<<<< main\n")


def lock(clones: Clones) -> None:
    (clones.git_folder("cached") / "index.lock").write_text("")


def unknown(clones: Clones) -> None:
    (clones.git_folder("cached") / "objects" / "pack" / "pack-settings.txt").write_text("x")


def in_a_merge(clones: Clones) -> None:
    (clones.git_folder("cached") / "MERGE_HEAD").write_text(clones.commits[0])


def malformed_branch(clones: Clones) -> None:
    (clones.git_folder("cached") / "refs" / "heads" / "other").write_text("template text")


def a_link_for_a_branch(clones: Clones) -> None:
    (clones.git_folder("cached") / "refs" / "heads" / "other").symlink_to("/etc/hostname")


@pytest.mark.parametrize(
    ("change", "expected", "told"),
    [
        (move_in_packed_refs, [("content", "HEAD")],
         "its HEAD is at {v2}; in a clean build it is at {v3}"),
        (delete_a_file_of_head, [("content", "objects")],
         "1 object that HEAD reaches is missing; in a clean build all"),
        (delete_a_folder_of_head, [("content", "objects")],
         "1 object that HEAD reaches is missing"),
        (delete_head, [("content", "objects")], "1 object that HEAD reaches is missing"),
        (delete_an_old_commit, [("content", "objects")], "1 object that HEAD reaches is missing"),
        (delete_an_old_file, [("content", "objects")], "1 object that HEAD reaches is missing"),
        (damage_an_object, [("content", "objects")], "1 object that HEAD reaches is broken"),
        (swap_an_object, [("content", "objects")], "its bytes are another object's"),
        (damage_a_pack, [("content", "objects")], ".pack: it is damaged"),
        (lose_a_pack, [("content", "objects")], ".pack is missing"),
        (damage_a_graph, [("leftover", "objects/info/commit-graph")],
         "it is damaged; in a clean build it is sound"),
        (borrow_elsewhere, [("content", "objects"), ("leftover", "objects/info/alternates")],
         "its alternates lead out of the build dir"),
        (hide_by_shallow, [("leftover", "shallow")], "it is malformed"),
        (lose_the_index, [("missing", "index")], "a clean build has this"),
        (damage_the_index, [("content", "index")],
         "its checksum is wrong; in a clean build it is sound"),
        (stage_something, [("content", "index")],
         "what is staged of forms/fields.py is not as in a clean build"),
        (assume_unchanged, [("content", "index")], "what is staged of forms/fields.py is not"),
        (replace_an_object, [("content", "packed-refs")],
         "git reads other objects in place of some"),
        (watch_files, [("content", "config")], "core.fsmonitor is set here only"),
        (include_settings, [("content", "config")], "include.path is set here only"),
        (break_the_config, [("content", "config")], "in its `config` line"),
        (hook, [("leftover", "hooks/post-checkout")], "a clean build has nothing here"),
        (ignore, [("content", "info/exclude")], "the contents differ"),
        (no_refs, [("missing", "refs")], "it has no `refs`; in a clean build it is sound"),
        (malformed_packed_refs, [("content", "packed-refs")], "line 1 of it is malformed"),
        (lock, [("leftover", "index.lock")], "a clean build has nothing here"),
        (unknown, [("leftover", "objects/pack/pack-settings.txt")], "a clean build has nothing"),
        (in_a_merge, [("leftover", "MERGE_HEAD")], "a clean build has nothing here"),
        (malformed_branch, [("leftover", "refs/heads/other")], "a clean build has nothing here"),
        (a_link_for_a_branch, [("leftover", "refs/heads/other")],
         "refs/heads/other is a symlink; in a clean build nothing is there"),
    ],
)  # fmt: skip
def test_what_a_user_could_notice_diverges(
    twins: Clones,
    change: Callable[[Clones], None],
    expected: list[tuple[str, str]],
    told: str,
) -> None:
    change(twins)
    found = twins.compared()
    assert diverging(found) == [(kind, f"{GIT}/{path}") for kind, path in expected]
    one, two, three = (commit[:7] for commit in twins.commits)
    assert told.format(v1=one, v2=two, v3=three) in whys(found)


def test_the_other_side_is_told_as_well(twins: Clones) -> None:
    name = git(twins.checkout("clean"), "rev-parse", "HEAD:forms")
    loose(twins.git_folder("clean"), name).unlink()
    found = twins.compared()
    assert "is there and sound; in a clean build 1 object that HEAD reaches" in whys(found)


def test_two_that_are_broken_alike_agree(twins: Clones) -> None:
    name = git(twins.checkout("clean"), "rev-parse", "HEAD:forms/fields.py")
    for side in ("cached", "clean"):
        loose(twins.git_folder(side), name).unlink()
    litter(twins)
    assert diverging(twins.compared()) == []


def test_another_commit_is_told_once(here: Clones) -> None:
    for side, commit in zip(("cached", "clean"), here.commits[:2], strict=True):
        git(here.clone(side), "checkout", "-q", commit)
    found = here.compared()
    assert diverging(found) == [
        ("content", f"{GIT}/HEAD"),
        ("content", f"{PLACE}/forms/field.html"),
    ]


def test_credentials_are_never_shown(twins: Clones) -> None:
    for side, secret in (("cached", "hunter2"), ("clean", "tokentwo")):
        url = f"https://user:{secret}@github.com/acme/forms.git"
        git(twins.checkout(side), "config", "remote.origin.url", url)
        git(twins.checkout(side), "config", "http.extraheader", f"Authorization: {secret}")
    found = twins.compared()
    assert diverging(found) == [("content", f"{GIT}/config")]
    assert "remote.origin.url differs in its credentials" in whys(found)
    assert "http.extraheader is not as in a clean build" in whys(found)
    assert "hunter2" not in whys(found)
    assert "tokentwo" not in whys(found)


def test_another_remote_is_named(twins: Clones) -> None:
    git(twins.checkout("cached"), "config", "remote.origin.url", "https://a:b@host/other?t=x")
    assert "remote.origin.url is https://host/other; in a clean build it is file://" in whys(
        twins.compared()
    )


def test_alternates_within_the_tree_are_read(twins: Clones) -> None:
    for side in ("cached", "clean"):
        shared = twins.tree(side) / "shared.git"
        git(twins.tree(side), "clone", "-q", "--bare", twins.url, "shared.git")
        folder = twins.git_folder(side)
        shutil.rmtree(folder / "objects")
        (folder / "objects" / "info").mkdir(parents=True)
        (folder / "objects" / "info" / "alternates").write_text("../../../../shared.git/objects\n")
        assert git(twins.checkout(side), "rev-parse", "HEAD") == twins.commits[2]
        assert shared.is_dir()
    litter(twins)
    assert diverging(twins.compared()) == []
    shutil.rmtree(twins.tree("cached") / "shared.git" / "objects" / "pack")
    assert ("content", f"{GIT}/objects") in diverging(twins.compared())


def test_a_bare_repository_is_one_too(here: Clones) -> None:
    for side in ("cached", "clean"):
        here.tree(side).mkdir()
        git(here.tree(side), "clone", "-q", "--bare", here.url, "forms.git")
    git(here.tree("cached") / "forms.git", "gc", "-q")
    git(here.tree("clean") / "forms.git", "branch", "other")
    found = here.compared()
    assert diverging(found) == []
    assert "branch other is absent" in history(found)


def test_a_folder_that_only_looks_like_one_is_compared_as_files(here: Clones) -> None:
    for side in ("cached", "clean"):
        for name in ("objects", "refs"):
            (here.tree(side) / "game" / name).mkdir(parents=True)
        (here.tree(side) / "game" / "HEAD").write_text("a head")
        (here.tree(side) / "game" / "objects" / "sword").write_text(side)
    assert diverging(here.compared()) == [("content", "game/objects/sword")]


def add_submodule(clones: Clones) -> None:
    other = clones.root / "other"
    other.mkdir()
    git(other, "init", "-q")
    (other / "text").write_text("x")
    git(other, "add", ".")
    git(other, "commit", "-q", "-m", "one")
    git(clones.fork, "reset", "-q", "--hard")
    git(clones.fork, "submodule", "add", "-q", f"file://{other}", "vendor/other")
    git(clones.fork, "commit", "-q", "-m", "With a submodule")


def test_a_submodule_is_a_repository_of_its_own(here: Clones) -> None:
    add_submodule(here)
    for side in ("cached", "clean"):
        here.clone(side, "--recurse-submodules")
    assert diverging(here.compared()) == []
    inside = here.checkout("cached") / "vendor" / "other"
    git(inside, "commit", "-q", "--allow-empty", "-m", "two")
    assert diverging(here.compared()) == [("content", f"{GIT}/modules/vendor/other/HEAD")]
    git(inside, "reset", "-q", "--hard", "HEAD~1")
    shutil.rmtree(here.git_folder("cached") / "modules" / "vendor" / "other" / "objects" / "pack")
    assert diverging(here.compared()) == [("content", f"{GIT}/modules/vendor/other/objects")]


def test_a_submodule_that_was_dropped_may_leave_its_repository(here: Clones) -> None:
    add_submodule(here)
    cached = here.clone("cached")
    git(cached, "submodule", "update", "--init", "-q")
    git(cached, "checkout", "-q", "--recurse-submodules", here.commits[2])
    git(here.clone("clean"), "checkout", "-q", here.commits[2])
    found = here.compared()
    assert diverging(found) == []
    assert "submodule vendor/other, which nothing uses, is kept here" in history(found)


def test_a_submodule_that_is_not_checked_out_is_missed(here: Clones) -> None:
    add_submodule(here)
    here.clone("cached")
    here.clone("clean", "--recurse-submodules")
    shown = diverging(here.compared())
    assert ("missing", f"{PLACE}/vendor/other/text") in shown
    assert ("missing", f"{GIT}/modules/vendor/other/HEAD") in shown
    assert ("content", f"{GIT}/config") in shown


def test_a_linked_worktree_has_a_head_of_its_own(here: Clones) -> None:
    here.clone("cached")
    git(here.checkout("cached"), "worktree", "add", "-q", "--detach", "../linked")
    here.copy()
    assert diverging(here.compared()) == []
    head = here.git_folder("cached") / "worktrees" / "linked" / "HEAD"
    head.write_text(here.commits[0] + "\n")
    found = here.compared()
    assert diverging(found) == [("content", f"{GIT}/worktrees/linked/HEAD")]
    assert f"is at {here.commits[0][:7]}; in a clean build it is at" in whys(found)


def test_of_many_names_the_first_are_told(twins: Clones) -> None:
    path = twins.git_folder("cached") / "packed-refs"
    name = "x" * 5000
    lines = [f"{twins.commits[0]} refs/heads/{name}{number}" for number in range(2000)]
    path.write_text("# pack-refs with: peeled\n" + "\n".join(lines) + "\n")
    found = twins.compared()
    assert diverging(found) == []
    assert len(history(found)) < 2000
    assert "; 1997 more" in history(found)


def test_trees_without_a_repository_read_nothing_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for side in ("cached", "clean"):
        (tmp_path / side / "src").mkdir(parents=True)
        (tmp_path / side / "src" / "x").write_text(side)
    monkeypatch.setattr(Repositories, "names", None)
    assert diverging(Clones(root=tmp_path, commits=()).compared()) == [("content", "src/x")]
