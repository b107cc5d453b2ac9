"""What two builds of one commit do not have in common."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from harness.trees.manifest import Entry, escape

_LONGEST_SHOWN: Final = 300


class DivergenceKind(StrEnum):
    """In what way two builds differ: their trees at one path, or the builds themselves.

    The kinds of differences between trees are those of `harness.trees.difference`. Besides, builds
    may tell the platform other things (`release`), a command may do other things in what they
    deployed (`run`), or one of them may fail (`outcome`).
    """

    LEFTOVER = "leftover"
    MISSING = "missing"
    CONTENT = "content"
    MODE = "mode"
    TYPE = "type"
    TARGET = "target"
    ATTRIBUTES = "attributes"
    BYTECODE = "bytecode"
    RELEASE = "release"
    RUN = "run"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """One path where the two builds differ in one way.

    A path whose content and mode both differ has two. Where a whole folder is left over, so is
    every path in it.

    Attributes:
        kind: In what way.
        tree: The name of the result tree; empty where there is no path.
        path: The path, relative to the tree, as in a manifest; the command for what was run.
            Empty for an outcome and for what the platform is told.
        cached: What the cached tree has there.
        clean: What the clean tree has there.
        distribution: The package that owns the path, as `name version`, where one does.
        origin: The earlier commit whose content the cached tree still holds, where one is known.
        why: The difference in words.
        together: The reason for several that share it, after their number; else empty.
        derived: Whether a tool made the file from others, so that people look at it last.
        paths: Where it stands for several paths alike: all of them, as `path` is the folder that
            holds them.
    """

    kind: DivergenceKind
    tree: str = ""
    path: str = ""
    cached: Entry | None = None
    clean: Entry | None = None
    distribution: str | None = None
    origin: str | None = None
    why: str
    together: str = ""
    derived: bool = False
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """How many differing paths a rule, by its name, explains, which are not divergences for it."""

    rule: str
    count: int


def outcome(why: str) -> Divergence:
    """The divergence of two builds of which one passed and the other failed, in words."""
    return Divergence(kind=DivergenceKind.OUTCOME, why=why)


def release(cached: str, clean: str) -> Divergence:
    """The divergence of what two builds told the platform: its add-ons, process types and such."""
    ours, theirs = (escape(told.strip())[:_LONGEST_SHOWN] or "nothing" for told in (cached, clean))
    why = (
        "the two builds tell the platform different things:"
        f" the cached build {ours}, the clean build {theirs}"
    )
    return Divergence(kind=DivergenceKind.RELEASE, why=why)
