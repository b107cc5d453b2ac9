"""What an explainer is: it knows which differences of two trees do not matter, and what else does.

Entries show that two files do not hold the same bytes. Whether anyone could notice that is known to
whoever knows what the files are: a language's ecosystem, or the reader of git repositories.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn, Protocol

from harness.errors import ManifestError
from harness.trees.difference import Difference, Place, Side
from harness.trees.manifest import Entry, Manifest, content_digest, escape

LARGEST: Final = 32 * 1024 * 1024
"""Files of more bytes are compared as they are, unless an explainer asks for larger ones."""

HEAD: Final = 16
"""Bytes at the beginning of some files that hold times, see `Explainer.headed`."""

Read = Callable[[Side, str], bytes]
"""Gives the content of a regular file of one side's tree, by its path as in the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Why a difference is not a divergence.

    Attributes:
        name: What reports call it. It is part of the JSON report's contract.
        note: What a report says of each path, where the difference is true and worth a line, and
            not a fault by itself. Empty where it is only counted, as nobody who uses the app could
            notice it.
    """

    name: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Differences that are true, worth a line, and not a fault by themselves.

    Attributes:
        rule: The name of the rule that explains them.
        why: What there is to say of each path.
        paths: The paths, as in a manifest, sorted.
    """

    rule: str
    why: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPaths:
    """The absolute build dirs that each side's files may name, where these differ.

    Attributes:
        cached: Those of the cached build and of the builds before it.
        clean: That of the clean build.
    """

    cached: tuple[str, ...]
    clean: str


def _not_kept(_: Side, path: str) -> NoReturn:
    raise ManifestError(
        f"cannot read {escape(path)}: only the manifests of the trees are available"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TreePair:
    """The trees of a cached and a clean build, with all that explainers may look at.

    Attributes:
        cached: The tree of the build that was given a cache.
        clean: The tree of the build that was given none.
        read: Gives the content of a file that is not larger than some explainer asks for; raises
            `ManifestError` where the tree cannot be read any more.
        begins: Gives the first `HEAD` bytes of a file or more, where that is cheaper than all.
        name: What the tree is called among those that a build leaves.
        build_paths: The build dirs that the two sides may name, only where these differ.
        began: When the cached build began, in seconds since the epoch, where that is known.
    """

    cached: Manifest
    clean: Manifest
    name: str = ""
    read: Read = field(default=_not_kept, compare=False)
    begins: Read | None = field(default=None, compare=False)
    build_paths: BuildPaths | None = None
    began: float | None = None

    def manifest(self, side: Side) -> Manifest:
        """One side's tree."""
        return self.cached if side is Side.CACHED else self.clean

    def head(self, side: Side, path: str) -> bytes:
        """The first `HEAD` bytes of a file or more."""
        return (self.begins or self.read)(side, path)

    def contents(self, one: Difference) -> tuple[bytes, bytes] | None:
        """The two contents of a file that both sides have; None where one has changed since.

        Raises:
            ManifestError: A tree cannot be read any more.
        """
        cached, clean = self.read(Side.CACHED, one.path), self.read(Side.CLEAN, one.path)
        return (cached, clean) if _is(cached, one.cached) and _is(clean, one.clean) else None


def _is(content: bytes, entry: Entry | None) -> bool:
    return entry is not None and content_digest(content) == entry.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What one explainer makes of two trees.

    Attributes:
        explained: The differences that are not divergences, each with the rules that explain it
            together. What shows in no entry, and would be one, may be among them.
        found: What else differs, or a better reason for a difference: it takes the place of the one
            that has its path and kind. It stands, whatever another explainer makes of it.
        notes: What there is to say of a rule's paths, where that is more than the rule's own note:
            in place of that.
    """

    explained: Mapping[Place, frozenset[Rule]] = field(default_factory=dict)
    found: tuple[Difference, ...] = ()
    notes: tuple[Note, ...] = ()


class Explainer(Protocol):
    """Whoever knows what some files are. It reads trees as data, and never runs what is in them."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule by which it explains, in the order in which reports name them."""
        ...

    @property
    def headed(self) -> tuple[str, ...]:
        """How the names of files end that begin with a time, in their first `HEAD` bytes.

        These differ in each build where the rest does not, and are stored apart from it.
        """
        ...

    def largest(self, path: str) -> int:
        """How many bytes a file at a path may have for this one to look at its content.

        What is in files of up to `LARGEST` bytes is kept with a build anyway.
        """
        ...

    def is_derived(self, path: str) -> bool:
        """Whether a tool makes the file from others, so that people look at it last."""
        ...

    def explain(self, differences: Sequence[Difference], trees: TreePair) -> Explanation:
        """Says which differences do not matter, and what else differs.

        A difference may only be explained where the two contents prove that nobody who uses the
        app could notice it, or, by a rule with a note, that it is not a fault by itself.

        Args:
            differences: All differences between the trees' entries.
            trees: The trees.

        Raises:
            ManifestError: A tree cannot be read any more.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPolicy:
    """Which contents of a built tree's files are kept for explainers, and how.

    Attributes:
        always: Files of up to so many bytes are kept, whatever they are.
        asking: How many bytes a file at a path may have, as each explainer says.
        headed: How the names of files end whose first `HEAD` bytes are kept apart from the rest.
    """

    always: int = LARGEST
    asking: tuple[Callable[[str], int], ...] = ()
    headed: tuple[str, ...] = ()

    def largest(self, path: str) -> int:
        """How many bytes a file at a path may have for its content to be kept."""
        return max((self.always, *(ask(path) for ask in self.asking)))

    def keeps(self, path: str, size: int) -> bool:
        """Whether a file's content is kept."""
        return size <= self.always or size <= self.largest(path)


PLAIN: Final = ContentPolicy()
"""What is kept where nobody asks for more."""


def content_policy(explainers: Iterable[Explainer]) -> ContentPolicy:
    """What explainers together ask for."""
    everyone = tuple(explainers)
    return ContentPolicy(
        asking=tuple(each.largest for each in everyone),
        headed=tuple(ending for each in everyone for ending in each.headed),
    )
