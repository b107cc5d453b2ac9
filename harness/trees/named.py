"""The trees that a build leaves, by name: what is deployed of it, and what the next build gets."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from harness.trees.manifest import HERE

APP: Final = "app"
"""The tree that holds the app as it is deployed. Every kind of buildpack leaves one of this name;
a path for which no tree is named is in it."""


class AfterFailure(StrEnum):
    """What the next build gets of a cache after a build that failed."""

    AS_LEFT = "as-left"
    """What the failed build left."""
    AS_BEFORE = "as-before"
    """What the failed build was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultTree:
    """A folder that a build leaves, and of which all or a part is deployed.

    Attributes:
        name: What reports, known lists and expectations call it.
        path: Where it is inside the sandbox.
        roots: Globs of what is deployed, relative to it: it is compared. `.` is all of it.
        not_deployed: Globs of what is not deployed though it lies below a root.
    """

    name: str = APP
    path: str
    roots: tuple[str, ...] = (HERE,)
    not_deployed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTree:
    """A folder that crosses from one build to the next.

    Attributes:
        name: What tells it from others of the same build.
        path: Where it is inside the sandbox.
        after_failure: What crosses where the build failed.
    """

    name: str
    path: str
    after_failure: AfterFailure = AfterFailure.AS_LEFT


def shown(tree: str, path: str) -> str:
    """A path as people read and write it: with the tree's name, unless that is the app's.

    Args:
        tree: The tree's name; empty for what has no path.
        path: The path, relative to the tree.
    """
    return path if tree in {"", APP} else f"{tree}: {path}"
