"""A client's side of the sealed internet on this machine's loopback."""

import http.client
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.ecosystems.python.index.package_index import PythonIndex
from harness.internet import Internet, Request
from harness.internet.package_index import PackageIndex
from harness.internet.server import InternetServer
from harness.internet.tape import FallbackResponder
from harness.internet.trust import Authority
from harness.sandboxes import Listeners


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(slots=True, kw_only=True)
class Client:
    """Asks as a build would, but that names are not looked up."""

    authority: Authority
    dns: tuple[str, int]
    http: tuple[str, int]
    https: tuple[str, int]
    log: list[Request] = field(default_factory=list)

    def get(
        self, url: str, *, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Reply:
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        with self.connect(scheme, host) as stream:
            connection = http.client.HTTPConnection(host)
            connection.sock = stream
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, slash + path, body=body, headers={"Host": host, **named})
            response = connection.getresponse()
            reply = Reply(
                status=response.status,
                headers={name.lower(): value for name, value in response.getheaders()},
                body=response.read(),
            )
            connection.close()
        return reply

    def connect(self, scheme: str, host: str) -> socket.socket:
        if scheme == "http":
            return socket.create_connection(self.http, timeout=10)
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        plain = socket.create_connection(self.https, timeout=10)
        return context.wrap_socket(plain, server_hostname=host)


def listeners() -> Listeners:
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.bind(("127.0.0.1", 0))
    return Listeners(
        dns=dns,
        http=socket.create_server(("127.0.0.1", 0)),
        https=socket.create_server(("127.0.0.1", 0)),
    )


@contextmanager
def online(
    internet: Internet,
    scratch: Path,
    *,
    beyond: FallbackResponder | None = None,
    indexes: Sequence[PackageIndex] = (PythonIndex(),),
) -> Iterator[Client]:
    """Serves an internet; fails where the server keeps its sockets or files."""
    authority = Authority()
    server = InternetServer(authority, scratch=scratch, indexes=indexes, beyond=beyond)
    ends = listeners()
    client = Client(
        authority=authority,
        dns=ends.dns.getsockname(),
        http=ends.http.getsockname(),
        https=ends.https.getsockname(),
    )
    before = set(scratch.iterdir())
    with server.serving(internet, client.log.append)(ends):
        yield client
    assert {ends.dns.fileno(), ends.http.fileno(), ends.https.fileno()} == {-1}
    assert set(scratch.iterdir()) == before
