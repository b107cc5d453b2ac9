"""Histories: what is played is what git itself would have made, whatever its configuration."""

from pathlib import Path

import pytest
from git_repositories import git, tree_of

from harness.bundled import bundled_repositories, bundled_scenarios
from harness.scenarios.fork import Fork, Revision, load_fork
from harness.scenarios.gitobjects import AUTHOR, commit_object, commit_time, tree_objects
from harness.scenarios.history import HistoryError, play_app, play_fork
from harness.scenarios.scenario import load_scenario
from harness.scenarios.tree import File, Link, Tree, write_tree

PYTHONS = {"default": "3.11.7", "other": "3.10.13"}
HOSTILE = """\
[user]
    name = Somebody Else
[commit]
    gpgSign = true
[core]
    autocrlf = true
    fileMode = false
    hooksPath = /nonexistent
[init]
    defaultBranch = trunk
    templateDir = {template}
    defaultObjectFormat = sha256
[i18n]
    commitEncoding = latin-1
"""
AWKWARD = Tree(
    entries={
        "a": File(data=b"beside a.b and a0"),
        "a.b": File(data=b"\r\n"),
        "a0/x": File(data=b"", executable=True),
        "b/c/d": Link(target="../../nowhere"),
        "b.c": File(data=b"\xff\0"),
        "b-c/e": File(data=b"sorts before b/"),
        "caf\u00e9": File(data="é".encode()),
        "\udcff": File(data=b"a name that is not UTF-8"),
    }
)


def committed_by_git(tree: Tree, message: str, time: int, folder: Path) -> str:
    """The SHA that git gives the first commit of a tree."""
    write_tree(tree, folder)
    git(folder, "init", "--quiet", "--template=", "--object-format=sha1")
    git(folder, "add", "--all", "--force")
    name, email = AUTHOR.removesuffix(">").split(" <")
    roles = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in
             {"NAME": name, "EMAIL": email, "DATE": f"{time} +0000"}.items()}  # fmt: skip
    git(folder, "commit", "--quiet", "--message", message, env=roles)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def hostile_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = tmp_path / "template"
    (template / "hooks").mkdir(parents=True)
    (template / "planted").write_text("")
    config = tmp_path / "gitconfig"
    config.write_text(HOSTILE.format(template=template))
    for name, value in {
        "GIT_CONFIG_GLOBAL": str(config),
        "GIT_DIR": str(tmp_path / "elsewhere"),
        "GIT_COMMON_DIR": str(tmp_path / "elsewhere"),
        "GIT_WORK_TREE": str(tmp_path),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects-elsewhere"),
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_AUTHOR_NAME": "Somebody Else",
        "GIT_AUTHOR_DATE": "1 +0000",
        "GIT_COMMITTER_DATE": "1 +0000",
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C",
    }.items():
        monkeypatch.setenv(name, value)


def test_sha_is_the_one_that_git_gives(tmp_path: Path) -> None:
    ours = commit_object(
        root=tree_objects(AWKWARD)[-1].sha,
        parent=None,
        message="Déjà vu\n\nBody",
        time=1_646_136_000,
    )
    theirs = committed_by_git(AWKWARD, "Déjà vu\n\nBody", 1_646_136_000, tmp_path / "work")
    assert ours.sha == theirs


def test_sha_with_submodules_is_the_one_that_git_gives(tmp_path: Path) -> None:
    # Names around which git sorts files and folders, but not submodules, in another way.
    gitlinks = {"b": "1" * 40, "x/y": "2" * 40, "café-2": "3" * 40}
    tree = Tree(entries={path: leaf for path, leaf in AWKWARD.entries.items()
                         if not path.startswith("b/")})  # fmt: skip
    ours = commit_object(
        root=tree_objects(tree, gitlinks)[-1].sha, parent=None, message="x", time=commit_time(0)
    )
    work = tmp_path / "work"
    committed_by_git(tree, "x", commit_time(0), work)
    for path, sha in gitlinks.items():
        git(work, "update-index", "--add", "--cacheinfo", f"160000,{sha},{path}")
    assert git(work, "write-tree") == tree_objects(tree, gitlinks)[-1].sha
    assert ours.data.decode().split()[1] == git(work, "write-tree")


def test_commits_are_an_hour_apart() -> None:
    assert [commit_time(depth) for depth in (0, 1, 2)] == [1646136000, 1646139600, 1646143200]


@pytest.mark.usefixtures("hostile_git")
def test_fork_holds_every_revision_and_its_branches(tmp_path: Path) -> None:
    fork = load_fork(bundled_repositories() / "forms")
    repository = play_fork(fork, tmp_path / "forms.git")
    refs = dict(
        line.split()[::-1]
        for line in git(repository, "for-each-ref", "--format=%(objectname) %(refname)").split("\n")
    )
    assert refs == {
        "refs/heads/main": fork.sha("v1"),
        **{f"refs/revisions/{name}": sha for name, sha in fork.shas.items()},
    }
    assert git(repository, "fsck", "--strict", "--full") == ""
    assert git(repository, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(repository, "rev-parse", f"{fork.sha('both')}^") == fork.sha("v1")
    assert sorted(path.name for path in repository.iterdir()) == [
        "HEAD", "config", "objects", "refs"]  # fmt: skip
    for revision in fork.revisions:
        assert tree_of(repository, revision.sha) == revision.tree


@pytest.mark.usefixtures("hostile_git")
def test_fork_holds_its_tags_and_pins_its_submodules(tmp_path: Path) -> None:
    fork = load_fork(bundled_repositories() / "invoices")
    currencies = load_fork(bundled_repositories() / "currencies")
    repository = play_fork(fork, tmp_path / "invoices.git")
    assert git(repository, "rev-parse", "refs/tags/v1.0") == fork.sha("v1")
    assert git(repository, "fsck", "--strict", "--full") == ""
    for revision, pinned in (("v1", "v1"), ("bumped", "v2")):
        entry = git(repository, "ls-tree", fork.sha(revision), "invoices/currencies")
        assert entry == f"160000 commit {currencies.sha(pinned)}\tinvoices/currencies"
    listed = git(repository, "config", "--blob", f"{fork.sha('v1')}:.gitmodules", "--list")
    assert listed.split("\n") == [
        "submodule.invoices/currencies.path=invoices/currencies",
        "submodule.invoices/currencies.url=https://github.com/acme/currencies.git",
    ]


@pytest.mark.usefixtures("hostile_git")
def test_awkward_tree_is_read_back(tmp_path: Path) -> None:
    commit = commit_object(
        root=tree_objects(AWKWARD)[-1].sha, parent=None, message="x", time=commit_time(0)
    )
    revision = Revision(
        name="x", message="x", parent=None, time=commit_time(0), tree=AWKWARD, sha=commit.sha
    )
    fork = Fork(
        name="f", owner="o", description="", revisions=(revision,), branches=(("main", "x"),)
    )
    repository = play_fork(fork, tmp_path / "f.git")
    assert git(repository, "fsck", "--strict", "--full") == ""
    assert tree_of(repository, commit.sha) == AWKWARD


@pytest.mark.usefixtures("hostile_git")
def test_app_holds_every_commit(tmp_path: Path) -> None:
    scenario = load_scenario(bundled_scenarios() / "reuse" / "unchanged-rebuild.toml")
    stages = scenario.stages(PYTHONS)
    shas = play_app(stages, tmp_path / "app.git")
    log = git(tmp_path / "app.git", "log", "--reverse", "--format=%H %s", "main").split("\n")
    assert log == [f"{sha} {stage.message}" for sha, stage in zip(shas, stages, strict=True)]
    assert [tree_of(tmp_path / "app.git", sha) for sha in shas] == [s.tree for s in stages]
    assert play_app(stages, tmp_path / "again.git") == shas


def test_folder_that_is_there_is_refused(tmp_path: Path) -> None:
    fork = load_fork(bundled_repositories() / "forms")
    with pytest.raises(HistoryError, match="cannot write a git repository"):
        play_fork(fork, tmp_path)
