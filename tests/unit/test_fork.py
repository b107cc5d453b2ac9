"""Forks: revisions, references, submodules, fixed SHAs, and every fault of a `repo.toml`."""

from pathlib import Path

import pytest

from harness.bundled import bundled_repositories
from harness.errors import InputError
from harness.scenarios.fork import load_fork
from harness.scenarios.tree import File

REPO = """\
description = "A fork"
owner = "someone"
base = "one"

[[revisions]]
name = "two"
message = "Second"
edits = [{ do = "write", path = "a.py", text = "2" }]

[[revisions]]
name = "also-two"
parent = "one"
edits = [{ do = "append", path = "a.py", text = "!" }]

[[revisions]]
name = "three"
edits = [{ do = "delete", path = "b/c" }]

[branches]
main = "two"
"feature/x" = "three"

[tags]
"v1.0" = "one"
latest = "three"
"""
DATA = """description = "Data"
revisions = [{ name = "v2", edits = [{ do = "write", path = "data.txt", text = "2" }] }]
"""
WITH_SUBMODULES = """description = "A fork with submodules"
submodules = { data = "data@v1" }

[[revisions]]
name = "bumped"
submodules = { data = "data@v2", "more/data" = "data@v1" }

[[revisions]]
name = "edited"
edits = [{ do = "write", path = "more/a.py", text = "2" }]

[[revisions]]
name = "without"
submodules = {}
"""


def fork_folder(root: Path, repo: str = REPO) -> Path:
    folder = root / "thing"
    (folder / "b").mkdir(parents=True)
    (folder / "repo.toml").write_text(repo)
    (folder / "a.py").write_bytes(b"1\r\n")
    (folder / "b" / "c").write_bytes(b"\xff")
    (folder / "b" / "c").chmod(0o777)
    return folder


def faults(root: Path, repo: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_fork(fork_folder(root, repo))
    return [f"{problem.line}: {problem.message}" for problem in caught.value.problems]


def test_revisions_build_on_their_parents(tmp_path: Path) -> None:
    fork = load_fork(fork_folder(tmp_path))
    contents = {
        revision.name: {path: leaf.data for path, leaf in revision.tree.entries.items()
                        if isinstance(leaf, File)}
        for revision in fork.revisions
    }  # fmt: skip
    assert contents == {
        "one": {"a.py": b"1\r\n", "b/c": b"\xff"},
        "two": {"a.py": b"2", "b/c": b"\xff"},
        "also-two": {"a.py": b"1\r\n!", "b/c": b"\xff"},
        "three": {"a.py": b"1\r\n!"},
    }
    assert [revision.parent for revision in fork.revisions] == [None, "one", "one", "also-two"]
    assert [revision.message for revision in fork.revisions] == [
        "one", "Second", "also-two", "three"]  # fmt: skip
    assert fork.branches == (("feature/x", "three"), ("main", "two"))
    assert fork.tags == (("latest", "three"), ("v1.0", "one"))
    assert (fork.name, fork.owner) == ("thing", "someone")
    assert fork.url == "https://github.com/someone/thing.git"


def test_main_is_at_the_last_revision_where_no_branch_is_named(tmp_path: Path) -> None:
    fork = load_fork(fork_folder(tmp_path, REPO.split("[branches]", maxsplit=1)[0]))
    assert fork.branches == (("main", "three"),)


def with_submodules(root: Path, repo: str = WITH_SUBMODULES) -> Path:
    (root / "data").mkdir()
    (root / "data" / "repo.toml").write_text(DATA)
    (root / "data" / "data.txt").write_text("1")
    return fork_folder(root, repo)


def test_submodules_are_pinned_until_a_revision_says_otherwise(tmp_path: Path) -> None:
    fork = load_fork(with_submodules(tmp_path))
    data = load_fork(tmp_path / "data")
    first, second = data.sha("v1"), data.sha("v2")
    assert [revision.gitlinks for revision in fork.revisions] == [
        {"data": first},
        {"data": second, "more/data": first},
        {"data": second, "more/data": first},
        {},
    ]
    checkouts = [
        {path: leaf.data for path, leaf in revision.checkout.entries.items()
         if isinstance(leaf, File) and "data" in path}
        for revision in fork.revisions
    ]  # fmt: skip
    assert checkouts == [
        {"data/data.txt": b"1"},
        {"data/data.txt": b"2", "more/data/data.txt": b"1"},
        {"data/data.txt": b"2", "more/data/data.txt": b"1"},
        {},
    ]
    section = '[submodule "{0}"]\n\tpath = {0}\n\turl = https://github.com/acme/data.git\n'
    assert fork.revision("v1").tree.entries[".gitmodules"] == File(
        data=section.format("data").encode()
    )
    assert fork.revision("edited").tree.entries[".gitmodules"] == File(
        data=(section.format("data") + section.format("more/data")).encode()
    )
    assert fork.revision("without").tree == fork.revision("without").checkout
    assert set(fork.revision("without").tree) == {"a.py", "b/c", "more/a.py"}
    assert len(set(fork.shas.values())) == len(fork.revisions)


def test_a_submodules_own_submodules_are_in_the_checkout(tmp_path: Path) -> None:
    with_submodules(tmp_path)
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / "repo.toml").write_text('description = "x"\nsubmodules = { lib = "thing@bumped" }\n')
    assert set(load_fork(outer).revision("v1").checkout) == {
        ".gitmodules", "lib/.gitmodules", "lib/a.py", "lib/b/c", "lib/data/data.txt",
        "lib/more/data/data.txt",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('{ data = "data@v1" }', '{ data = "nope@v1" }', "2: there is no fork `nope` beside"),
        ('{ data = "data@v1" }', '{ data = "plain@v1" }', "2: there is no fork `plain` beside"),
        ('submodules = { data = "data@v1"', 'submodules = { data = "data@v9"',
         "2: `data` has no revision `v9`"),
        ('"data@v2"', '"data@v9"', "6: `data` has no revision `v9`"),
        ('"data@v2"', '"data"', '6: `data` is "data"'),
        ('"data@v2"', '"thing@v1"', "6: no end: `thing` has the submodule `thing`"),
        ('{ data = "data@v1" }', '{ "../x" = "data@v1" }', '2: `../x` is "../x"'),
        ('{ data = "data@v1" }', '{ ".git/x" = "data@v1" }', '2: `.git/x` is ".git/x"'),
        ('{ data = "data@v1" }', '{ b = "data@v1" }', "2: the submodule `b` already exists"),
        ('{ data = "data@v1" }', '{ "a.py" = "data@v1" }', "2: the submodule `a.py` already"),
        ('{ data = "data@v1" }', '{ "a.py/x" = "data@v1" }',
         "2: the submodule `a.py/x` lies below `a.py`, which is not a folder"),
        ('"more/data" =', '"data/more" =', "6: the submodule `data/more` lies in the submodule"),
        ('path = "more/a.py"', 'path = "more/data/x"',
         "8: the submodule `more/data` already exists"),
        ('path = "more/a.py"', 'path = ".gitmodules"',
         "8: the submodule `data` cannot be: `.gitmodules` is written"),
    ],
)  # fmt: skip
def test_fault_of_a_submodule(tmp_path: Path, old: str, new: str, fault: str) -> None:
    (tmp_path / "plain").mkdir()
    assert WITH_SUBMODULES.count(old) == 1
    folder = with_submodules(tmp_path, WITH_SUBMODULES.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_fork(folder)
    told = [f"{problem.line}: {problem.message}" for problem in caught.value.problems]
    assert told[0].startswith(fault)


def test_forks_that_have_each_other_as_submodules_have_no_end(tmp_path: Path) -> None:
    folder = with_submodules(tmp_path)
    (tmp_path / "data" / "repo.toml").write_text(f'{DATA}submodules = {{ x = "thing@v1" }}\n')
    with pytest.raises(InputError) as caught:
        load_fork(folder)
    way = "no end: `thing` has the submodule `data` has the submodule `thing`"
    assert [problem.message for problem in caught.value.problems] == [way]
    assert caught.value.problems[0].file == str(tmp_path / "data" / "repo.toml")


def test_a_submodules_faults_are_told_once(tmp_path: Path) -> None:
    folder = with_submodules(tmp_path)
    (tmp_path / "data" / "repo.toml").write_text('description = "x"\nowners = "x"\n')
    with pytest.raises(InputError) as caught:
        load_fork(folder)
    assert [problem.message for problem in caught.value.problems] == ["unknown key `owners`"]


def test_sha_changes_with_content_and_mode_only(tmp_path: Path) -> None:
    folder = fork_folder(tmp_path)
    before = load_fork(folder).shas
    (folder / "b" / "c").chmod(0o744)
    (folder / "a.py").touch()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_bytes(b"")
    assert load_fork(folder).shas == before
    (folder / "b" / "c").chmod(0o644)
    assert all(load_fork(folder).shas[name] != before[name] for name in before if name != "three")


def test_bundled_forks_have_the_shas_that_they_had_on_other_machines() -> None:
    forms = load_fork(bundled_repositories() / "forms")
    assert forms.shas["v1"] == "02deeb33d057306b628f869a67a627ae8f44e50b"
    assert forms.shas["both"] == "643696622b4126a9e181d16046b849a79b629d4b"


def test_every_bundled_fork_loads() -> None:
    folders = [file.parent for file in bundled_repositories().glob("*/repo.toml")]
    assert len(folders) >= 3
    for folder in folders:
        assert load_fork(folder).name == folder.name


def test_unknown_revision_is_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="nope"):
        load_fork(fork_folder(tmp_path)).sha("nope")


def test_every_name_that_is_not_there_is_told(tmp_path: Path) -> None:
    repo = REPO.replace('parent = "one"', 'parent = "three"').replace('main = "two"', 'main = "x"')
    assert faults(tmp_path, repo) == [
        "12: there is no revision `three` before this one",
        "20: there is no revision `x`",
    ]


def test_edit_that_does_not_apply_is_told(tmp_path: Path) -> None:
    repo = REPO.replace('path = "b/c"', 'path = "b/d"')
    assert faults(tmp_path, repo) == ["17: there is no `b/d`"]


def test_fork_copies_from_no_fixture(tmp_path: Path) -> None:
    repo = REPO.replace(
        '{ do = "delete", path = "b/c" }', '{ do = "copy", from = "x", path = "y" }'
    )
    assert faults(tmp_path, repo) == ["17: a fork cannot copy from a fixture"]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('name = "three"', 'name = "two"', "16: there is already a revision `two`"),
        ('name = "three"', 'name = "a..b"', '16: `name` is "a..b"'),
        ('name = "three"', 'name = "x.lock"', "1: the revision `x.lock` ends in `.lock`"),
        ('"feature/x"', '"main/x"', "21: `main/x` cannot exist beside the branch `main`"),
        ('"feature/x"', '"x.lock/y"', "21: `x.lock/y` ends in `.lock`"),
        ('"feature/x"', '"-x"', '21: `-x` is "-x"'),
        ('owner = "someone"', "owner = 1", "2: `owner` is 1"),
        ('owner = "someone"', 'owners = "x"', "2: unknown key `owners`"),
        ('description = "A fork"', "", "1: `description` is missing"),
        ("[branches]", "[branches", "19: is not TOML"),
        ('latest = "three"', 'latest = "four"', "25: there is no revision `four`"),
        ("latest", '"v1.0/x"', "25: `v1.0/x` cannot exist beside the tag `v1.0`"),
        ("latest", '"x.lock"', "25: `x.lock` ends in `.lock`"),
    ],
)
def test_fault(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert any(told.startswith(fault) for told in faults(tmp_path, REPO.replace(old, new)))


def test_fork_cannot_be_called_python(tmp_path: Path) -> None:
    folder = fork_folder(tmp_path).rename(tmp_path / "python")
    with pytest.raises(InputError, match="cannot be called `python`"):
        load_fork(folder)
