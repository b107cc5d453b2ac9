"""Projects: which commits of a real repository are taken, and what of them cannot be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from git_repositories import commit, git

from harness.scenarios.project import Project, ProjectError


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Three commits that touch requirements, and one between them that does not."""
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "requirements").mkdir()
    (folder / "requirements" / "base.txt").write_text("Django==4.2\n")
    (folder / "app.py").write_text("import django\n")
    commit(folder, "Begin")
    (folder / "requirements" / "base.txt").write_text("Django==4.2.1\n")
    commit(folder, "Bump Django")
    (folder / "app.py").write_text("")
    commit(folder, "Write code")
    (folder / "setup.cfg").write_text("[metadata]\n")
    (folder / "base-requirements.txt").write_text("lxml\n")
    commit(folder, "Add a root file")
    return folder


def subjects(clone: Path, *arguments: str, last: int | None = None, **fields: Any) -> list[str]:
    found = Project(repository=clone, **fields).commits(*arguments, last=last)
    return [each.subject for each in found]


def test_only_commits_and_files_that_matter_are_taken(clone: Path) -> None:
    found = Project(repository=clone).commits()
    assert [(each.subject, dict(each.files)) for each in found] == [
        ("Begin", {"requirements/base.txt": "Django==4.2\n"}),
        ("Bump Django", {"requirements/base.txt": "Django==4.2.1\n"}),
        (
            "Add a root file",
            {
                "base-requirements.txt": "lxml\n",
                "requirements/base.txt": "Django==4.2.1\n",
                "setup.cfg": "[metadata]\n",
            },
        ),
    ]
    assert found[-1].sha == git(clone, "rev-parse", "HEAD")
    assert Project(repository=clone).name == "shop"


def test_revisions_ranges_and_numbers(clone: Path) -> None:
    assert subjects(clone, "HEAD~1") == ["Begin", "Bump Django"]
    assert subjects(clone, "main", last=2) == ["Bump Django", "Add a root file"]
    assert subjects(clone, "HEAD~3..") == ["Bump Django", "Add a root file"]
    assert subjects(clone, paths=("app.py",)) == ["Begin", "Write code"]
    assert subjects(clone, without=("base-requirements.txt", "setup.cfg")) == [
        "Begin",
        "Bump Django",
    ]


def test_ten_are_taken_of_more_but_all_of_a_range(clone: Path) -> None:
    for number in range(12):
        (clone / "requirements.txt").write_text(f"{number}\n")
        commit(clone, str(number))
    assert subjects(clone) == [str(number) for number in range(2, 12)]
    assert len(subjects(clone, "HEAD~12..HEAD")) == 12


def test_a_bare_clone_and_a_folder_in_it_do_as_well(clone: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(clone), str(bare))
    assert Project(repository=bare).commits() == Project(repository=clone).commits()
    assert Project(repository=bare).name == "bare"
    inside = Project(repository=clone / "requirements")
    assert inside.commits() == Project(repository=clone).commits()


def test_of_a_merge_counts_what_it_brings(clone: Path) -> None:
    git(clone, "switch", "--quiet", "-c", "side", "HEAD~1")
    for pin in ("1", "2"):
        (clone / "constraints.txt").write_text(f"lxml=={pin}\n")
        commit(clone, f"On the side {pin}")
    git(clone, "switch", "--quiet", "main")
    git(clone, "merge", "--quiet", "--no-ff", "-m", "Merge the side", "side")
    assert subjects(clone, last=2) == ["Add a root file", "Merge the side"]


def test_the_callers_git_variables_and_configuration_change_nothing(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Project(repository=clone).commits()
    config = tmp_path / "gitconfig"
    config.write_text(
        "[log]\n  showSignature = true\n[diff]\n  renames = copies\n  noprefix = true\n"
        "[core]\n  quotePath = true\n  abbrev = 4\n[i18n]\n  logOutputEncoding = latin-1\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
    assert Project(repository=clone).commits() == wanted


def test_a_subject_in_another_encoding_is_read(clone: Path) -> None:
    (clone / "requirements.txt").write_text("lxml\n")
    git(clone, "config", "i18n.commitEncoding", "latin-1")
    git(clone, "add", "--all")
    message = "Für später".encode("latin-1")
    git(clone, "commit", "--quiet", "-F", "-", stdin=message)
    assert subjects(clone)[-1] == "Für später"


def test_a_commit_without_a_message_is_taken(clone: Path) -> None:
    (clone / "requirements.txt").write_text("lxml\n")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--allow-empty-message", "-m", "")
    assert subjects(clone)[-2:] == ["Add a root file", ""]


@pytest.mark.parametrize(
    ("name", "make", "told"),
    [
        ("requirements.txt", lambda path: path.symlink_to("x"), "is a symbolic link"),
        ("requirements.txt", lambda path: path.write_bytes(b"\xff"), "is not UTF-8 text"),
        (
            "requirements/\udcff.txt",
            lambda path: path.write_text("x"),
            "has a name that is not UTF-8",
        ),
    ],
)
def test_what_is_no_text_is_told_with_path_and_commit(
    clone: Path, name: str, make: Callable[..., Any], told: str
) -> None:
    make(clone / name)
    sha = commit(clone, "Odd")
    with pytest.raises(ProjectError) as caught:
        Project(repository=clone).commits()
    shown = name.replace("\udcff", "\\xff")
    assert caught.value.message.startswith(f"{clone}: `{shown}` {told}")
    assert f"at commit {sha[:9]}" in caught.value.message
    assert "--path" in caught.value.hint


def test_a_submodule_is_told(clone: Path) -> None:
    sha = git(clone, "rev-parse", "HEAD")
    git(clone, "update-index", "--add", "--cacheinfo", f"160000,{sha},requirements/shared")
    git(clone, "commit", "--quiet", "-m", "Share")
    with pytest.raises(ProjectError, match="`requirements/shared` is a submodule at commit"):
        Project(repository=clone).commits()


@pytest.mark.parametrize(
    ("revisions", "told"),
    [
        ("nope", "there is no revision `nope`"),
        ("HEAD~1..nope", "there is no revision `nope`"),
        ("--all", "there is no revision `--all`"),
        ("HEAD:app.py", "there is no revision `HEAD:app.py`"),
        ("HEAD~3", "only one commit of `HEAD~3` touches requirements; a scenario needs two"),
        ("HEAD..HEAD", "no commit of `HEAD..HEAD` touches requirements; a scenario needs two"),
    ],
)
def test_revisions_that_will_not_do_are_told(clone: Path, revisions: str, told: str) -> None:
    with pytest.raises(ProjectError) as caught:
        Project(repository=clone).commits(revisions)
    assert caught.value.message == f"{clone}: {told}"
    assert caught.value.hint


def test_a_first_commit_without_files_is_told(clone: Path) -> None:
    git(clone, "rm", "--quiet", "-r", "requirements", "setup.cfg", "base-requirements.txt")
    sha = commit(clone, "Drop all")
    (clone / "requirements.txt").write_text("lxml\n")
    commit(clone, "Begin again")
    with pytest.raises(ProjectError, match=f"commit {sha[:9]} deletes the last of requirements"):
        Project(repository=clone).commits(last=2)


def test_fewer_than_asked_for_are_told(clone: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        Project(repository=clone).commits(last=4)
    assert caught.value.message.endswith(
        "only 3 commits of `HEAD` touch requirements; 4 are requested"
    )
    assert "--last 3" in caught.value.hint


def test_an_empty_repository_and_a_plain_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no readable git repository"):
        Project(repository=tmp_path).commits()
    git(tmp_path, "init", "--quiet")
    with pytest.raises(ProjectError, match="there is no revision `HEAD`"):
        Project(repository=tmp_path).commits()
    with pytest.raises(ProjectError, match="no readable git repository"):
        Project(repository=tmp_path / "nowhere").commits()
