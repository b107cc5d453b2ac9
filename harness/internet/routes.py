"""Which real URL stands behind one that a build asks for."""

import threading
from collections.abc import Sequence
from functools import cached_property
from urllib.parse import urldefrag, urljoin, urlsplit

from harness.errors import TapeError
from harness.internet.exchange import Asked, normalised
from harness.internet.package_index import IndexUrls, PackageIndex
from harness.internet.redaction import REDACTED, redact


class Routes:
    """Real URLs by what builds are shown in their place; safe to use from several threads.

    A build is shown URLs without their secrets, and each ecosystem's default package index in place
    of the operator's own: what it keeps, and what is kept of it, then holds neither.
    """

    def __init__(self, indexes: Sequence[PackageIndex] = ()) -> None:
        """Args: the package indexes; each is asked for its URLs at most once, when needed."""
        self._indexes = tuple(indexes)
        self._lock = threading.Lock()
        self._real: dict[str, str] = {}

    @cached_property
    def _mirrored(self) -> tuple[IndexUrls, ...]:
        """Those for which the operator has another one."""
        found = (index.urls() for index in self._indexes)
        return tuple(urls for urls in found if urls is not None and urls.default != urls.own)

    def real(self, url: str) -> str:
        """The URL to ask for one that a build asked for.

        Raises:
            TapeError: It has a secret that only the answer which linked it had.
        """
        with self._lock:
            learned = self._real.get(url)
            found = self._authorised(learned or self._beside(url) or self._by_path(url))
        if f"={REDACTED}" in found or f"{REDACTED}@" in found:
            raise TapeError(
                "its secrets were left out when what links to it was recorded",
                hint="record the whole tape again, with --anew",
            )
        return found

    def _beside(self, url: str) -> str:
        """The URL of the companion of a file whose real URL is known; empty where it is none."""
        for suffix in filter(None, (index.companion for index in self._indexes)):
            file = self._real.get(url.removesuffix(suffix)) if url.endswith(suffix) else None
            if file:
                return f"{file}{suffix}"
        return ""

    def _by_path(self, url: str) -> str:
        for urls in self._mirrored:
            if url.startswith(urls.default):
                return urls.own + url.removeprefix(urls.default)
            beside = urljoin(urls.default, "..")
            if url.startswith(beside):
                return urljoin(urls.own, "..") + url.removeprefix(beside)
        return url

    def _authorised(self, url: str) -> str:
        """What is asked of an operator's own index is asked with what its URL says."""
        for urls in self._mirrored:
            userinfo, at, _ = urlsplit(urls.own).netloc.rpartition("@")
            if at and "@" not in urlsplit(url).netloc and same_host(url, urls.own):
                scheme, _, rest = url.partition("://")
                return f"{scheme}://{userinfo}@{rest}"
        return url

    def shown(self, asked: str, real: str, location: str) -> str:
        """A redirect's target as a build is shown it.

        Args:
            asked: The URL that was redirected, as it is shown.
            real: The same, as it was asked for.
            location: The target as it came.
        """
        target = urljoin(real, location)
        authorised = self._authorised(target)
        for urls in self._mirrored:
            if authorised.startswith(urls.own):
                return urls.default + authorised.removeprefix(urls.own)
        self._learn(urljoin(asked, redact(location)), target)
        return redact(location)

    def is_page(self, asked: Asked, content_type: str) -> bool:
        """Whether a successful answer is a page of a package index's, whose links are rewritten."""
        return self._index_of(asked, content_type) is not None

    def learn_links(self, asked: Asked, content_type: str, real: str, page: str) -> None:
        """Takes note of where the links of an index's page lead.

        Args:
            asked: What it was asked for by, its URL as it is shown.
            content_type: The page's.
            real: Its URL, as it was asked for.
            page: The page as it came.
        """
        index = self._index_of(asked, content_type)
        for link in index.links(page) if index else ():
            self._learn(urljoin(asked.url, redact(link)), urljoin(real, link))

    def _index_of(self, asked: Asked, content_type: str) -> PackageIndex | None:
        for index in self._indexes:
            if index.is_page(asked.url, negotiated=asked.accept, content_type=content_type):
                return index
        return None

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
