"""What the sealed internet has to know of an ecosystem's package index, as an interface."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from starlette.datastructures import Headers
from starlette.responses import Response

from harness.internet import Internet


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A GET or HEAD.

    Attributes:
        host: The host that was asked, without its port.
        path: The decoded path.
        url: The URL as the client asked, without secrets, for the line of a refusal.
        headers: The request's.
    """

    host: str
    path: str
    url: str
    headers: Headers


Responder = Callable[[Read], Response | None]
"""Answers what is asked of one internet's index; None where it asks for something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexUrls:
    """The index that clients ask unless configured, and the one that the operator asks instead.

    Both end in a slash; they are the same where the operator has no other.
    """

    default: str
    own: str


class PackageIndex(Protocol):
    """An ecosystem's package index; safe to use from several threads.

    In the sealed internet it answers by path, whatever the host. On a tape its pages are known
    apart from other answers: what they link is asked for where it really is.
    """

    companion: str
    """What the URL of a file's companion ends in, beside the file's own; empty for none."""

    def urls(self) -> IndexUrls | None:
        """Where the index is asked for; None where that is unknown, and none can stand for it."""
        ...

    def responder(self, internet: Internet) -> Responder:
        """What answers for the releases of an internet."""
        ...

    def negotiated(self, accept: str) -> str:
        """What of an Accept header selects a page's format; empty where none is negotiated."""
        ...

    def is_page(self, url: str, *, negotiated: str, content_type: str) -> bool:
        """Whether a successful answer is one of the index's pages, whose links are rewritten."""
        ...

    def links(self, page: str) -> Iterable[str]:
        """The URLs that a page links, relative ones as they stand there."""
        ...
