"""What a build fetches from real hosts is recorded, and replayed without them."""

import gzip
import hashlib
import http.client
import json
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from git_repositories import git
from internet_client import Client, online
from real_hosts import Ask, Hosts, Say, real_hosts

from harness.ecosystems.python.index.package_index import PythonIndex
from harness.errors import HarnessError, TapeError
from harness.internet import Internet, Release, ReleaseFile, Repository, exchange, taped
from harness.internet import recorder as module_of_recorder
from harness.internet.exchange import GIT_REQUEST
from harness.internet.package_index import IndexUrls
from harness.internet.recorder import Recorder
from harness.internet.routes import Routes
from harness.internet.tape import Tape, read_index
from harness.internet.upstream import Upstream

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
DEFAULT = IndexUrls(
    default="https://default.example.com/simple/", own="https://default.example.com/simple/"
)
MIRRORED = IndexUrls(
    default="https://default.example.com/simple/",
    own="https://reader:mirror-password@mirror.example.net/root/main/+simple/",
)
TOKEN = "planted-token-0123456789"  # noqa: S105 - it has to be told as one
FILE = "https://files.example.com/a/thing-1.0.tar.gz"


def recorder(
    folder: Path, hosts: Hosts, tape: Tape | None = None, indexes: IndexUrls | None = DEFAULT
) -> Recorder:
    number = len(list(folder.glob("recording*")))
    return Recorder(
        tape,
        folder=folder / f"recording{number}",
        upstream=Upstream(hosts.environ, pauses=(0.0, 0.0)),
        routes=Routes([PythonIndex(lambda: indexes)]),
    )


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with real_hosts(tmp_path, {FILE: Say(body=b"thing " * 1000)}) as found:
        yield found


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@contextmanager
def replaying(path: Path, scratch: Path, internet: Internet | None = None) -> Iterator[Client]:
    """Serves a tape; nothing else is there to be asked."""
    folder = path.parent / f"unpacked{len(list(path.parent.glob('unpacked*')))}"
    with (
        Tape.open(path, folder) as tape,
        online(internet or Internet(), scratch, beyond=tape) as client,
    ):
        yield client


def everything(path: Path) -> bytes:
    """All that a tape holds, unpacked, with the names."""
    with zipfile.ZipFile(path) as archive:
        return b"\n".join(name.encode() + archive.read(name) for name in archive.namelist())


def test_what_is_fetched_is_replayed_by_get_head_and_in_parts(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    recording = recorder(tmp_path, hosts)
    path = tmp_path / "t.tape"
    with online(Internet(), scratch, beyond=recording) as client:
        recorded = client.get(FILE)
        client.get(FILE)
        client.get(FILE, method="HEAD")
    recording.save(path)
    assert (recorded.status, recorded.body) == (200, b"thing " * 1000)
    assert hosts.urls == [FILE]
    with replaying(path, scratch) as client:
        full, head = client.get(FILE), client.get(FILE, method="HEAD")
        part = client.get(FILE, Range="bytes=6-11")
    assert (full.status, full.body) == (200, recorded.body)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "6000")
    assert (part.status, part.body) == (206, b"thing ")
    assert sorted((each.url, each.status, each.refused) for each in client.log) == [
        (FILE, 200, ""), (FILE, 200, ""), (FILE, 206, "")
    ]  # fmt: skip


def test_a_part_or_a_head_fetches_the_whole(tmp_path: Path, scratch: Path, hosts: Hosts) -> None:
    recording = recorder(tmp_path, hosts)
    with online(Internet(), scratch, beyond=recording) as client:
        head = client.get(FILE, method="HEAD")
        part = client.get(FILE, Range="bytes=0-4")
    assert (head.status, part.status, part.body) == (200, 206, b"thing")
    (ask,) = hosts.log
    assert ask.method == "GET"
    assert "range" not in ask.headers
    assert ask.headers["accept-encoding"] == "identity"


def test_what_was_not_recorded_is_refused_at_once_and_by_name(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    path = tmp_path / "t.tape"
    recorder(tmp_path, hosts).save(path)
    with replaying(path, scratch) as client:
        reply = client.get(f"{FILE}?x=1")
        unknown = client.get("https://default.example.com/simple/django/")
        git = client.get("https://github.com/some/one/info/refs?service=git-upload-pack")
    assert reply.status == 403
    assert f"refuses GET {FILE}?x=1" in reply.text
    assert "not on the tape t.tape" in reply.text
    assert (unknown.status, git.status) == (404, 404)
    assert all("not on the tape t.tape" in each.refused for each in client.log)
    assert hosts.log == []


def test_a_missing_page_is_an_answer(tmp_path: Path, scratch: Path, hosts: Hosts) -> None:
    recording = recorder(tmp_path, hosts)
    url = "https://files.example.com/not-there"
    with online(Internet(), scratch, beyond=recording) as client:
        client.get(url)
    recording.save(tmp_path / "t.tape")
    with replaying(tmp_path / "t.tape", scratch) as client:
        reply = client.get(url, Range="bytes=0-1")
    assert (reply.status, reply.body) == (404, b"no such page")
    assert client.log[0].refused == ""


def test_the_scenario_s_own_come_first(tmp_path: Path, scratch: Path, hosts: Hosts) -> None:
    wheel = tmp_path / "forms-1.0.tar.gz"
    wheel.write_bytes(b"")
    file = ReleaseFile(name=wheel.name, path=wheel, sha256=hashlib.sha256(b"").hexdigest())
    repository = tmp_path / "r.git"
    git(tmp_path, "init", "-q", "--bare", str(repository))
    internet = Internet(
        releases=(Release(project="forms", version="1.0", files=(file,)),),
        repositories=(Repository(owner="acme", name="forms", objects=repository, refs=()),),
    )
    own = (
        "https://default.example.com/simple/forms/",
        "https://default.example.com/simple/forms/no-such-file",
        "https://default.example.com/pypi/forms/json",
        "https://github.com/acme/forms/info/refs?service=git-upload-pack",
        "https://github.com/acme/forms/archive/no-such.tar.gz",
        "https://github.com/acme/forms/releases",
    )
    with online(internet, scratch, beyond=recorder(tmp_path, hosts)) as client:
        for url in own:
            client.get(url)
        assert hosts.log == []
        client.get("https://github.com/acme/others/releases")
        client.get("https://default.example.com/simple/others/")
    assert len(hosts.log) == 2


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x", "http://169.254.169.254/latest", "https://localhost/x", "http://[::1]/x",
     "http://a.localhost/", "http://8.8.8.8:8080/"],
)  # fmt: skip
def test_addresses_are_never_asked(tmp_path: Path, scratch: Path, hosts: Hosts, url: str) -> None:
    with online(Internet(), scratch, beyond=recorder(tmp_path, hosts)) as client:
        host = url.split("/")[2]
        assert client.get("http://x.example.com/", Host=host).status in {400, 403}
    assert hosts.log == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading_is_passed_on(
    tmp_path: Path, scratch: Path, hosts: Hosts, method: str
) -> None:
    with online(Internet(), scratch, beyond=recorder(tmp_path, hosts)) as client:
        assert client.get(FILE, method=method, body=b"x").status == 403
        push = client.get("https://forge.example.com/a/b/git-receive-pack", method="POST", body=b"")
        assert push.status == 403
        client.get("https://forge.example.com/a/b/info/refs?service=git-receive-pack")
    assert hosts.log == []


# --- package indexes ---------------------------------------------------------------------------


def page(ask: Ask) -> Say:
    kind = ask.headers.get("accept", "").split(",")[0]
    link = "../../packages/ab/thing-1.0.whl#sha256=00"
    if kind == JSON:
        body = json.dumps({"name": "thing", "files": [{"url": link, "filename": "thing-1.0.whl"}]})
    else:
        body = f'<a href="{link}">thing-1.0.whl</a>'
    return Say(body=body.encode(), headers={"content-type": kind or "text/html"})


@pytest.mark.parametrize("kind", [JSON, HTML])
def test_a_mirror_stands_for_the_default_index(
    tmp_path: Path, scratch: Path, hosts: Hosts, kind: str
) -> None:
    base = "https://mirror.example.net/root/main"
    hosts.pages[f"{base}/+simple/thing/"] = page
    hosts.pages[f"{base}/packages/ab/thing-1.0.whl"] = Say(body=b"wheel")
    hosts.pages[f"{base}/packages/ab/thing-1.0.whl.metadata"] = Say(body=b"metadata")
    recording = recorder(tmp_path, hosts, indexes=MIRRORED)
    shown = "https://default.example.com/simple/thing/"
    file = "https://default.example.com/packages/ab/thing-1.0.whl"
    with online(Internet(), scratch, beyond=recording) as client:
        client.get(shown, Accept=kind, Authorization="Basic bm9ib2R5OmZvci10aGUtZGVmYXVsdA==")
        assert client.get(file).body == b"wheel"
        assert client.get(f"{file}.metadata").body == b"metadata"
    recording.save(tmp_path / "t.tape")
    held = everything(tmp_path / "t.tape")
    assert b"mirror" not in held
    # The mirror is asked with its own credentials, and with nobody else's.
    assert {ask.headers["authorization"] for ask in hosts.log} == {
        "Basic cmVhZGVyOm1pcnJvci1wYXNzd29yZA=="
    }
    with replaying(tmp_path / "t.tape", scratch) as client:
        replayed = client.get(shown, Accept=kind, Authorization="Basic b3RoZXI6b3RoZXI=")
        assert b"packages/ab/thing-1.0.whl" in replayed.body
        assert client.get(file).body == b"wheel"


def test_links_of_a_mirror_that_leave_its_root_are_found_by_its_page(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    base = "https://mirror.example.net"
    hosts.pages[f"{base}/root/main/+simple/thing/"] = Say(
        body=b'<a href="/elsewhere/thing-1.0.whl">', headers={"content-type": "text/html"}
    )
    hosts.pages[f"{base}/elsewhere/thing-1.0.whl"] = Say(body=b"wheel")
    recording = recorder(tmp_path, hosts, indexes=MIRRORED)
    with online(Internet(), scratch, beyond=recording) as client:
        client.get("https://default.example.com/simple/thing/")
        file = client.get("https://default.example.com/elsewhere/thing-1.0.whl")
    assert file.body == b"wheel"


def test_another_index_than_the_default_one_is_asked_itself(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    own = "https://private.example.org/simple/thing/"
    hosts.pages[own] = page
    with online(Internet(), scratch, beyond=recorder(tmp_path, hosts, indexes=MIRRORED)) as client:
        assert client.get(own, Authorization="Bearer x").status == 200
    assert hosts.urls == [own]
    assert hosts.log[0].headers["authorization"] == "Bearer x"


def test_what_a_page_s_client_accepts_selects_the_answer(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    url = "https://default.example.com/simple/thing/"
    hosts.pages[url] = page
    recording = recorder(tmp_path, hosts)
    with online(Internet(), scratch, beyond=recording) as client:
        for kind in (JSON, f"{HTML};q=0.1", f"{JSON}, {HTML};q=0.5", "*/*"):
            client.get(url, Accept=kind)
    recording.save(tmp_path / "t.tape")
    assert sorted(asked.accept for asked in recording.index.answers) == ["", HTML, JSON]
    with replaying(tmp_path / "t.tape", scratch) as client:
        assert client.get(url, Accept=JSON).headers["content-type"] == JSON
        assert client.get(url, Accept=f"{HTML};q=0.1").body.startswith(b"<a")


def test_a_redirect_within_a_mirror_is_shown_as_the_default_index_s(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    base = "https://mirror.example.net/root/main/+simple"
    hosts.pages[f"{base}/Thing/"] = Say(status=301, headers={"location": f"{base}/thing/"})
    recording = recorder(tmp_path, hosts, indexes=MIRRORED)
    with online(Internet(), scratch, beyond=recording) as client:
        reply = client.get("https://default.example.com/simple/Thing/")
    assert (reply.status, reply.headers["location"]) == (
        301,
        "https://default.example.com/simple/thing/",
    )


# --- what is secret ----------------------------------------------------------------------------


def test_no_secret_is_written_and_each_is_asked_with(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    signed = f"https://store.example.com/x?X-Amz-Signature={TOKEN}&part=1&sig={TOKEN}"
    start = f"https://forge.example.com/a.tar.gz?token={TOKEN}"
    project = "https://private.example.org/simple/thing/"
    hosts.pages |= {
        start: Say(status=302, headers={"location": signed, "set-cookie": f"session={TOKEN}"}),
        signed: Say(body=b"archive", headers={"x-token": TOKEN, "etag": '"e"'}),
        project: Say(
            body=f'<a href="thing.whl?a=1&amp;token={TOKEN}#sha256=0">'
            f'<a href="https://me:{TOKEN}@private.example.org/other.whl">'.encode(),
            headers={"content-type": "text/html"},
        ),
        f"{project}thing.whl?a=1&token={TOKEN}": Say(body=b"wheel"),
        "https://private.example.org/other.whl": Say(body=b"other"),
    }
    recording = recorder(tmp_path, hosts)
    with online(Internet(), scratch, beyond=recording) as client:
        first = client.get(start, Authorization=f"token {TOKEN}", Cookie=f"session={TOKEN}")
        leads = first.headers["location"]
        assert client.get(leads).body == b"archive"
        links = client.get(project).text
        assert client.get(f"{project}thing.whl?a=1&token=REDACTED").body == b"wheel"
        assert client.get("https://private.example.org/other.whl").body == b"other"
    assert leads == "https://store.example.com/x?X-Amz-Signature=REDACTED&part=1&sig=REDACTED"
    assert "thing.whl?a=1&amp;token=REDACTED#sha256=0" in links
    assert not any(TOKEN in each.url for each in client.log)
    asked = hosts.log[0]
    assert (asked.headers["authorization"], asked.headers["cookie"]) == (
        f"token {TOKEN}",
        f"session={TOKEN}",
    )
    assert [ask.url for ask in hosts.log if TOKEN in ask.url] == [
        start, signed, f"{project}thing.whl?a=1&token={TOKEN}"
    ]  # fmt: skip
    recording.save(tmp_path / "t.tape")
    held = everything(tmp_path / "t.tape")
    assert TOKEN.encode() not in held
    assert b"set-cookie" not in held
    # Whoever replays has another secret, or none that is worth the name.
    with replaying(tmp_path / "t.tape", scratch) as client:
        again = client.get(
            "https://forge.example.com/a.tar.gz?token=other", Authorization="token other"
        )
        assert (again.status, again.headers["location"]) == (302, leads)
        assert client.get(leads).body == b"archive"
        without = client.get("https://forge.example.com/a.tar.gz?token=other")
        assert without.status == 403


def test_a_secret_on_a_tape_would_be_seen(
    tmp_path: Path, scratch: Path, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"https://files.example.com/x?token={TOKEN}"
    hosts.pages[url] = Say(body=b"x")
    monkeypatch.setattr(exchange, "redact", lambda text: text)
    recording = recorder(tmp_path, hosts)
    with online(Internet(), scratch, beyond=recording) as client:
        client.get(url)
    with pytest.raises(TapeError, match="repeats"):
        recording.save(tmp_path / "t.tape")
    monkeypatch.setattr(module_of_recorder, "_holds", lambda *_: False)
    monkeypatch.setattr(module_of_recorder, "_told", lambda *_: False)
    recording.save(tmp_path / "t.tape")
    assert TOKEN.encode() in everything(tmp_path / "t.tape")


@pytest.mark.parametrize("place", ["body", "etag"])
def test_an_answer_that_repeats_a_secret_is_not_written(
    tmp_path: Path, scratch: Path, hosts: Hosts, place: str
) -> None:
    said = {
        "body": Say(body=b"x" * (1 << 20) + TOKEN.encode()),
        "etag": Say(headers={"etag": TOKEN}),
    }
    hosts.pages["https://echo.example.com/"] = said[place]
    recording = recorder(tmp_path, hosts)
    with online(Internet(), scratch, beyond=recording) as client:
        client.get("https://echo.example.com/", Authorization=f"Bearer {TOKEN}")
    with pytest.raises(TapeError, match=r"https://echo\.example\.com/ repeats"):
        recording.save(tmp_path / "t.tape")
    assert not (tmp_path / "t.tape").exists()


def test_a_secret_that_is_not_on_the_tape_is_asked_for(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    url = "https://store.example.com/x?token=REDACTED"
    with (
        pytest.raises(HarnessError, match="secrets were left out") as raised,
        online(Internet(), scratch, beyond=recorder(tmp_path, hosts)) as client,
    ):
        assert client.get(url).status == 500
    assert "--anew" in raised.value.hint
    assert hosts.log == []


def test_only_some_headers_are_kept(tmp_path: Path, scratch: Path, hosts: Hosts) -> None:
    hosts.pages[FILE] = Say(
        body=b"x",
        headers={"etag": '"e"', "last-modified": "Thu, 02 Jan 2020 00:00:00 GMT", "x-served": "1",
                 "cache-control": "max-age=600", "content-type": "application/x-thing"},
    )  # fmt: skip
    other = FILE.replace("1.0", "2.0")
    hosts.pages[other] = Say(headers={"cache-control": "max-age=9, Immutable"})
    recording = recorder(tmp_path, hosts)
    with online(Internet(), scratch, beyond=recording) as client:
        headers, lasting = client.get(FILE).headers, client.get(other).headers
    kept = {"etag": '"e"', "last-modified": "Thu, 02 Jan 2020 00:00:00 GMT",
            "content-type": "application/x-thing"}  # fmt: skip
    assert headers.items() >= kept.items()
    assert not {"x-served", "cache-control"} & headers.keys()
    assert lasting["cache-control"] == "max-age=9, Immutable"
    answers = {asked.url: answer for asked, answer in recording.index.answers.items()}
    assert dict(answers[FILE].headers) == kept


# --- real hosts in trouble ---------------------------------------------------------------------


def failing(recording: Recorder, scratch: Path, url: str, **headers: str) -> HarnessError:
    with pytest.raises(HarnessError) as raised:
        ask_twice(recording, scratch, url, headers)
    return raised.value


def ask_twice(recording: Recorder, scratch: Path, url: str, headers: dict[str, str]) -> None:
    with online(Internet(), scratch, beyond=recording) as client:
        for _ in range(2):
            assert client.get(url, body=None, **headers).status == 500


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_host_in_trouble_gives_no_answer(
    tmp_path: Path, scratch: Path, hosts: Hosts, status: int
) -> None:
    hosts.pages[FILE] = Say(status=status)
    recording = recorder(tmp_path, hosts)
    error = failing(recording, scratch, FILE)
    assert FILE in error.message
    assert f"it answers {status}" in error.message
    assert "curl" in error.hint
    assert len(hosts.log) == 3
    assert recording.index.answers == {}


def test_a_host_that_recovers_gives_one(tmp_path: Path, scratch: Path, hosts: Hosts) -> None:
    says = iter([Say(status=503), Say(body=b"", headers={"content-length": "9"}, cut_off=True),
                 Say(body=b"well")])  # fmt: skip
    hosts.pages[FILE] = lambda _: next(says)
    with online(Internet(), scratch, beyond=recorder(tmp_path, hosts)) as client:
        assert client.get(FILE).body == b"well"


def test_a_host_that_is_not_trusted_is_asked_once(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    from trustme import CA

    CA().cert_pem.write_to_path(str(hosts.bundle))
    error = failing(recorder(tmp_path, hosts), scratch, FILE)
    assert "certificate" in error.message.lower()
    assert "SSL_CERT_FILE" in error.hint


def test_a_host_that_cannot_be_reached(tmp_path: Path, scratch: Path, hosts: Hosts) -> None:
    gone = Hosts(port=1, bundle=hosts.bundle, pages={}, repositories={})
    error = failing(recorder(tmp_path, gone), scratch, f"{FILE}?token={TOKEN}")
    assert "files.example.com gave no answer to record" in error.message
    assert TOKEN not in str(error)


def test_each_thing_is_asked_for_once_by_builds_at_the_same_time(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    release = threading.Event()

    def slow(_: Ask) -> Say:
        release.wait(10)
        return Say(body=b"x")

    hosts.pages[FILE] = slow
    recording = recorder(tmp_path, hosts)
    with online(Internet(), scratch, beyond=recording) as client, ThreadPoolExecutor(4) as pool:
        replies = [pool.submit(client.get, FILE) for _ in range(4)]
        deadline = time.monotonic() + 10
        while threading.active_count() < 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        release.set()
        assert {reply.result().body for reply in replies} == {b"x"}
    assert len(hosts.log) == 1


@contextmanager
def slow_host(*parts: bytes | threading.Event, length: int) -> Iterator[str]:
    """A host that sends the parts of one body, and waits for an event where one stands."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            stream, _ = listener.accept()
            with stream:
                stream.recv(65536)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: e\r\n\r\n"
                stream.sendall(head.encode())
                for part in parts:
                    part.wait(30) if isinstance(part, threading.Event) else stream.sendall(part)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def slowly(folder: Path, proxy: str) -> Recorder:
    upstream = Upstream({"http_proxy": proxy}, pauses=())
    return Recorder(None, folder=folder / "slow", upstream=upstream, routes=Routes())


def test_what_comes_slowly_is_passed_on_as_it_comes(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taped, "PATIENCE", 0.1)
    first, rest, seen = b"a" * 100_000, b"b" * 100_000, threading.Event()
    url = "http://files.example.com/big"
    with slow_host(first, seen, rest, length=200_000) as proxy:
        recording = slowly(tmp_path, proxy)
        with online(Internet(), scratch, beyond=recording) as client:
            with client.connect("http", "x") as stream:
                stream.sendall(b"GET /big HTTP/1.1\r\nHost: files.example.com\r\n\r\n")
                got = b""
                # The rest is sent only when some of the first has been seen.
                while got.count(b"a" * 10_000) == 0:
                    got += stream.recv(65536)
                seen.set()
                while not got.endswith(rest):
                    got += stream.recv(65536)
            assert b"content-length: 200000" in got
            assert b"etag: e" in got
            assert got.endswith(first + rest)
            assert client.get(url).body == first + rest
    recording.save(tmp_path / "t.tape")
    with replaying(tmp_path / "t.tape", scratch) as client:
        assert client.get(url).body == first + rest


def test_what_breaks_off_while_it_is_passed_on_is_no_answer(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taped, "PATIENCE", 0.1)
    pause = threading.Event()
    with slow_host(b"a" * 100_000, pause, b"b", length=200_000) as proxy:
        recording = slowly(tmp_path, proxy)
        threading.Timer(0.5, pause.set).start()
        with pytest.raises(HarnessError, match=r"http://files\.example\.com/big: .* no answer"):
            break_off(recording, scratch)
    assert recording.index.answers == {}


def break_off(recording: Recorder, scratch: Path) -> None:
    with (
        online(Internet(), scratch, beyond=recording) as client,
        suppress(http.client.IncompleteRead),
    ):
        client.get("http://files.example.com/big")


def test_a_host_that_hangs_does_not_hold_the_end_up(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    release, asked = threading.Event(), threading.Event()

    def hanging(_: Ask) -> Say:
        asked.set()
        release.wait(30)
        return Say()

    hosts.pages[FILE] = hanging
    with online(Internet(), scratch, beyond=recorder(tmp_path, hosts)) as client:
        with client.connect("http", "x") as stream:
            stream.sendall(b"GET /a HTTP/1.1\r\nHost: files.example.com\r\n\r\n")
            hosts.pages["http://files.example.com/a"] = hanging
            assert asked.wait(10)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    release.set()


# --- adding to a tape --------------------------------------------------------------------------


def test_recording_adds_to_a_tape_and_asks_for_nothing_that_it_has(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    path, other = tmp_path / "t.tape", FILE.replace("1.0", "2.0")
    first = recorder(tmp_path, hosts)
    with online(Internet(), scratch, beyond=first) as client:
        client.get(FILE)
    first.save(path)
    hosts.pages |= {FILE: Say(body=b"moved on"), other: Say(body=b"another")}
    with Tape.open(path, tmp_path / "before") as tape:
        second = recorder(tmp_path, hosts, tape)
        with online(Internet(), scratch, beyond=second) as client:
            assert client.get(FILE).body == b"thing " * 1000
            client.get(other)
        index = second.save(path)
    assert [asked.url for asked in sorted(index.answers)] == [FILE, other]
    assert second.added == 1
    with replaying(path, scratch) as client:
        assert client.get(FILE).body == b"thing " * 1000
        assert client.get(other).body == b"another"
    before = path.read_bytes()
    with Tape.open(path, tmp_path / "again") as tape:
        recorder(tmp_path, hosts, tape).save(path)
    assert path.read_bytes() == before


def test_a_tape_that_somebody_else_wrote_meanwhile_is_left_alone(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    path = tmp_path / "t.tape"
    recorder(tmp_path, hosts).save(path)
    with Tape.open(path, tmp_path / "before") as tape:
        mine = recorder(tmp_path, hosts, tape)
        other = recorder(tmp_path, hosts)
        with online(Internet(), scratch, beyond=other) as client:
            client.get(FILE)
        other.save(path)
        with pytest.raises(TapeError, match="another process"):
            mine.save(path)
    assert len(read_index(path).answers) == 1


def test_a_page_on_the_tape_still_tells_where_its_links_lead(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    base = "https://mirror.example.net"
    hosts.pages[f"{base}/root/main/+simple/thing/"] = Say(
        body=b'<a href="/elsewhere/thing-1.0.whl">', headers={"content-type": "text/html"}
    )
    hosts.pages[f"{base}/elsewhere/thing-1.0.whl"] = Say(body=b"wheel")
    shown = "https://default.example.com/simple/thing/"
    first = recorder(tmp_path, hosts, indexes=MIRRORED)
    with online(Internet(), scratch, beyond=first) as client:
        client.get(shown)
    first.save(tmp_path / "t.tape")
    with Tape.open(tmp_path / "t.tape", tmp_path / "before") as tape:
        second = recorder(tmp_path, hosts, tape, indexes=MIRRORED)
        with online(Internet(), scratch, beyond=second) as client:
            client.get(shown)
            assert client.get("https://default.example.com/elsewhere/thing-1.0.whl").body


def test_a_page_on_the_tape_is_answered_though_nobody_knows_where_it_was(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    shown = "https://private.example.org/simple/thing/"
    signed = f"https://store.example.com/simple/thing/?sig={TOKEN}"
    hosts.pages |= {shown: Say(status=302, headers={"location": signed}), signed: page}
    first = recorder(tmp_path, hosts)
    with online(Internet(), scratch, beyond=first) as client:
        leads = client.get(shown, Accept=JSON).headers["location"]
        recorded = client.get(leads, Accept=JSON)
    first.save(tmp_path / "t.tape")
    with Tape.open(tmp_path / "t.tape", tmp_path / "before") as tape:
        second = recorder(tmp_path, hosts, tape)
        with online(Internet(), scratch, beyond=second) as client:
            assert client.get(leads, Accept=JSON).body == recorded.body
    assert recorded.status == 200


# --- git ---------------------------------------------------------------------------------------


def through(client: Client, *arguments: str, folder: Path, agent: str = "git/2.0") -> str:
    """Runs git as a build would, but that every name is looked up by way of a proxy."""
    port = client.http[1]
    return git(
        folder,
        "-c",
        f"http.proxy=http://127.0.0.1:{port}",
        *arguments,
        env={"GIT_USER_AGENT": agent},
    )


def test_git_from_a_real_forge(tmp_path: Path, scratch: Path, hosts: Hosts) -> None:
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    for number in range(3):
        (work / "file").write_text(f"{number}\n" * 100)
        git(work, "add", ".")
        git(work, "commit", "-qm", str(number))
    first, tip = git(work, "rev-parse", "HEAD~2"), git(work, "rev-parse", "HEAD")
    url = "http://forge.example.com/acme/real.git"
    hosts.repositories[url] = work / ".git"
    recording = recorder(tmp_path, hosts)

    def build(client: Client, name: str, agent: str) -> list[str]:
        folder = tmp_path / name
        folder.mkdir()
        through(client, "clone", "-q", url, "whole", folder=folder, agent=agent)
        through(client, "clone", "-q", "--depth=1", url, "shallow", folder=folder, agent=agent)
        git(folder, "init", "-q", "pinned")
        pinned = folder / "pinned"
        through(client, "fetch", "-q", url, first, folder=pinned, agent=agent)
        return [git(folder / "whole", "rev-parse", "HEAD"), git(pinned, "rev-parse", "FETCH_HEAD")]

    with online(Internet(), scratch, beyond=recording) as client:
        assert build(client, "recorded", "git/2.39.5") == [tip, first]
    recording.save(tmp_path / "t.tape")
    asked = len(hosts.log)
    hosts.repositories.clear()
    with replaying(tmp_path / "t.tape", scratch) as client:
        # Another git asks the same in another name.
        assert build(client, "replayed", "git/2.51.0-other") == [tip, first]
    assert len(hosts.log) == asked
    assert {request.method for request in client.log} == {"GET", "POST"}


def pkt(*lines: bytes) -> bytes:
    return b"".join(b"%04x%b" % (len(line) + 4, line) if line else b"0000" for line in lines)


def test_a_packed_request_is_the_same_as_a_plain_one(
    tmp_path: Path, scratch: Path, hosts: Hosts
) -> None:
    url = "https://forge.example.com/a/b/git-upload-pack"
    hosts.pages[url] = lambda ask: Say(body=b"got " + ask.body)
    body = pkt(b"command=fetch", b"agent=git/2.1", b"", b"want 00\n")
    recording = recorder(tmp_path, hosts)
    sent = {"Content_Type": GIT_REQUEST, "Git_Protocol": "version=2"}
    with online(Internet(), scratch, beyond=recording) as client:
        packed = client.get(
            url, method="POST", body=gzip.compress(body), Content_Encoding="gzip", **sent
        )
        assert packed.body == b"got " + body
        assert client.get(url, method="POST", body=body, **sent).body == packed.body
        assert len(hosts.log) == 1
        client.get(url, method="POST", body=body, Content_Type=GIT_REQUEST)
        client.get(url, method="POST", body=body + b"0000", **sent)
        client.get(url, method="POST", body=b"other", **sent)
        broken = client.get(url, method="POST", body=b"x", Content_Encoding="gzip", **sent)
    assert len(hosts.log) == 4
    assert broken.status == 403
