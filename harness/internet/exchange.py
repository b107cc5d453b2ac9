"""What a build asks beyond its scenario, what of it selects an answer, and the answer."""

import gzip
import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.internet.redaction import redact

GIT_REQUEST = "application/x-git-upload-pack-request"
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?")
_OWN = "localhost"
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
# git and its version, and a number that it makes up: neither has a say in what is answered.
_AGENT = re.compile(rb" ?(?:agent|session-id)=[^ \0\n]*")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Asked:
    """All that selects a recorded answer; nothing in it is secret.

    Attributes:
        url: Redacted.
        method: GET or POST; HEAD is answered from what GET is.
        accept: Which of a package index's formats was negotiated; empty where none was.
        git_protocol: The version of git's protocol that was asked for.
        body: sha256, in hex, of what was posted; empty for GET.
        credentials: Whether credentials were sent.
    """

    url: str
    method: str
    accept: str = ""
    git_protocol: str = ""
    body: str = ""
    credentials: bool = False

    @property
    def host(self) -> str:
        """The host that was asked, with its port where that is unusual."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a real host answered; its body is kept by its sha256."""

    status: int
    headers: tuple[tuple[str, str], ...]
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An answer whose body is still coming: what it begins with, its size, and where it grows."""

    headers: tuple[tuple[str, str], ...]
    size: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request as it came, secrets and all: to be asked on, never to be written.

    Attributes:
        asked: What of it selects an answer.
        url: The URL.
        headers: The headers, names in lower case.
        body: What was posted, decoded.
    """

    asked: Asked
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


def question(
    method: str,
    url: str,
    headers: Iterable[tuple[str, str]],
    body: bytes = b"",
    *,
    negotiated: Callable[[str], str],
) -> Question | None:
    """Makes a question of a request; None where it is none that a real host is ever asked.

    Only reading is asked for, and only by a public host's name. Addresses and local names never
    lead a client to the sealed internet's server: what names one was not sent by an honest client.

    Args:
        method: The request's.
        url: The URL as it was asked for.
        headers: The request's headers.
        body: What was posted.
        negotiated: Gives what of an Accept header selects the format of a package index's page.
    """
    sent = tuple((name.lower(), value) for name, value in headers)
    named = dict(sent)
    if method not in {"GET", "HEAD", "POST"} or "git-receive-pack" in url:
        return None
    url = normalised(url)
    try:
        host = urlsplit(url).hostname or ""
        body = _plain(body, named.get("content-encoding", ""))
    except ValueError:
        return None
    if not _HOST.fullmatch(host) or host.split(".")[-1] == _OWN:
        return None
    asked = Asked(
        url=redact(url),
        method="POST" if method == "POST" else "GET",
        accept=negotiated(named.get("accept", "")),
        git_protocol=named.get("git-protocol", ""),
        body=_digest(body, named.get("content-type", "")) if method == "POST" else "",
        credentials="authorization" in named,
    )
    return Question(asked=asked, url=url, headers=sent, body=body if method == "POST" else b"")


def normalised(url: str) -> str:
    """A URL whose scheme and host are in lower case, without the port that is its scheme's own."""
    scheme, colon, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    host = host.lower().removesuffix(_DEFAULT_PORTS.get(scheme.lower(), ":"))
    return f"{scheme.lower()}{colon}{host}{slash}{path}"


def _plain(body: bytes, encoding: str) -> bytes:
    """A body as it was before its client packed it.

    Raises:
        ValueError: It is packed in another way, or damaged.
    """
    if encoding.lower() in {"", "identity"}:
        return body
    if encoding.lower() not in {"gzip", "x-gzip"}:
        raise ValueError(encoding)
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(str(error)) from error


def _digest(body: bytes, content_type: str) -> str:
    if content_type == GIT_REQUEST:
        with suppress(ValueError):  # not what it says it is: it counts as it came
            body = b"".join(_without_agent(body))
    return hashlib.sha256(body).hexdigest()


def _without_agent(body: bytes) -> Iterator[bytes]:
    """The lines of a git request (gitprotocol-common, pkt-line), without what names the client.

    An image whose git is another one asks the same, and should be answered the same.
    """
    at = 0
    while at < len(body):
        length = int(body[at : at + 4], 16)
        end = at + max(length, 4)
        line = body[at + 4 : end]
        if end > len(body) or len(line) != max(length, 4) - 4:
            raise ValueError("a line is cut off")
        kept = _AGENT.sub(b"", line)
        if kept.strip() or not line:
            yield b"%d:%b," % (length if not line else len(kept), kept)
        at = end
