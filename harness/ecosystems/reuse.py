"""What became of a cache, in words that hold for every language."""

from dataclasses import dataclass
from enum import StrEnum


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
        unknown: Of what nothing tells.
    """

    part: Part
    reuse: Reuse
    basis: tuple[Basis, ...] = ()
    restored: tuple[str, ...] = ()
    anew: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
