"""Buildpacks: how they are found, brought, recognised, run and read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from git_repositories import git

from harness.buildpacks.classic import ClassicKind
from harness.buildpacks.registry import kind_of, kinds
from harness.buildpacks.source import at_revision, bundled_names, resolve
from harness.errors import BuildpackError, NoSuchRevisionError
from harness.storage.store import Store

KIND = ClassicKind()


def write(folder: Path, name: str, text: str = "#!/bin/sh\n", *, mode: int = 0o755) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


@pytest.fixture
def buildpack(tmp_path: Path) -> Path:
    folder = tmp_path / "bp"
    write(folder, "bin/detect")
    write(folder, "bin/compile")
    return folder


@pytest.fixture
def repository(buildpack: Path) -> Path:
    """Two releases: v1, and an old one whose tag is below `archive/`."""
    git(buildpack, "init", "-q", "-b", "main")
    write(buildpack, "lib/which", "old")
    git(buildpack, "add", "-A")
    git(buildpack, "commit", "-q", "-m", "old")
    git(buildpack, "tag", "archive/v0")
    write(buildpack, "lib/which", "new")
    git(buildpack, "commit", "-q", "-a", "-m", "new")
    git(buildpack, "tag", "-a", "v1", "-m", "v1")
    return buildpack


def test_the_classic_kind_is_installed() -> None:
    assert [one.kind.name for one in kinds()] == ["classic", "scalingo"]


def test_a_buildpack_that_is_marked_as_another_platform_s_is_of_its_kind(buildpack: Path) -> None:
    write(buildpack, "bin/compile", "mkdir -p /app/.scalingo/python\n")
    assert kind_of(buildpack, spec="x").kind.name == "scalingo"


def test_a_folder_with_detect_and_compile_is_recognised(buildpack: Path) -> None:
    assert kind_of(buildpack, spec="x").kind.name == "classic"


@pytest.mark.parametrize("program", ["detect", "compile"])
def test_a_folder_without_either_is_not(buildpack: Path, program: str) -> None:
    (buildpack / "bin" / program).unlink()
    with pytest.raises(
        BuildpackError, match="--buildpack me: it is not a buildpack of a known kind"
    ):
        kind_of(buildpack, spec="--buildpack me")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "-----> Python version has changed from python-3.9.1 to python-3.10.0, clearing cache",
            "Python version has changed from python-3.9.1 to python-3.10.0, clearing cache",
        ),
        (
            "       Stack has changed from heroku-20 to heroku-22, clearing cache",
            "Stack has changed from heroku-20 to heroku-22, clearing cache",
        ),
        (
            "       - The Python version has changed from 3.9.1 to 3.10.0\r",
            "The Python version has changed from 3.9.1 to 3.10.0",
        ),
        (
            "\x1b[1;33m-----> Requirements file has been changed, clearing cached ones\x1b[0m",
            "Requirements file has been changed, clearing cached ones",
        ),
        ("-----> cache: discarded: base.txt changed", "base.txt changed"),
    ],
)
def test_reasons_are_read_from_the_log(line: str, reason: str) -> None:
    log = f"-----> Installing Python\n{line}\n-----> cache: empty\nThe stack changed\n"
    assert KIND.reasons(log) == (reason,)


def test_a_silent_log_gives_no_reason() -> None:
    assert KIND.reasons("-----> cache: reused\nCollecting x - The best\n") == ()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("part", [" ", "changed, ", "\x1b["])
@pytest.mark.parametrize("length", [900, 10**6])
def test_no_line_of_a_log_takes_long_to_read(part: str, length: int) -> None:
    line = "- The" + part * (length // len(part)) + "x"
    reasons = KIND.reasons(f"{line}\n- The stack has changed\n")
    assert reasons[-1] == "The stack has changed"
    assert sum(map(len, reasons)) < 2000


def test_the_bundled_ones_resolve_with_their_shared_scripts(store: Store, tmp_path: Path) -> None:
    assert bundled_names() == ("every-input", "never-reuses", "root-requirements")
    digests = set()
    for name in bundled_names():
        found = resolve(name, store=store, into=tmp_path / "into")
        assert (found.spec, found.revision, found.kind.name) == (name, "", "classic")
        assert (found.folder / "lib" / "build.sh").is_file()
        assert not (found.folder / "lib").is_symlink()
        digests.add(found.digest)
    assert len(digests) == 3


def test_a_folder_is_copied_without_its_history(
    repository: Path, store: Store, tmp_path: Path
) -> None:
    (repository / "lib/link").symlink_to("which")
    found = resolve(str(repository), store=store, into=tmp_path / "into")
    assert found.revision == ""
    assert not (found.folder / ".git").exists()
    assert (found.folder / "lib/link").is_symlink()
    assert (found.folder / "lib/which").read_text() == "new"


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: write(folder, "lib/which", "newer"),
        lambda folder: write(folder, "lib/more"),
        lambda folder: (folder / "bin/detect").chmod(0o644),
        lambda folder: (folder / "lib/link").symlink_to("which"),
        lambda folder: (folder / "lib/which").rename(folder / "lib/what"),
    ],
    ids=["content", "file", "mode", "link", "name"],
)
def test_a_changed_folder_has_another_digest(
    buildpack: Path, store: Store, tmp_path: Path, change: Callable[..., Any]
) -> None:
    write(buildpack, "lib/which", "new")
    first = resolve(str(buildpack), store=store, into=tmp_path / "1")
    again = resolve(str(buildpack), store=store, into=tmp_path / "2")
    change(buildpack)
    other = resolve(str(buildpack), store=store, into=tmp_path / "3")
    assert first.digest == again.digest != other.digest


@pytest.mark.parametrize(
    ("ref", "tag", "text"),
    [("v1", "v1", "new"), ("main", "v1", "new"), ("main~1", "archive/v0", "old"),
     ("v0", "archive/v0", "old")],
)  # fmt: skip
def test_a_repository_is_brought_at_a_revision(
    repository: Path, store: Store, ref: str, tag: str, text: str
) -> None:
    for number, location in enumerate((repository, f"file://{repository}")):
        into = store.root / str(number)
        found = resolve(f"{location}@{ref}", store=store, into=into)
        assert (found.folder / "lib/which").read_text() == text
        assert found.revision == git(repository, "rev-parse", f"{tag}^{{commit}}")
        assert found.found_as == ("archive/v0" if ref == "v0" else "")
        assert not (found.folder / ".git").exists()


def test_a_kept_clone_is_brought_up_to_date(repository: Path, store: Store, tmp_path: Path) -> None:
    resolve(f"file://{repository}@main", store=store, into=tmp_path / "1")
    write(repository, "lib/which", "newest")
    git(repository, "commit", "-q", "-a", "-m", "newest")
    git(repository, "tag", "-f", "v1")
    for number, ref in enumerate(("main", "v1"), start=2):
        found = resolve(f"file://{repository}@{ref}", store=store, into=tmp_path / str(number))
        assert (found.folder / "lib/which").read_text() == "newest"


def test_a_failed_clone_leaves_nothing_that_stands_for_one(tmp_path: Path, store: Store) -> None:
    for _ in range(2):
        with pytest.raises(BuildpackError, match="git failed: ") as raised:
            resolve(f"file://{tmp_path}/none@v1", store=store, into=tmp_path / "into")
        assert "git clone" in raised.value.hint


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("nothing", "no such folder, bundled name or REPOSITORY@REF"),
        ("/no/where@v1", "there is no repository at /no/where"),
        ("{}@v9", "the repository has no revision 'v9'"),
        ("{}@--all", "the repository has no revision '--all'"),
        ("file://{}@v9", "the repository has no revision 'v9'"),
        ("{}/lib", "not a buildpack of a known kind"),
        ("git@host.invalid:a/b", "no such folder, bundled name or REPOSITORY@REF"),
    ],
)
def test_what_cannot_be_brought_is_told(
    repository: Path, store: Store, tmp_path: Path, spec: str, told: str
) -> None:
    spec = spec.format(repository)
    with pytest.raises(BuildpackError) as raised:
        resolve(spec, store=store, into=tmp_path / "into")
    assert told in raised.value.message
    assert f"--buildpack {spec}" in raised.value.message
    assert raised.value.hint


def test_a_folder_that_is_none_is_not_copied(store: Store, tmp_path: Path) -> None:
    write(tmp_path, "home/everything")
    with pytest.raises(BuildpackError, match="known kind"):
        resolve(str(tmp_path / "home"), store=store, into=tmp_path / "into")
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize(
    ("spec", "other"),
    [
        ("/a/b@v1", "/a/b@v2"),
        ("/a/b", "/a/b@v2"),
        ("https://host/a/b.git@v1", "https://host/a/b.git@v2"),
        ("https://host/a/b.git", "https://host/a/b.git@v2"),
        ("https://me@host/a/b.git", "https://me@host/a/b.git@v2"),
        ("https://me@host/a/b.git@feature/x", "https://me@host/a/b.git@v2"),
        ("ssh://git@host/a/b", "ssh://git@host/a/b@v2"),
        ("git@host:a/b", "git@host:a/b@v2"),
        ("git@host:a/b@v1", "git@host:a/b@v2"),
    ],
)
def test_the_same_buildpack_at_another_revision(spec: str, other: str) -> None:
    assert at_revision(spec, "v2") == other
    assert at_revision(spec, None) == spec


def test_a_bundled_buildpack_at_a_revision_is_another_one() -> None:
    assert at_revision("root-requirements", "every-input") == "every-input"
    with pytest.raises(NoSuchRevisionError, match="no bundled buildpack is called 'v2'") as raised:
        at_revision("root-requirements", "v2")
    assert "never-reuses" in raised.value.hint
