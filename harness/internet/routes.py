"""Which real URL stands behind one that a build asks for."""

import html
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urldefrag, urljoin, urlsplit

from harness.errors import TapeError
from harness.internet.exchange import normalised
from harness.internet.redaction import REDACTED, redact

_HREF = re.compile(r"""href\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_METADATA = ".metadata"


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexes:
    """The package index that clients ask unless told, and the one that the operator asks instead.

    Both end in a slash; they are one where the operator has no other.
    """

    default: str
    own: str


class Routes:
    """Real URLs by what builds are shown in their place; safe to use from several threads.

    A build is shown URLs without their secrets, and the default package index in place of the
    operator's own: what it keeps, and what is kept of it, then holds neither.
    """

    def __init__(self, indexes: Callable[[], Indexes | None]) -> None:
        """Args: what tells the package indexes; it is called at most once, when it is needed."""
        self._find = indexes
        self._lock = threading.Lock()
        self._real: dict[str, str] = {}

    @cached_property
    def _indexes(self) -> Indexes | None:
        found = self._find()
        return None if found is None or found.default == found.own else found

    def real(self, url: str) -> str:
        """The URL to ask for one that a build asked for.

        Raises:
            TapeError: It has a secret that only the answer which linked it had.
        """
        with self._lock:
            learned = self._real.get(url)
            if learned is None and url.endswith(_METADATA):  # PEP 658: beside the file, by its name
                beside = self._real.get(url.removesuffix(_METADATA))
                learned = f"{beside}{_METADATA}" if beside else None
            found = self._authorised(learned or self._by_path(url))
        if f"={REDACTED}" in found or f"{REDACTED}@" in found:
            raise TapeError(
                "its secrets were left out when what links to it was recorded",
                hint="record the whole tape again, with --anew",
            )
        return found

    def _by_path(self, url: str) -> str:
        indexes = self._indexes
        if indexes is None:
            return url
        if url.startswith(indexes.default):
            return indexes.own + url.removeprefix(indexes.default)
        beside = urljoin(indexes.default, "..")
        if url.startswith(beside):
            return urljoin(indexes.own, "..") + url.removeprefix(beside)
        return url

    def _authorised(self, url: str) -> str:
        """What is asked of the operator's own index is asked with what its URL says."""
        own = self._indexes.own if self._indexes else ""
        userinfo, at, _ = urlsplit(own).netloc.rpartition("@")
        if not at or "@" in urlsplit(url).netloc or not same_host(url, own):
            return url
        scheme, _, rest = url.partition("://")
        return f"{scheme}://{userinfo}@{rest}"

    def shown(self, asked: str, real: str, location: str) -> str:
        """A redirect's target as a build is shown it.

        Args:
            asked: The URL that was redirected, as it is shown.
            real: The same, as it was asked for.
            location: The target as it came.
        """
        target, indexes = urljoin(real, location), self._indexes
        if indexes is not None and self._authorised(target).startswith(indexes.own):
            return indexes.default + self._authorised(target).removeprefix(indexes.own)
        self._learn(urljoin(asked, redact(location)), target)
        return redact(location)

    def learn_links(self, asked: str, real: str, page: str) -> None:
        """Takes note of where the links of an index's page lead.

        Args:
            asked: The page's URL, as it is shown.
            real: The same, as it was asked for.
            page: The page as it came, HTML or JSON.
        """
        for link in _links(page):
            self._learn(urljoin(asked, redact(link)), urljoin(real, link))

    def _learn(self, shown: str, real: str) -> None:
        shown, real = normalised(urldefrag(shown).url), urldefrag(real).url
        if shown != real:
            with self._lock:
                self._real[shown] = real


def same_host(one: str, other: str) -> bool:
    """Whether two URLs lead to one host, so that what was meant for it may be sent there."""
    return _place(one) == _place(other)


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()


def _links(page: str) -> Iterator[str]:
    if not page.lstrip().startswith("{"):
        yield from (html.unescape(double or single) for double, single in _HREF.findall(page))
        return
    try:
        files = json.loads(page).get("files", [])
        yield from (str(file["url"]) for file in files)
    except (ValueError, TypeError, KeyError, AttributeError):
        return
