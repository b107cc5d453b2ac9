"""What became of a cache, in words that hold for every language."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum

from harness.ecosystems.route import Route
from harness.internet import Request


class Reuse(StrEnum):
    """What became of the cache that a build was given."""

    REUSED = "reused"
    DISCARDED = "discarded"
    EMPTY = "empty"
    UNKNOWN = "unknown"


class Part(StrEnum):
    """A part of an installation that a cache may keep or not keep."""

    RUNTIME = "runtime"
    TOOLS = "tools"
    PACKAGES = "packages"
    DOWNLOADS = "downloads"


class Basis(StrEnum):
    """What tells whether something came from a cache.

    What was fetched; times of its metadata; what installers said; or that a clean build has it not.
    """

    REQUESTS = "requests"
    TIMES = "times"
    LOG = "log"
    TREE = "tree"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReuse:
    """What became of one part of a cache.

    Attributes:
        part: The language's runtime; what only serves to install; packages; or other downloads.
        reuse: Reused where anything of it was taken from the cache.
        basis: What that rests on.
        restored: What was taken from the cache: normalised names of packages, else file names.
        anew: What was fetched, or built and installed, in this build.
        unknown: Those of which nothing is known.
        instead: What the clean build has in place of these, where that is another thing.
    """

    part: Part
    reuse: Reuse
    basis: tuple[Basis, ...] = ()
    restored: tuple[str, ...] = ()
    anew: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What one build left by which to judge what it took from its cache.

    Attributes:
        passed: Whether it came to its end.
        requests: What it asked the sealed internet for.
        installed: What ecosystems described of its trees: by the ecosystem's name, then by the
            tree's. An ecosystem that found nothing in a tree has no text for it.
        log: Its whole output.
    """

    passed: bool = True
    requests: tuple[Request, ...] = ()
    installed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What tells the parts of an installation apart.

    Attributes:
        routes: What buildpacks of the kind download.
        tools: Normalised names of the projects that only serve to install others.
    """

    routes: tuple[Route, ...] = ()
    tools: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of one thing that a cache may keep: a runtime, a package, a download.

    Attributes:
        restored: Whether it was taken from the cache; None where nothing settles it.
        basis: What tells it.
    """

    restored: bool | None
    basis: Basis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reused:
    """What one ecosystem says of a cache.

    Attributes:
        fates: What became of each thing, by part, then by name. A part of which nothing is known is
            left out. What is not the ecosystem's own is none of its downloads.
        claimed: The URLs, of all that the two builds asked for, that are the ecosystem's: what was
            fetched of it, and pages that bring nothing. Whatever nobody claims is a download.
        instead: What the clean build has in place of the cached build's, by part, where the two
            have different ones. Then each may need what the other does not: that only the clean
            build fetched something is no sign that the cached one had it.
    """

    fates: Mapping[Part, Mapping[str, Fate]] = field(default_factory=dict)
    claimed: frozenset[str] = frozenset()
    instead: Mapping[Part, tuple[str, ...]] = field(default_factory=dict)


def fates_by_requests(
    cached: AbstractSet[str], clean: AbstractSet[str], *, passed: bool
) -> dict[str, Fate]:
    """What became of things of which only requests tell.

    Args:
        cached: The names of what the cached build fetched.
        clean: The names of what the clean build fetched.
        passed: Whether the cached build did, and needs the same: then it had what it did not fetch.
    """
    fates = {name: Fate(restored=False, basis=Basis.REQUESTS) for name in sorted(cached)}
    if passed:
        had = sorted(clean - cached)
        fates |= {name: Fate(restored=True, basis=Basis.REQUESTS) for name in had}
    return fates
