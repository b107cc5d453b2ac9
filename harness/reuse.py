"""What became of a build's cache, told by what the build still had to fetch."""

from collections.abc import Iterable

from harness.internet import Request
from harness.verdict import Reuse

_FETCHES = ("GET", "POST")
_OK = range(200, 300)


def observed_reuse(
    *, cache_was_empty: bool, cached: Iterable[Request], clean: Iterable[Request]
) -> Reuse:
    """Judges reuse by the sealed internet's own record; a buildpack's log may say otherwise.

    A clean build shows all that the commit needs fetched. A cached build that did without some of
    it took it from its cache; one that fetched it all discarded what it had.

    Args:
        cache_was_empty: Whether the cached build was given nothing.
        cached: What the cached build asked for.
        clean: What the clean build of the same commit asked for.
    """
    if cache_was_empty:
        return Reuse.EMPTY
    needed = _fetched(clean)
    if not needed:
        return Reuse.UNKNOWN
    return Reuse.REUSED if needed - _fetched(cached) else Reuse.DISCARDED


def _fetched(requests: Iterable[Request]) -> frozenset[str]:
    return frozenset(
        request.url for request in requests if request.method in _FETCHES and request.status in _OK
    )
