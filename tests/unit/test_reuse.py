"""What became of a cache, told by the requests of two builds."""

from harness.internet import Request
from harness.reuse import observed_reuse
from harness.verdict import Reuse


def get(url: str, *, method: str = "GET", status: int = 200) -> Request:
    return Request(method=method, url=url, status=status)


RUNTIME, FORK = get("https://runtimes/python"), get("https://forge/fork.git", method="POST")


def observed(cached: list[Request], clean: list[Request], *, empty: bool = False) -> Reuse:
    return observed_reuse(cache_was_empty=empty, cached=cached, clean=clean)


def test_a_build_that_did_without_a_fetch_used_its_cache():
    assert observed([FORK], [RUNTIME, FORK]) is Reuse.REUSED
    assert observed([RUNTIME], [RUNTIME, FORK]) is Reuse.REUSED
    assert observed([], [RUNTIME]) is Reuse.REUSED


def test_a_build_that_fetched_all_discarded_its_cache():
    assert observed([RUNTIME, FORK], [FORK, RUNTIME]) is Reuse.DISCARDED


def test_fetching_more_than_a_clean_build_is_no_reuse():
    assert observed([RUNTIME, FORK], [RUNTIME]) is Reuse.DISCARDED


def test_an_empty_cache_cannot_be_used():
    assert observed([], [RUNTIME], empty=True) is Reuse.EMPTY


def test_where_a_clean_build_fetches_nothing_nothing_is_known():
    assert observed([RUNTIME], []) is Reuse.UNKNOWN


def test_asking_is_not_fetching():
    head = get(RUNTIME.url, method="HEAD")
    missing = get(RUNTIME.url, status=404)
    assert observed([head], [RUNTIME]) is Reuse.REUSED
    assert observed([missing], [RUNTIME]) is Reuse.REUSED
    assert observed([], [head, missing]) is Reuse.UNKNOWN
