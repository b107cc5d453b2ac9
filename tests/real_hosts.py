"""Hosts that stand in for the real ones: an HTTP proxy on loopback which plays all of them."""

import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request as a real host gets it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_off: bool = False


Page = Say | Callable[[Ask], Say]


@dataclass(slots=True, kw_only=True)
class Hosts:
    """What they say by URL, and what they were asked."""

    port: int
    bundle: Path
    pages: dict[str, Page]
    repositories: dict[str, Path]
    log: list[Ask] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        """The variables of an operator who reaches them."""
        proxy = f"http://127.0.0.1:{self.port}"
        return {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "SSL_CERT_FILE": str(self.bundle)}

    @property
    def urls(self) -> list[str]:
        return [ask.url for ask in self.log]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hosts: Hosts, authority: trustme.CA) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hosts = hosts
        self._authority = authority
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}

    def context(self, host: str) -> ssl.SSLContext:
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(host).configure_cert(self._contexts[host])
            return self._contexts[host]

    def handle_error(self, *_: object) -> None:
        pass  # a client that went away


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    prefix = ""

    def log_message(self, *_: object) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        host, _, port = self.path.rpartition(":")
        self.connection = self.server.context(host).wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.prefix = f"https://{host}" if port == "443" else f"https://{host}:{port}"
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.close()

    def answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        ask = Ask(
            method=self.command,
            url=self.prefix + self.path,
            headers=headers,
            body=self.rfile.read(int(headers.get("content-length", 0))),
        )
        self.server.hosts.log.append(ask)
        say = _respond(self.server.hosts, ask)
        self.send_response(say.status)
        for name, value in {"content-length": str(len(say.body)), **say.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(say.body)
        if say.cut_off:
            self.close_connection = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)


@contextmanager
def real_hosts(
    folder: Path, pages: dict[str, Page], repositories: dict[str, Path] | None = None
) -> Iterator[Hosts]:
    """Plays hosts; every name has a certificate that `bundle` trusts.

    Args:
        folder: For the bundle.
        pages: Answers by URL; without its query where there is no page for the whole.
        repositories: Bare repositories by the URL below which git finds them.
    """
    authority = trustme.CA()
    bundle = folder / "real-hosts.pem"
    authority.cert_pem.write_to_path(str(bundle))
    hosts = Hosts(port=0, bundle=bundle, pages=pages, repositories=repositories or {})
    with _Server(hosts, authority) as server:
        hosts.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield hosts
        finally:
            server.shutdown()
            thread.join()


def _respond(hosts: Hosts, ask: Ask) -> Say:
    for base, bare in hosts.repositories.items():
        if ask.url.startswith(f"{base}/"):
            return _git(bare, ask.url.removeprefix(base), ask)
    page = hosts.pages.get(ask.url) or hosts.pages.get(ask.url.partition("?")[0])
    if page is None:
        return Say(status=404, body=b"no such page")
    return page if isinstance(page, Say) else page(ask)


def _git(bare: Path, target: str, ask: Ask) -> Say:
    path, _, query = target.partition("?")
    env = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(bare),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_CONFIG_KEY_1": "uploadpack.allowAnySHA1InWant",
        "GIT_CONFIG_VALUE_1": "true",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": ask.method,
        "CONTENT_TYPE": ask.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(ask.body)),
        "HTTP_CONTENT_ENCODING": ask.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": ask.headers.get("git-protocol", ""),
        "REMOTE_ADDR": "127.0.0.1",
    }
    done = subprocess.run(
        ["git", "http-backend"], env=env, input=ask.body, capture_output=True, check=True
    )
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    status = int(headers.pop("Status", "200").split()[0])
    return Say(status=status, headers=headers, body=body)
