"""Languages: what is installed in a tree, who owns a path, which differences do not matter.

Every installed ecosystem is asked about every build, and answers nothing where nothing is its own.
So a tree that holds two languages is judged by both. A file is explained by its content alone,
wherever it lies and whether or not anything is known to be installed; who owns a path, what is
found and what became of packages rests on what an ecosystem described of the tree.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.ecosystems.reuse import Needs, Reused, Trace
from harness.trees.explainer import Explainer
from harness.trees.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltTree:
    """A tree that a build left, as an ecosystem may look at it: as data, nothing in it is run.

    Attributes:
        manifest: What it holds.
        began: When the build began, in seconds since the epoch: what is older was there before it.
        read: Gives the beginning of a regular file by its path in the manifest, at most so many
            bytes; raises `ManifestError` where it is no longer as the manifest says.
        times: Gives when regular files were modified, in seconds since the epoch, by their paths;
            raises the same.
    """

    manifest: Manifest
    began: float
    read: Callable[[str, int], bytes]
    times: Callable[[Iterable[str]], Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The package that owns a path.

    Attributes:
        label: Its name and version, as `name version`.
        by: The path by which it does: the path itself, or the folder around it that is the
            package's. Where two ecosystems own a path, the nearer claim counts.
    """

    label: str
    by: str


OwnerOf = Callable[[str], Owner | None]
"""Gives the owner of a path in a tree, whether or not it is there; None where none is known."""


class Ecosystem(Explainer, Protocol):
    """A language with its packages. It knows files and installers, and no buildpack.

    It is found under the entry points `cache_harness.ecosystems`, as a class that is called without
    arguments. What it describes of a tree is text that only it reads: the text is stored with the
    build, and an empty one stands for nothing. It keeps nothing between calls, and is called from
    several threads.
    """

    @property
    def name(self) -> str:
        """What it is called, the same as its entry point's name."""
        ...

    def places(self, prefix: str) -> Mapping[str, str]:
        """Where an installation has what scenarios name by a word, such as `scripts`.

        Args:
            prefix: The installation's folder.

        Returns:
            Paths by these words; parts of a path may be patterns, as a version is.
        """
        ...

    def describe(self, tree: BuiltTree) -> str:
        """What is installed in a tree that a build left; empty where nothing of it is.

        What is malformed is taken for absent: a build may leave anything.

        Raises:
            ManifestError: The tree is no longer as its manifest says.
        """
        ...

    def owners(self, installed: str) -> OwnerOf:
        """Who owns the paths of a tree.

        Args:
            installed: What `describe` gave for it.

        Raises:
            StoreError: The text is damaged.
        """
        ...

    def findings(self, cached: str, clean: str) -> tuple[str, ...]:
        """Which packages two trees do not both have alike, as sentences without a full stop.

        Args:
            cached: What `describe` gave for the cached build's tree.
            clean: The same for the clean build's.

        Raises:
            StoreError: A text is damaged.
        """
        ...

    def reuse(self, cached: Trace, clean: Trace, needs: Needs) -> Reused:
        """What became of each of its things that a cache may keep.

        Args:
            cached: The build that was given a cache which was not empty.
            clean: The build of the same commit that was given none.
            needs: By what the parts are told apart.

        Raises:
            StoreError: A text is damaged.
        """
        ...
