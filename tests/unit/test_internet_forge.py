import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from git_repositories import git
from internet_client import online

from harness.bundled import bundled_repositories
from harness.errors import HarnessError
from harness.internet import Internet, Repository
from harness.internet.forge import make_views, parse_cgi
from harness.scenarios.fork import load_fork
from harness.scenarios.history import play_fork


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    work = tmp_path_factory.mktemp("work")
    git(work, "init", "-q", "-b", "main")
    (work / ".gitattributes").write_text("secret.txt export-ignore\nstamp.txt export-subst\n")
    (work / "secret.txt").write_text("not in archives")
    (work / "stamp.txt").write_text("$Format:%H$\n")
    (work / "run").write_text("#!/bin/sh\n")
    (work / "run").chmod(0o755)
    (work / "link").symlink_to("run")
    git(work, "add", ".")
    git(work, "commit", "-qm", "one")
    git(work, "tag", "-a", "v1.0", "-m", "annotated")
    (work / "run").write_text("#!/bin/sh\necho two\n")
    git(work, "commit", "-qam", "two")
    return Repository(
        owner="acme",
        name="Forms",
        objects=work / ".git",
        refs=(
            ("refs/heads/feature/x", git(work, "rev-parse", "HEAD~1")),
            ("refs/heads/main", git(work, "rev-parse", "HEAD")),
            ("refs/tags/v1.0", git(work, "rev-parse", "v1.0")),
            ("refs/tags/very", git(work, "rev-parse", "HEAD")),
        ),
    )


def sha(repository: Repository, name: str) -> str:
    return git(repository.objects, "rev-parse", f"{dict(repository.refs)[name]}^{{commit}}")


ARCHIVED = ["run", "link", "stamp.txt", ".gitattributes"]


@pytest.mark.parametrize(
    ("revision", "ref", "label"),
    [
        ("{sha}", "refs/heads/main", "{sha}"),
        ("{short}", "refs/heads/main", "{sha}"),
        ("main", "refs/heads/main", "main"),
        ("refs/heads/main", "refs/heads/main", "main"),
        ("HEAD", "refs/heads/main", "main"),
        ("v1.0", "refs/tags/v1.0", "1.0"),
        ("refs/tags/v1.0", "refs/tags/v1.0", "1.0"),
        ("very", "refs/tags/very", "very"),
        ("feature/x", "refs/heads/feature/x", "feature-x"),
    ],
)
def test_archives(
    repository: Repository, tmp_path: Path, revision: str, ref: str, label: str
) -> None:
    full = sha(repository, ref)
    revision = revision.format(sha=full, short=full[:7])
    stem = f"Forms-{label.format(sha=full)}"
    with online(Internet(repositories=(repository,)), tmp_path) as client:
        base = f"https://github.com/acme/Forms/archive/{revision}"
        packed, zipped = client.get(f"{base}.tar.gz"), client.get(f"{base}.zip")
        head = client.get(f"{base}.tar.gz", method="HEAD")
    assert packed.status == zipped.status == head.status == 200
    assert head.headers["content-length"] == str(len(packed.body))
    assert packed.headers["content-disposition"] == f"attachment; filename={stem}.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(packed.body)) as archive:
        names = [member.name for member in archive.getmembers()]
        assert archive.getmember(f"{stem}/run").mode & 0o111
        assert archive.getmember(f"{stem}/link").linkname == "run"
        stamp = archive.extractfile(f"{stem}/stamp.txt")
        assert stamp is not None
        assert stamp.read().decode().strip() == full
    assert sorted(names) == sorted([stem, *(f"{stem}/{name}" for name in ARCHIVED)])
    with zipfile.ZipFile(io.BytesIO(zipped.body)) as archive:
        assert sorted(archive.namelist()) == sorted(
            [f"{stem}/", *(f"{stem}/{name}" for name in ARCHIVED)]
        )


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_an_archives_bytes_depend_on_nobodys_settings(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    url = f"https://github.com/acme/forms/archive/{sha(repository, 'refs/heads/main')}{suffix}"
    internet = Internet(repositories=(repository,))
    with online(internet, tmp_path) as client:
        plain = client.get(url)
    hostile = tmp_path / "home"
    (hostile / ".config" / "git").mkdir(parents=True)
    (hostile / ".gitconfig").write_text(
        '[tar]\numask = 0077\n[core]\nautocrlf = true\n[tar "tar.gz"]\ncommand = false\n'
    )
    (hostile / ".config" / "git" / "attributes").write_text("* export-ignore\n")
    for name, value in {
        "HOME": str(hostile),
        "XDG_CONFIG_HOME": str(hostile / ".config"),
        "GIT_CONFIG_GLOBAL": str(hostile / ".gitconfig"),
        "GIT_DIR": "/nowhere",
        "GIT_CONFIG_PARAMETERS": "'tar.umask=0077'",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "tr_TR.UTF-8",
    }.items():
        monkeypatch.setenv(name, value)
    with online(internet, tmp_path) as client:
        assert client.get(url).body == plain.body
    digest = hashlib.sha256(plain.body).hexdigest()
    assert plain.headers["etag"] == f'"{digest}"'


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ("GET acme/none/info/refs?service=git-upload-pack", 404, "no repository acme/none"),
        ("GET acme", 404, "no repository acme/"),
        ("GET acme/forms", 403, "the forge answers git and archive"),
        ("GET acme/forms/info/refs", 403, "the forge answers git and archive"),
        ("GET acme/forms/HEAD", 403, "the forge answers git and archive"),
        ("GET acme/forms/objects/info/alternates", 403, "the forge answers git and archive"),
        ("GET acme/forms.git/config", 403, "the forge answers git and archive"),
        ("GET acme/forms.git/info/refs?service=git-receive-pack", 403, "read-only"),
        ("POST acme/forms.git/git-receive-pack", 403, "read-only"),
        ("GET acme/forms/archive/nothing.tar.gz", 404, "no revision nothing in acme/Forms"),
        ("GET acme/forms/archive/--output=x.tar.gz", 404, "no revision --output=x"),
        ("GET acme/forms/archive/main~1.tar.gz", 404, "no revision main~1"),
        (f"GET acme/forms/archive/{'0' * 40}.tar.gz", 404, "no revision 000"),
        ("GET acme/forms/archive/main.rar", 403, "archives are .tar.gz or .zip"),
        ("POST acme/forms/archive/main.zip", 403, "the forge answers git and archive"),
    ],
)
def test_refusals(
    repository: Repository, tmp_path: Path, asked: str, status: int, says: str
) -> None:
    method, path = asked.split()
    with online(Internet(repositories=(repository,)), tmp_path) as client:
        reply = client.get(f"https://github.com/{path}", method=method)
    assert (reply.status, says in reply.text) == (status, True), reply.text
    assert client.log[0].refused == reply.text.rstrip("\n")
    assert f"https://github.com/{path}" in reply.text


def test_a_name_of_both_a_branch_and_a_tag_is_not_chosen_between(
    repository: Repository, tmp_path: Path
) -> None:
    both = replace(
        repository, refs=(*repository.refs, ("refs/tags/main", sha(repository, "refs/tags/v1.0")))
    )
    with online(Internet(repositories=(both,)), tmp_path) as client:
        base = "https://github.com/acme/forms/archive"
        assert client.get(f"{base}/refs/heads/main.tar.gz").status == 200
        assert client.get(f"{base}/refs/tags/main.tar.gz").status == 200
        reply = client.get(f"{base}/main.tar.gz")
    assert reply.status == 300
    assert "main is a branch and a tag" in reply.text


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_an_archive_leaves_a_submodules_folder_empty(tmp_path: Path, suffix: str) -> None:
    fork = load_fork(bundled_repositories() / "invoices")
    served = Repository(
        owner="acme",
        name="invoices",
        objects=play_fork(fork, tmp_path / "invoices.git"),
        refs=(("refs/tags/v1.0", fork.sha("v1")),),
    )
    (tmp_path / "server").mkdir()
    with online(Internet(repositories=(served,)), tmp_path / "server") as client:
        archive = client.get(f"https://github.com/acme/invoices/archive/v1.0{suffix}")
    packed = io.BytesIO(archive.body)
    if suffix == ".zip":
        with zipfile.ZipFile(packed) as zipped:
            names = [name.rstrip("/") for name in zipped.namelist()]
    else:
        with tarfile.open(fileobj=packed) as tarred:
            names = tarred.getnames()
    below = [name for name in names if name.startswith("invoices-1.0/invoices/")]
    assert sorted(below) == [
        "invoices-1.0/invoices/__init__.py",
        "invoices-1.0/invoices/currencies",
    ]
    assert "invoices-1.0/.gitmodules" in names


def test_the_forge_is_at_its_hosts_only(repository: Repository, tmp_path: Path) -> None:
    path = "acme/forms/archive/main.tar.gz"
    with online(Internet(repositories=(repository,)), tmp_path) as client:
        assert client.get(f"https://www.github.com/{path}").status == 200
        assert client.get(f"https://github.com.example.org/{path}").status == 403


def test_a_view_shows_its_references_and_no_others(repository: Repository, tmp_path: Path) -> None:
    first, last = sha(repository, "refs/tags/v1.0"), sha(repository, "refs/heads/main")
    view = Repository(
        owner="acme",
        name="forms",
        objects=repository.objects,
        refs=(("refs/heads/only", first),),
        head="refs/heads/only",
    )
    with online(Internet(repositories=(view,)), tmp_path) as client:
        url = "https://github.com/acme/forms.git/info/refs?service=git-upload-pack"
        old = client.get(url)
        new = client.get(url, Git_Protocol="version=2")
        archive = client.get("https://github.com/acme/forms/archive/main.tar.gz")
    assert first in old.text
    assert "refs/heads/only" in old.text
    assert last not in old.text
    assert "refs/heads/main" not in old.text
    assert "version 2" in new.text
    assert old.headers["content-type"] == "application/x-git-upload-pack-advertisement"
    assert archive.status == 404


def test_cgi_header() -> None:
    status, headers = parse_cgi(b"Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\n")
    assert (status, headers) == (403, [(b"content-type", b"text/plain")])
    assert parse_cgi(b"Expires: x: y\r\n\r\n") == (200, [(b"expires", b"x: y")])


def test_without_git_there_is_no_forge(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match="git is not on PATH"):
        make_views(Internet(repositories=(repository,)), tmp_path)
