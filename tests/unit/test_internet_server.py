import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from dnslib import DNSRecord
from git_repositories import git
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from internet_client import Client, listeners, online

from harness.errors import HarnessError
from harness.internet import (
    Download,
    Internet,
    Release,
    ReleaseFile,
    Repository,
    Request,
    names,
    server,
)
from harness.internet.name_server import NameServer
from harness.internet.server import InternetServer
from harness.internet.trust import Authority

QUICK = 2.0  # seconds: what nobody would call a hang, on a busy machine


def download(folder: Path, content: bytes = b"content", **names: str) -> Download:
    file = folder / "file.bin"
    file.write_bytes(content)
    return Download(
        host=names.get("host", "files.example.com"),
        path=names.get("path", "/a/file.bin"),
        file=file,
        sha256=hashlib.sha256(content).hexdigest(),
    )


@pytest.fixture
def calm() -> Iterator[None]:
    """Nothing is left behind: no thread, no process, no descriptor."""
    threads, files = set(threading.enumerate()), psutil.Process().num_fds()
    yield
    deadline = time.monotonic() + QUICK
    while set(threading.enumerate()) - threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - threads
    assert psutil.Process().children(recursive=True) == []
    assert psutil.Process().num_fds() <= files


@pytest.mark.usefixtures("calm")
def test_a_download_by_get_and_head_on_both_schemes(tmp_path: Path) -> None:
    internet = Internet(downloads=(download(tmp_path),))
    with online(internet, tmp_path) as client:
        for scheme in ("http", "https"):
            url = f"{scheme}://files.example.com/a/file.bin"
            full, head = client.get(url), client.get(url, method="HEAD")
            assert (full.status, full.body, full.headers["content-length"]) == (
                200,
                b"content",
                "7",
            )
            assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "7")
    # Each on a connection of its own: told once it has been answered, in no order.
    assert sorted((r.url, r.method, r.status, r.refused) for r in client.log) == [
        (f"{scheme}://files.example.com/a/file.bin", method, 200, "")
        for scheme in ("http", "https")
        for method in ("GET", "HEAD")
    ]


def test_a_build_that_asks_without_end_is_answered_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_REQUESTS", 3)
    with online(Internet(downloads=(download(tmp_path),)), tmp_path) as client:
        url = "https://files.example.com/a/file.bin?"
        told = [client.get(url + "x" * length).status for length in (0, 9, 9_000, 0, 0)]
    assert told == [200, 200, 200, 403, 403]
    assert len(client.log) == 4
    (refused,) = filter(None, (request.refused for request in client.log))
    assert "at most 3 requests" in refused
    assert max(len(request.url) for request in client.log) == 2_001


def test_headers_tell_the_content_and_nothing_of_its_keeping(tmp_path: Path) -> None:
    internet = Internet(downloads=(download(tmp_path),))
    with online(internet, tmp_path) as client:
        first = client.get("https://files.example.com/a/file.bin").headers
        os.utime(tmp_path / "file.bin", (0, 0))
        second = client.get("https://files.example.com/a/file.bin").headers
    first.pop("date")
    second.pop("date")
    assert first == second


@pytest.mark.parametrize(
    ("host", "path", "found"),
    [
        ("files.example.com", "/a/file.bin", True),
        ("FILES.example.com", "/a/file.bin", True),
        ("files.example.com:8443", "/a/file.bin", True),
        ("files.example.com", "/a/%66ile.bin", True),
        ("files.example.com", "/a/file.bin?signed=1", True),
        ("other.example.com", "/a/file.bin", False),
        ("xfiles.example.com", "/a/file.bin", False),
        ("files.example.com", "/a/file.bin/", False),
        ("files.example.com", "/a/../a/file.bin", False),
        ("files.example.com", "/file.bin", False),
    ],
)
def test_a_download_is_found_by_host_and_path(
    tmp_path: Path, host: str, path: str, found: bool
) -> None:
    with online(Internet(downloads=(download(tmp_path),)), tmp_path) as client:
        assert client.get(f"http://{host}{path}").status == (200 if found else 403)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("bucket.s3.dualstack.us-east-1.example.com", True),
        ("bucket.s3.example.com", True),
        ("bucket.s4.example.com", False),
        ("bucketxs3.example.com", False),
        ("example.com", False),
    ],
)
def test_a_star_in_a_host(tmp_path: Path, host: str, found: bool) -> None:
    internet = Internet(downloads=(download(tmp_path, host="*.s3.*example.com"),))
    with online(internet, tmp_path) as client:
        assert client.get(f"http://{host}/a/file.bin").status == (200 if found else 403)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_anything_else_is_refused_by_its_url(tmp_path: Path, method: str) -> None:
    with online(Internet(downloads=(download(tmp_path),)), tmp_path) as client:
        url = "https://nobody.example.com/some%20where?x=1&y"
        reply = client.get(url, method=method, body=b"x" * 100_000 if method == "POST" else None)
        if method != "GET":
            client.get("https://files.example.com/a/file.bin", method=method)
    assert reply.status == 403
    assert f"refuses {method} {url}" in reply.text
    assert {(r.method, r.status) for r in client.log} == {(method, 403)}
    (refused,) = (r for r in client.log if r.url == url)
    assert refused.refused == reply.text.rstrip("\n")


def test_names_are_answered(tmp_path: Path) -> None:
    with online(Internet(), tmp_path) as client:
        asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with asker:
            asker.settimeout(10)
            asker.sendto(b"garbage", client.dns)
            asker.sendto(bytes(DNSRecord.question("any.example.com").pack()), client.dns)
            reply = DNSRecord.parse(asker.recv(2048))
    assert [str(record.rdata) for record in reply.rr] == ["127.0.0.80"]


def test_a_name_answered_too_late_is_nobody_s_fault_but_the_harness_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "RESOLVER_PATIENCE", 0.2)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener,
    ):
        listener.bind(("127.0.0.1", 0))
        asker.sendto(bytes(DNSRecord.question("any.example.com").pack()), listener.getsockname())
        time.sleep(0.3)  # the query lies there while nobody serves
        with NameServer(listener) as late:
            asker.settimeout(10)
            assert asker.recv(2048)
    assert 0.2 < late.slowest < 10
    with pytest.raises(HarnessError, match="only after"):
        server._check(late)


def test_a_name_server_that_cannot_answer_says_so() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        with (
            NameServer(listener) as server_of_names,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker,
        ):
            port = listener.getsockname()[1]
            with socket.socket() as other:  # takes the number's place, as a wrong close would
                os.dup2(other.fileno(), listener.fileno())
                asker.sendto(bytes(DNSRecord.question("x").pack()), ("127.0.0.1", port))
    assert server_of_names.failure is not None
    with pytest.raises(HarnessError, match="name server failed"):
        server._check(server_of_names)


def test_a_name_server_that_breaks_blames_no_build(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(packet: bytes) -> bytes:
        raise RuntimeError("a defect")

    monkeypatch.setattr(names, "answer", broken)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener,
    ):
        listener.bind(("127.0.0.1", 0))
        with NameServer(listener) as server_of_names:
            asker.sendto(b"anything", listener.getsockname())
    with pytest.raises(HarnessError, match="name server failed: a defect"):
        server._check(server_of_names)


@pytest.mark.usefixtures("calm")
def test_clients_that_stall_do_not_hold_the_end_up(tmp_path: Path) -> None:
    big = download(tmp_path, b"x" * 40_000_000)
    repository = tmp_path / "r.git"
    git(tmp_path, "init", "-q", "--bare", str(repository))
    internet = Internet(
        downloads=(big,),
        repositories=(Repository(owner="acme", name="r", objects=repository, refs=()),),
    )
    requests = (
        b"GET /half HTT",
        b"GET /a/file.bin HTTP/1.1\r\nHost: files.example.com\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x.example.com\r\nContent-Length: 9\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x.example.com\r\nContent-Length: 900000\r\n\r\n"
        + b"x" * 300_000,
        b"\r\n".join(
            (
                b"POST /acme/r/git-upload-pack HTTP/1.1",
                b"Host: github.com",
                b"Content-Length: 90000",
                b"Content-Type: application/x-git-upload-pack-request",
                b"",
                b"00",
            )
        ),
    )
    with ExitStack() as stalled:
        with online(internet, tmp_path) as client:
            # A connection and no more; half a handshake; half a request; an answer that nobody
            # reads; a body that never comes, to the server and to git.
            stalled.enter_context(socket.create_connection(client.http))
            stalled.enter_context(socket.create_connection(client.https))
            half = stalled.enter_context(socket.create_connection(client.https))
            half.sendall(b"\x16\x03\x01\x02\x00\x01")
            for scheme in ("http", "https"):
                for request in requests:
                    stream = stalled.enter_context(client.connect(scheme, "github.com"))
                    stream.sendall(request)
            deadline = time.monotonic() + 10
            while len(psutil.Process().children()) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert len(psutil.Process().children()) == 2  # git waits for the rest of a body
            began = time.monotonic()
        assert time.monotonic() - began < QUICK


@pytest.mark.usefixtures("calm")
def test_a_git_that_hangs_does_not_hold_the_end_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "r.git"
    git(tmp_path, "init", "-q", "--bare", str(repository))
    hanging = tmp_path / "bin" / "git"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\nsleep 100 & echo; sleep 100\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", str(hanging.parent), prepend=os.pathsep)
    internet = Internet(
        repositories=(Repository(owner="acme", name="r", objects=repository, refs=()),)
    )
    with ExitStack() as stalled:
        with online(internet, tmp_path) as client:
            stream = stalled.enter_context(client.connect("http", "github.com"))
            target = b"/acme/r/info/refs?service=git-upload-pack"
            stream.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: github.com\r\n\r\n")
            deadline = time.monotonic() + 10
            while not (processes := psutil.Process().children(recursive=True)[1:]):
                assert time.monotonic() < deadline
            began = time.monotonic()
        assert time.monotonic() - began < QUICK
        _, alive = psutil.wait_procs(processes, timeout=QUICK)
        assert not alive


@pytest.mark.usefixtures("calm")
def test_it_starts_and_stops_quickly(tmp_path: Path) -> None:
    server = InternetServer(Authority(), scratch=tmp_path)
    times = []
    for _ in range(10):
        ends = listeners()
        began = time.process_time()  # a busy machine is not the server's fault
        with server.serving(Internet(), print)(ends):
            pass
        times.append(time.process_time() - began)
    assert min(times) < 0.05, times


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(garbage=st.binary(min_size=1, max_size=300), https=st.booleans())
def test_garbage_does_no_harm(shared: Client, garbage: bytes, https: bool) -> None:
    with socket.create_connection(shared.https if https else shared.http) as stream:
        stream.sendall(garbage + b"\r\n\r\n")
        stream.shutdown(socket.SHUT_WR)
        stream.settimeout(10)
        try:
            while stream.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert shared.get("http://files.example.com/a/file.bin").status == 200


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("shared")
    with online(Internet(downloads=(download(folder),)), folder) as client:
        yield client


@pytest.mark.parametrize(
    "request_line",
    [b"GET /\xff HTTP/1.1", b"GET http://x.example.com/y HTTP/1.1", b"GET * HTTP/1.1"],
)
@pytest.mark.parametrize("host", [b"[", b"", b"x:y:z", b"\xff.example.com"])
def test_odd_requests_are_refused(shared: Client, request_line: bytes, host: bytes) -> None:
    with socket.create_connection(shared.http) as stream:
        stream.settimeout(10)
        stream.sendall(request_line + b"\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n")
        answer = stream.recv(4096)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403"))


def test_several_at_once_keep_apart(tmp_path: Path) -> None:
    server = InternetServer(Authority(), scratch=tmp_path)
    barrier = threading.Barrier(4)

    def work(number: int) -> tuple[bytes, list[str]]:
        folder = tmp_path / f"files{number}"
        folder.mkdir()
        internet = Internet(downloads=(download(folder, b"%d" % number),))
        ends = listeners()
        client = Client(
            authority=Authority(), dns=("", 0), https=("", 0), http=ends.http.getsockname()
        )
        with server.serving(internet, client.log.append)(ends):
            barrier.wait(10)
            body = client.get("http://files.example.com/a/file.bin").body
            barrier.wait(10)
        return body, [request.url for request in client.log]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(4)))
    assert found == [(b"%d" % n, ["http://files.example.com/a/file.bin"]) for n in range(4)]


def test_what_is_not_there_is_said_before_the_job_starts(tmp_path: Path) -> None:
    gone = tmp_path / "gone.whl"
    server = InternetServer(Authority(), scratch=tmp_path)
    file = ReleaseFile(name="gone.whl", path=gone, sha256="0" * 64)
    for internet in (
        Internet(downloads=(Download(host="x", path="/", file=gone, sha256="0" * 64),)),
        Internet(releases=(Release(project="gone", version="1", files=(file,)),)),
        Internet(repositories=(Repository(owner="a", name="b", objects=gone, refs=()),)),
    ):
        ends = listeners()
        with pytest.raises(HarnessError, match=r"gone\.whl"), server.serving(internet, print)(ends):
            pytest.fail("entered")
        assert ends.http.fileno() == -1
    assert list(tmp_path.iterdir()) == []


def test_a_failure_of_the_server_is_no_result_of_the_job(tmp_path: Path) -> None:
    stored = download(tmp_path)
    log: list[Request] = []
    with pytest.raises(HarnessError, match=r"https://files\.example\.com/a/file\.bin"):
        ask_for_a_file_that_went(stored, tmp_path, log)
    assert [request.status for request in log] == [500]


def ask_for_a_file_that_went(stored: Download, scratch: Path, log: list[Request]) -> None:
    with online(Internet(downloads=(stored,)), scratch) as client:
        stored.file.unlink()
        reply = client.get("https://files.example.com/a/file.bin")
        log.extend(client.log)
        assert reply.status == 500


def test_an_exception_of_the_job_goes_through(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), online(Internet(), tmp_path):
        raise KeyboardInterrupt
