"""How two trees differ, path by path; knows neither a language nor a build."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from harness.trees.manifest import Entry, EntryKind, Manifest


class Side(StrEnum):
    """Which of the two trees."""

    CACHED = "cached"
    CLEAN = "clean"


class DifferenceKind(StrEnum):
    """In what way two trees differ at one path.

    That compiled code is used otherwise (`bytecode`) can show where no entry differs: only an
    explainer finds that (`harness.trees.explainer`).
    """

    LEFTOVER = "leftover"
    MISSING = "missing"
    CONTENT = "content"
    MODE = "mode"
    TYPE = "type"
    TARGET = "target"
    ATTRIBUTES = "attributes"
    BYTECODE = "bytecode"


_WHY: Final = {
    DifferenceKind.LEFTOVER: "a clean build has nothing here",
    DifferenceKind.MISSING: "a clean build has this",
    DifferenceKind.CONTENT: "the contents differ",
    DifferenceKind.MODE: "the modes differ",
    DifferenceKind.TYPE: "their types differ",
    DifferenceKind.TARGET: "the links point to different places",
    DifferenceKind.ATTRIBUTES: "the extended attributes differ",
}

Place = tuple[str, DifferenceKind]
"""What identifies a difference: its path and its kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One path where two trees differ in one way.

    A path whose content and mode both differ has two. Where a whole folder is in one tree only, so
    is every path in it.

    Attributes:
        kind: In what way.
        path: The path, as in a manifest.
        cached: What the cached tree has there.
        clean: What the clean tree has there.
        why: The difference in words.
        together: The reason for several that share it, after their number, as in
            `12 compiled files: ...`; empty where each is reported by itself.
    """

    kind: DifferenceKind
    path: str
    cached: Entry | None
    clean: Entry | None
    why: str
    together: str = ""

    @property
    def place(self) -> Place:
        """Its path and kind."""
        return self.path, self.kind


def differences(cached: Manifest, clean: Manifest) -> list[Difference]:
    """Every difference between the entries of two trees, in no order."""
    found: list[Difference] = []
    theirs_at = clean.entries.get
    for path, ours in cached.entries.items():
        theirs = theirs_at(path)
        if ours == theirs:
            continue
        if theirs is None:
            found.append(_difference(DifferenceKind.LEFTOVER, path, ours, None))
        else:
            found += [_difference(kind, path, ours, theirs) for kind in _kinds(ours, theirs)]
    found += [
        _difference(DifferenceKind.MISSING, path, None, clean.entries[path])
        for path in clean.entries.keys() - cached.entries.keys()
    ]
    return found


def leaves(cached: Manifest, found: Iterable[Difference]) -> int:
    """How many paths other than directories there are in either of two trees.

    Args:
        cached: One of the trees.
        found: All differences between it and the other.
    """
    return sum(_is_leaf(entry) for entry in cached.entries.values()) + sum(
        _is_leaf(one.clean) and not _is_leaf(one.cached)
        for one in found
        if one.kind in {DifferenceKind.MISSING, DifferenceKind.TYPE}
    )


def _kinds(ours: Entry, theirs: Entry) -> Iterator[DifferenceKind]:
    if ours.kind is not theirs.kind:
        yield DifferenceKind.TYPE
        return
    if (ours.digest, ours.size, ours.device) != (theirs.digest, theirs.size, theirs.device):
        yield DifferenceKind.CONTENT
    if ours.mode != theirs.mode:
        yield DifferenceKind.MODE
    if ours.target != theirs.target:
        yield DifferenceKind.TARGET
    if ours.attributes != theirs.attributes:
        yield DifferenceKind.ATTRIBUTES


def _difference(
    kind: DifferenceKind, path: str, cached: Entry | None, clean: Entry | None
) -> Difference:
    return Difference(kind=kind, path=path, cached=cached, clean=clean, why=_WHY[kind])


def _is_leaf(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is not EntryKind.DIRECTORY
