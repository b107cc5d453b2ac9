"""Checks what a scenario says of a built tree: two builds can be wrong alike."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.scenarios.expectation import TreeExpectation
from harness.trees.manifest import Entry, EntryKind, Manifest, escape
from harness.trees.scan import read_file, scan

_PLACE = re.compile(r"\$\{(?P<name>[a-z][a-z-]*)\}")
_LARGEST = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPlaces:
    """What `${prefix}` and other words in the paths of expectations stand for, in one tree."""

    tree: str
    paths: Mapping[str, str]


def fault(
    expectation: TreeExpectation, trees: Mapping[str, Path], places: Sequence[NamedPlaces] = ()
) -> str:
    """What built trees lack of an expectation, as the rest of a sentence; empty where they have it.

    Args:
        expectation: What the scenario says of the commit.
        trees: The folders of the result trees, by name; read as data, links out of them are not
            followed.
        places: Where something is installed. With several, what must be there has to be in one of
            them, and what must not be there in none.

    Raises:
        ManifestError: The tree cannot be read.
    """
    names = {match["name"] for match in _PLACE.finditer(expectation.path)}
    if not names:
        return _in_tree(expectation, trees)
    here = [place for place in places if names <= place.paths.keys()]
    if not here:
        known = sorted({name for place in places for name in place.paths})
        words = ", ".join(f"`${{{name}}}`" for name in known) or "none"
        return f"{expectation.path} names no place of this build's; the words are {words}"
    told = [
        _in_tree(
            replace(
                expectation,
                tree=place.tree,
                path=_PLACE.sub(partial(_path_of, place), expectation.path),
            ),
            trees,
        )
        for place in here
    ]
    if expectation.absent:
        return next(filter(None, told), "")
    return "" if "" in told else told[0]


def _path_of(place: NamedPlaces, match: re.Match[str]) -> str:
    return place.paths[match["name"]]


def _in_tree(expectation: TreeExpectation, trees: Mapping[str, Path]) -> str:
    tree = trees.get(expectation.tree)
    if tree is None:
        names = ", ".join(f"`{name}`" for name in trees)
        return f"there is no tree `{expectation.tree}`; the build leaves {names}"
    return _fault(expectation, tree, scan(tree, (expectation.path,)))


def _fault(expectation: TreeExpectation, tree: Path, found: Manifest) -> str:
    path = expectation.path
    if expectation.absent:
        return f"{escape(found.roots[0])} is there, and nothing should be" if found.roots else ""
    if not found.roots:
        return f"nothing is at {path}"
    told = (_entry_fault(expectation, root, found.entries[root]) for root in found.roots)
    return next(filter(None, told), "") or _text_fault(expectation, tree, found)


def _text_fault(expectation: TreeExpectation, tree: Path, found: Manifest) -> str:
    """What the text of the files lacks."""
    wanted = ((expectation.contains, re.escape), (expectation.matches, str))
    if all(said is None for said, _ in wanted):
        return ""
    files = [root for root in found.roots if found.entries[root].kind is EntryKind.FILE]
    if not files:
        return f"no file is at {expectation.path}"
    for file in files:
        text = read_file(tree, file, limit=_LARGEST).decode("utf-8", "replace")
        for said, pattern in wanted:
            if said is not None and not re.search(pattern(said), text):
                return f"{escape(file)} does not hold {said!r}"
    return ""


def _entry_fault(expectation: TreeExpectation, path: str, entry: Entry) -> str:
    """What is wrong with an entry's mode or target."""
    name = escape(path)
    if expectation.executable is not None:
        if entry.kind is not EntryKind.FILE:
            return f"{name} is no file"
        if bool(entry.mode & 0o111) is not expectation.executable:
            return f"{name} is {'not ' if expectation.executable else ''}executable"
    if expectation.target is not None:
        if entry.kind is not EntryKind.SYMLINK:
            return f"{name} is no symbolic link"
        if entry.target != expectation.target:
            return f"{name} points to {escape(entry.target)}, not to {escape(expectation.target)}"
    return ""
