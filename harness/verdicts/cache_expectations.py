"""Checks what a scenario says of why a cache was dropped, and of what was taken from it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from harness.ecosystems.reuse import Part, PartReuse, Reuse
from harness.scenarios.expectation import CacheExpectation, ReasonsExpectation, ReusedExpectation
from harness.trees.manifest import escape
from harness.verdicts.lack import Lack

_MOST_NAMES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUse:
    """What became of the cache that a build was given.

    Attributes:
        reuse: What became of the whole.
        reasons: What the buildpack said of why it drops it.
        parts: What became of its parts; none where the cache was empty.
    """

    reuse: Reuse
    reasons: tuple[str, ...]
    parts: tuple[PartReuse, ...]


def cache_lacks(expected: CacheExpectation, use: CacheUse) -> Iterator[Lack]:
    """What a cached build lacks of what is expected of it.

    Args:
        expected: Why the cache must be dropped, or what must come from it or must not.
        use: What became of the cache.
    """
    if isinstance(expected, ReasonsExpectation):
        yield from _reason_lacks(expected.reasons, use.reasons)
    elif isinstance(expected, ReusedExpectation):
        for name in expected.reused:
            if _fates(name, use.parts) != {"reused"}:
                said = f"`{name}` does not come from the cache"
                yield Lack(said=said, instead=tuple(_instead(name, use)))
    else:
        for name in expected.anew:
            if _fates(name, use.parts) != {"anew"}:
                said = f"`{name}` is not fetched or made again"
                yield Lack(said=said, instead=tuple(_instead(name, use)))


def _reason_lacks(wanted: Sequence[str], reasons: tuple[str, ...]) -> Iterator[Lack]:
    if not wanted and reasons:
        said = "a reason is given for dropping the cache, and none should be"
        yield Lack(said=said, instead=reasons)
    for words in wanted:
        # As whole words: one name is often the beginning of another.
        pattern = rf"(?<!\w){re.escape(words)}(?!\w)"
        if not any(re.search(pattern, reason, re.IGNORECASE) for reason in reasons):
            said = f"no reason for dropping the cache has {words!r}"
            yield Lack(said=said, instead=reasons or ("no reason is given",))


def _fates(name: str, parts: Sequence[PartReuse]) -> set[str]:
    """What became of all that a name stands for; empty where nothing is called so."""
    found: set[str] = set()
    for part in parts:
        fates = {"reused": part.restored, "anew": part.anew, "unknown": part.unknown}
        found |= {
            fate
            for fate, things in fates.items()
            if any(_is_called(name, thing, part.part) for thing in things)
        }
    return found


def _is_called(name: str, thing: str, part: Part) -> bool:
    """Whether a thing goes by a name: letter case, dots and dashes do not count.

    A runtime goes by the word with which its name, or its file's, begins, too.
    """
    wanted, own = _normal(name), _normal(thing)
    is_runtime = part is Part.RUNTIME and own.startswith(wanted)
    return own == wanted or (is_runtime and not own[len(wanted)].isalpha())


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _instead(name: str, use: CacheUse) -> Iterator[str]:
    """What became of a thing, or of those that there are."""
    if use.reuse is Reuse.EMPTY:
        yield "the cache was empty"
        return
    told = {
        "reused": f"`{name}` comes from the cache",
        "anew": f"`{name}` was fetched or made again",
        "unknown": f"nothing tells whether `{name}` comes from the cache",
    }
    fates = _fates(name, use.parts)
    if fates:
        yield from (sentence for fate, sentence in told.items() if fate in fates)
        return
    yield f"nothing is called `{name}`"
    for part in use.parts:
        for word, things in (
            ("from the cache", part.restored),
            ("fetched or made again", part.anew),
            ("unknown", part.unknown),
        ):
            if things:
                more = f" and {len(things) - _MOST_NAMES} more" if things[_MOST_NAMES:] else ""
                names = ", ".join(map(escape, things[:_MOST_NAMES]))
                yield f"{part.part}, {word}: {names}{more}"
    if not use.parts:
        yield "nothing is known of what became of the cache"
