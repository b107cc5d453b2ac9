"""What a scenario says of why a cache was dropped and of what came from it."""

from typing import Any

import pytest

from harness.ecosystems.reuse import Part, PartReuse, Reuse
from harness.scenarios.expectation import (
    AnewExpectation,
    CacheExpectation,
    ReasonsExpectation,
    ReusedExpectation,
)
from harness.verdicts.cache_expectations import CacheUse, cache_lacks
from harness.verdicts.lack import Lack

REASONS = ("The stack has changed from a-1 to a-2", "The pipenv version has changed")
PARTS = (
    PartReuse(
        part=Part.RUNTIME,
        reuse=Reuse.REUSED,
        restored=("python-3.11.2-linux.tar.zst",),
    ),
    PartReuse(
        part=Part.TOOLS, reuse=Reuse.REUSED, restored=("pip",), anew=("setuptools",),
        unknown=("wheel",),
    ),
    PartReuse(
        part=Part.PACKAGES, reuse=Reuse.DISCARDED, anew=("zope-interface", "pip-tools\udcff"),
    ),
)  # fmt: skip


def lacks(expected: CacheExpectation, **rest: Any) -> list[Lack]:
    return list(
        cache_lacks(
            expected,
            CacheUse(**{"reuse": Reuse.REUSED, "reasons": REASONS, "parts": PARTS, **rest}),
        )
    )


@pytest.mark.parametrize(
    "expected",
    [
        ReasonsExpectation(reasons=("stack",)),
        ReasonsExpectation(reasons=("a-2", "PIPENV version")),
        ReusedExpectation(reused=("python",)),
        ReusedExpectation(reused=("python-3.11.2-linux.tar.zst", "pip")),
        AnewExpectation(anew=("setuptools", "Zope.Interface")),
    ],
)
def test_met(expected: CacheExpectation) -> None:
    assert lacks(expected) == []


def test_a_python_that_is_known_by_its_version_alone_goes_by_its_word() -> None:
    python = PartReuse(part=Part.RUNTIME, reuse=Reuse.REUSED, restored=("python3.9",))
    assert lacks(ReusedExpectation(reused=("python",)), parts=(python,)) == []
    assert lacks(ReusedExpectation(reused=("pytho",)), parts=(python,))


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        (
            ReasonsExpectation(reasons=("stack", "pip")),
            [Lack(said="no reason for dropping the cache has 'pip'", instead=REASONS)],
        ),
        (
            ReasonsExpectation(reasons=()),
            [
                Lack(
                    said="a reason is given for dropping the cache, and none should be",
                    instead=REASONS,
                )
            ],
        ),
        (
            ReusedExpectation(reused=("pip", "setuptools", "wheel")),
            [
                Lack(
                    said="`setuptools` does not come from the cache",
                    instead=("`setuptools` was fetched or made again",),
                ),
                Lack(
                    said="`wheel` does not come from the cache",
                    instead=("nothing tells whether `wheel` comes from the cache",),
                ),
            ],
        ),
        (
            AnewExpectation(anew=("python", "wheel")),
            [
                Lack(
                    said="`python` is not fetched or made again",
                    instead=("`python` comes from the cache",),
                ),
                Lack(
                    said="`wheel` is not fetched or made again",
                    instead=("nothing tells whether `wheel` comes from the cache",),
                ),
            ],
        ),
        # A tool is not called after the beginning of its name.
        (
            AnewExpectation(anew=("zope",)),
            [
                Lack(
                    said="`zope` is not fetched or made again",
                    instead=(
                        "nothing is called `zope`",
                        "runtime, from the cache: python-3.11.2-linux.tar.zst",
                        "tools, from the cache: pip",
                        "tools, fetched or made again: setuptools",
                        "tools, unknown: wheel",
                        "packages, fetched or made again: zope-interface, pip-tools\\xff",
                    ),
                )
            ],
        ),
    ],
)
def test_not_met(expected: CacheExpectation, told: list[Lack]) -> None:
    assert lacks(expected) == told


def test_no_reason_at_all() -> None:
    assert lacks(ReasonsExpectation(reasons=()), reasons=()) == []
    (lack,) = lacks(ReasonsExpectation(reasons=("stack",)), reasons=())
    assert lack.instead == ("no reason is given",)


def test_of_an_empty_cache_nothing_was_reused_and_nothing_is_said_of_what_is_new() -> None:
    for expected in (ReusedExpectation(reused=("pip",)), AnewExpectation(anew=("pip",))):
        (lack,) = lacks(expected, parts=(), reuse=Reuse.EMPTY)
        assert lack.instead == ("the cache was empty",)
        (lack,) = lacks(expected, parts=(), reuse=Reuse.UNKNOWN)
        assert lack.instead == (
            "nothing is called `pip`",
            "nothing is known of what became of the cache",
        )


def test_what_is_both_from_the_cache_and_new_is_neither() -> None:
    two = (PartReuse(part=Part.RUNTIME, reuse=Reuse.REUSED, restored=("py-1",), anew=("py-2",)),)
    for expected in (ReusedExpectation(reused=("py",)), AnewExpectation(anew=("py",))):
        (lack,) = lacks(expected, parts=two)
        assert lack.instead == (
            "`py` comes from the cache",
            "`py` was fetched or made again",
        )


def test_names_are_bounded() -> None:
    many = (PartReuse(part=Part.PACKAGES, reuse=Reuse.REUSED, restored=("x",) * 25),)
    (lack,) = lacks(ReusedExpectation(reused=("y",)), parts=many)
    assert lack.instead[-1].endswith("x and 5 more")
