"""What became of a build's cache, part by part, by what all ecosystems say of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import unquote, urlsplit

from harness.ecosystems import Ecosystem
from harness.ecosystems.reuse import (
    Basis,
    Fate,
    Needs,
    Part,
    PartReuse,
    Reuse,
    Trace,
    fates_by_requests,
)
from harness.internet import Request
from harness.internet.forge_urls import CLONE, is_archive, repository
from harness.scenarios.scenario_file import ReuseExpectation, ReuseParts

_OK: Final = range(200, 300)
_ASKING: Final = ("/", "/info/refs")


def judge_parts(
    ecosystems: Sequence[Ecosystem], cached: Trace, clean: Trace, needs: Needs
) -> tuple[PartReuse, ...]:
    """What became of each part of a cache that was not empty; unknown parts are left out.

    What several ecosystems say of one part is combined. A download is what no ecosystem takes
    for its own: it is from the cache where only the clean build fetched it, unless the two builds
    have different things of some language.

    Args:
        ecosystems: Whoever is asked.
        cached: The build that was given a cache.
        clean: The build of the same commit that had none.
        needs: What tells the parts apart.

    Raises:
        StoreError: What is stored of a build is damaged.
    """
    told = [each.reuse(cached, clean, needs) for each in ecosystems]
    claimed = frozenset[str]().union(*(one.claimed for one in told))
    instead = {part: names for one in told for part, names in one.instead.items()}
    downloads = fates_by_requests(
        _downloads(cached, claimed),
        _downloads(clean, claimed),
        passed=cached.passed and not instead,
    )
    everything = [*(one.fates for one in told), {Part.DOWNLOADS: downloads}]
    fates = {
        part: [fate for one in everything for fate in one.get(part, {}).items()] for part in Part
    }
    return tuple(
        replace(_part(part, things), instead=instead.get(part, ()))
        for part, things in fates.items()
        if things
    )


def whole(parts: Iterable[PartReuse]) -> Reuse:
    """The plain word for a cache that was not empty: reused, where any part was."""
    words = {part.reuse for part in parts}
    return next((word for word in (Reuse.REUSED, Reuse.DISCARDED) if word in words), Reuse.UNKNOWN)


def unmet_reuse(
    wanted: ReuseExpectation | ReuseParts | None, reuse: Reuse, parts: Iterable[PartReuse]
) -> Iterator[str]:
    """What a scenario expects of the cache and did not get, as sentences.

    Args:
        wanted: The word for the whole, or one for each of some parts; None where either is right.
        reuse: What became of the whole.
        parts: What became of its parts.
    """
    if wanted is None:
        return
    if not isinstance(wanted, ReuseParts):
        if reuse not in {Reuse(wanted), Reuse.UNKNOWN}:
            yield f"the cache is {reuse}, and should be {wanted}"
        return
    found = {one.part: one.reuse for one in parts}
    for part in Part:
        word = getattr(wanted, part)
        if word is None:
            continue
        if reuse is Reuse.EMPTY:
            yield f"the cache is empty, and its {part} should be {word}"
        elif found.get(part, Reuse.UNKNOWN) not in {Reuse(word), Reuse.UNKNOWN}:
            yield f"the cache's {part} {_VERBS[part]} {_ENDS[found[part]]}, and should be {word}"


_VERBS = {Part.RUNTIME: "is", Part.TOOLS: "are", Part.PACKAGES: "are", Part.DOWNLOADS: "are"}
_ENDS = {Reuse.REUSED: "reused", Reuse.DISCARDED: "fetched again"}


def _downloads(build: Trace, claimed: frozenset[str]) -> frozenset[str]:
    """The names of what a build fetched that is no ecosystem's."""
    return frozenset(
        filter(None, (_download(one) for one in build.requests if one.url not in claimed))
    )


def _download(request: Request) -> str:
    """What a request brought: a file's name, or a repository's; empty where it only asked."""
    path = unquote(urlsplit(request.url).path)
    name = path.rpartition("/")[2]
    from_repository = repository(path).rpartition("/")[2]
    if request.status not in _OK:
        return ""
    if request.method == "POST":
        return from_repository if path.endswith(CLONE) else ""
    if request.method != "GET" or path.endswith(_ASKING):
        return ""
    return from_repository if is_archive(path) else name


def _part(part: Part, fates: Sequence[tuple[str, Fate]]) -> PartReuse:
    restored, anew, unknown = (
        tuple(name for name, fate in fates if fate.restored is said) for said in (True, False, None)
    )
    word = Reuse.UNKNOWN
    if restored:
        word = Reuse.REUSED
    elif anew and not unknown:
        word = Reuse.DISCARDED
    # What is new says nothing of why the rest is known to be from the cache.
    basis = {fate.basis for _, fate in fates if fate.restored is bool(restored)}
    return PartReuse(
        part=part,
        reuse=word,
        basis=tuple(one for one in Basis if one in basis),
        restored=restored,
        anew=anew,
        unknown=unknown,
    )
