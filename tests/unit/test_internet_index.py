import hashlib
import io
import json
import re
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from internet_client import Client, online
from starlette.datastructures import Headers
from wheels import wheel, wheel_name

from harness.ecosystems.python.index.metadata import read_metadata
from harness.ecosystems.python.index.simple import HTML, JSON, negotiate
from harness.internet import Internet, Release, ReleaseFile

METADATA = b"Metadata-Version: 2.1\nName: acme-forms\nVersion: %s\nRequires-Python: >=3.8,<4\n"


def stored(folder: Path, name: str, data: bytes) -> ReleaseFile:
    (folder / name).write_bytes(data)
    return ReleaseFile(name=name, path=folder / name, sha256=hashlib.sha256(data).hexdigest())


def release(folder: Path, version: str) -> ReleaseFile:
    # A vendored project's metadata is not the wheel's own.
    vendored = {"forms/_vendor/x-1.dist-info/METADATA": "Requires-Python: ==2.7\n"}
    data = wheel("acme-forms", version, vendored, requires_python=">=3.8,<4")
    return stored(folder, wheel_name("acme-forms", version), data)


def sdist(folder: Path, version: str) -> ReleaseFile:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        info = tarfile.TarInfo(f"acme_forms-{version}/PKG-INFO")
        content = METADATA % version.encode()
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return stored(folder, f"acme_forms-{version}.tar.gz", data.getvalue())


@pytest.fixture
def internet(tmp_path: Path) -> Internet:
    folder = tmp_path / "releases"
    folder.mkdir()
    return Internet(
        releases=(
            Release(
                project="Acme.Forms",
                version="1.10",
                files=(release(folder, "1.10"), sdist(folder, "1.10")),
            ),
            Release(
                project="acme_forms",
                version="1.9",
                files=(release(folder, "1.9"),),
                yanked='"broken" & sad',
            ),
            Release(
                project="other", version="1", files=(stored(folder, "x.whl", b"?"),), yanked=""
            ),
        )
    )


def test_the_page_in_html(internet: Internet, tmp_path: Path) -> None:
    with online(internet, tmp_path) as client:
        page = client.get("https://index.example.com/simple/acme-forms/")
    assert page.headers["content-type"].startswith("text/html")
    links = re.findall(r"<a (.*?)>(.*?)</a>", page.text)
    assert [name for _, name in links] == [
        "acme_forms-1.9-py3-none-any.whl",
        "acme_forms-1.10-py3-none-any.whl",
        "acme_forms-1.10.tar.gz",
    ]
    file = internet.releases[1].files[0]
    metadata = hashlib.sha256(METADATA % b"1.9").hexdigest()
    assert links[0][0] == (
        'href="https://index.example.com/simple/acme-forms/'
        f'{file.sha256}/{file.name}#sha256={file.sha256}"'
        ' data-requires-python="&gt;=3.8,&lt;4"'
        f' data-core-metadata="sha256={metadata}"'
        ' data-yanked="&quot;broken&quot; &amp; sad"'
    )
    assert "data-yanked" not in links[1][0]
    assert 'data-requires-python="&gt;=3.8,&lt;4"' in links[2][0]
    assert "core-metadata" not in links[2][0]


def test_the_page_in_json(internet: Internet, tmp_path: Path) -> None:
    with online(internet, tmp_path) as client:
        page = client.get("https://index.example.com/simple/acme-forms/", Accept=JSON)
        other = client.get("https://index.example.com/simple/other/", Accept=JSON)
    assert page.headers["content-type"] == JSON
    body = json.loads(page.body)
    assert body["meta"] == {"api-version": "1.1"}
    assert body["name"] == "acme-forms"
    assert body["versions"] == ["1.9", "1.10"]
    first, second, third = body["files"]
    assert first["yanked"] == '"broken" & sad'
    assert second["yanked"] is False
    assert first["requires-python"] == third["requires-python"] == ">=3.8,<4"
    assert first["hashes"] == {"sha256": internet.releases[1].files[0].sha256}
    assert third["size"] == internet.releases[0].files[1].path.stat().st_size
    assert "core-metadata" in first
    assert "core-metadata" not in third
    (broken,) = json.loads(other.body)["files"]
    assert broken["yanked"] is True
    assert "requires-python" not in broken


def test_links_lead_to_the_files(internet: Internet, tmp_path: Path) -> None:
    base = "https://index.example.com/simple/acme-forms/"
    with online(internet, tmp_path) as client:
        for file in json.loads(client.get(base, Accept=JSON).body)["files"]:
            assert file["url"].startswith(base)
            body = client.get(file["url"]).body
            assert hashlib.sha256(body).hexdigest() == file["hashes"]["sha256"]
            metadata = client.get(file["url"] + ".metadata")
            if "core-metadata" in file:
                assert hashlib.sha256(metadata.body).hexdigest() == file["core-metadata"]["sha256"]
            else:
                assert metadata.status == 404


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/simple", "/simple/"),
        ("/simple/acme-forms", "/simple/acme-forms/"),
        ("/simple/Acme.Forms/", "/simple/acme-forms/"),
        ("/simple/ACME__forms", "/simple/acme-forms/"),
    ],
)
def test_redirects(internet: Internet, tmp_path: Path, path: str, to: str) -> None:
    with online(internet, tmp_path) as client:
        reply = client.get(f"https://index.example.com{path}")
    assert (reply.status, reply.headers["location"]) == (301, to)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/simple/Un_known/", "no release of un-known in this scenario's index"),
        ("/simple/acme-forms/0123/acme_forms-1.9.whl", "no such file of acme-forms"),
        ("/simple/acme-forms/../../etc/passwd", "no such file of acme-forms"),
    ],
)
def test_the_unknown(internet: Internet, tmp_path: Path, path: str, says: str) -> None:
    with online(internet, tmp_path) as client:
        reply = client.get(f"https://index.example.com{path}")
    assert reply.status == 404
    assert says in reply.text
    assert f"https://index.example.com{path}" in reply.text
    assert client.log[0].refused == reply.text.rstrip("\n")


def test_the_root_lists_the_projects(internet: Internet, tmp_path: Path) -> None:
    with online(internet, tmp_path) as client:
        page = client.get("https://any.example.org/simple/")
        listed = json.loads(client.get("https://any.example.org/simple/", Accept=JSON).body)
    assert re.findall(r'href="(.*?)"', page.text) == ["/simple/acme-forms/", "/simple/other/"]
    assert [project["name"] for project in listed["projects"]] == ["acme-forms", "other"]


def test_only_reading_is_answered(internet: Internet, tmp_path: Path) -> None:
    with online(internet, tmp_path) as client:
        url = "https://index.example.com/simple/acme-forms/"
        assert client.get(url, method="POST", body=b"").status == 403
        head = client.get(url, method="HEAD")
        assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/html"),
        ("*/*", "text/html"),
        ("text/html, application/xhtml+xml;q=0.9", "text/html"),
        (f"{JSON}, {HTML}; q=0.1, text/html; q=0.01", JSON),
        (f"{JSON};q=0.2, {HTML};q=0.3", HTML),
        ("application/vnd.pypi.simple.latest+json", JSON),
        (f"{JSON};q=0", "text/html"),
        (f"{JSON};q=x, text/html;q=0.1", "text/html"),
        ("image/png", "text/html"),
    ],
)
def test_negotiation(accept: str, kind: str) -> None:
    assert negotiate(Headers({"accept": accept})["accept"]) == kind


@pytest.mark.parametrize("name", ["x-1-py3-none-any.whl", "x-1.tar.gz", "x-1.zip", "x.egg"])
def test_a_file_that_cannot_be_read_has_no_facts(tmp_path: Path, name: str) -> None:
    good = release(tmp_path, "3").path.read_bytes()
    for number, data in enumerate((b"", b"PK\x03\x04junk", b"\x1f\x8b\x08junk", good[:-30])):
        facts = read_metadata(stored(tmp_path, name, data).path, str(number))
        assert facts.requires_python is None
        assert facts.metadata is None


def test_a_republished_file_has_another_url(internet: Internet, tmp_path: Path) -> None:
    def url_of(client: Client) -> str:
        body = client.get("https://index.example.com/simple/other/", Accept=JSON).body
        return str(json.loads(body)["files"][0]["url"])

    again = stored(tmp_path, "x.whl", b"another")
    with online(internet, tmp_path) as client:
        first = url_of(client)
    republished = Release(project="other", version="1", files=(again,))
    with online(Internet(releases=(republished,)), tmp_path) as client:
        second = url_of(client)
    assert first.rpartition("/")[2] == second.rpartition("/")[2] == "x.whl"
    assert first != second


@pytest.fixture
def indexes(internet: Internet, tmp_path: Path) -> Internet:
    """The index, and one whose own release of a project takes the place of all others."""
    folder = tmp_path / "own"
    folder.mkdir()
    own = Release(
        project="acme.forms", version="2", files=(sdist(folder, "2"),), host="own.example.com"
    )
    only = Release(
        project="only", version="1", files=(stored(folder, "only.whl", b"?"),),
        host="own.example.com",
    )  # fmt: skip
    return replace(internet, releases=(*internet.releases, own, only))


@pytest.mark.parametrize(
    ("host", "versions"), [("own.example.com", ["2"]), ("index.example.com", ["1.9", "1.10"])]
)
def test_an_index_s_own_releases_are_in_no_other(
    indexes: Internet, tmp_path: Path, host: str, versions: list[str]
) -> None:
    with online(indexes, tmp_path) as client:
        page = client.get(f"https://{host}/simple/acme-forms/", accept=JSON).body
        about = client.get(f"https://{host}/pypi/acme-forms/json").body
        theirs = client.get(f"https://{host}/simple/other/").status
    assert json.loads(page)["versions"] == versions
    assert list(json.loads(about)["releases"]) == versions
    assert theirs == 200
    file = indexes.releases[3].files[0]
    with online(indexes, tmp_path) as client:
        found = client.get(f"https://{host}/simple/acme-forms/{file.sha256}/{file.name}")
    assert found.status == (200 if host == "own.example.com" else 404)


def test_a_project_of_one_index_is_unknown_to_the_others(indexes: Internet, tmp_path: Path) -> None:
    with online(indexes, tmp_path) as client:
        listed = [
            json.loads(client.get(f"https://{host}/simple/", accept=JSON).body)["projects"]
            for host in ("own.example.com", "index.example.com")
        ]
        answers = [
            client.get(f"https://index.example.com/{path}").status
            for path in ("simple/only/", "pypi/only/json", "pypi/only/1/json")
        ]
    assert [[project["name"] for project in each] for each in listed] == [
        ["acme-forms", "only", "other"],
        ["acme-forms", "other"],
    ]
    assert answers == [404, 404, 404]
    # What the scenario says is in another index is no surprise to be reported.
    assert not any(request.refused for request in client.log)
