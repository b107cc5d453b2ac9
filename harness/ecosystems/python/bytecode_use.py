"""Tells whether Python would use a compiled file, as it lies beside its source (PEP 552)."""

import posixpath
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from harness.ecosystems.python.bytecode import HEADER, Header, MalformedError, header, source_hash
from harness.trees.explainer import LARGEST
from harness.trees.manifest import HERE, Entry, EntryKind, Manifest

COMPILED: Final = re.compile(r"(?P<module>[^/]+?)\.(?P<tag>[^./]+)(?:\.opt-\w+)?\.pyc")
"""The name of a compiled file in a `__pycache__` folder (PEP 3147), with its interpreter's tag."""
CACHE: Final = "__pycache__"

_LEADING = {EntryKind.FILE, EntryKind.SYMLINK}
_MOST_PARTS = 4096

_HASHED = 0b01
_CHECKED = 0b10
_WORD = 0xFFFF_FFFF
_MAGICS: Final = {
    "cpython-38": {3413},
    "cpython-39": {3425},
    "cpython-310": {3439},
    "cpython-311": {3495},
    "cpython-312": {3531},
    "cpython-313": {3571},
    "cpython-314": {3627},
}
"""The magic number of each version's final releases."""


class Use(StrEnum):
    """What Python does with a compiled file when its module is imported.

    - `used`: it is loaded; it names the time and size, or the hash, that its source has.
    - `outdated`: it names another time, size or hash of its source, or another version of Python.
      The source is compiled again by each process that cannot write the result.
    - `wrong`: it is loaded unchecked, and names the hash of another source than the one beside it.
    - `unused`: it lies where Python does not look, as in a `__pycache__` without the source.
    """

    USED = "used"
    OUTDATED = "outdated"
    WRONG = "wrong"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """How a tree's files are read: the first 16 bytes of one, and all of one, by their paths."""

    head: Callable[[str], bytes]
    read: Callable[[str], bytes]


def use(path: str, tree: Manifest, contents: Contents) -> Use:
    """What Python does with a compiled file of a tree.

    Its name says which interpreter would import it (`m.cpython-311.pyc`); a compiled file
    without such a tag is taken for the interpreter's own.

    Args:
        path: A path that `compiled_files` gives.
        tree: The tree that it is in, with times.
        contents: Reads the tree's files.

    Raises:
        ManifestError: A file of the tree cannot be read any more.
    """
    source = source_of(path)
    has_source = source in tree.entries and tree.entries[source].kind in _LEADING
    in_cache = posixpath.basename(posixpath.dirname(path)) == CACHE
    if has_source is not in_cache:
        # Beside its source a compiled file is passed over; in a __pycache__ it needs one.
        return Use.UNUSED
    try:
        found = header(contents.head(followed(path, tree)))
    except MalformedError:
        return Use.OUTDATED
    if not _fits(path, found):
        return Use.OUTDATED
    return _against(followed(source, tree), found, tree, contents) if has_source else Use.USED


def _against(source: str, found: Header, tree: Manifest, contents: Contents) -> Use:
    """What Python does with a compiled file that it holds against its source."""
    if not source:
        return Use.OUTDATED
    if found.flags & _HASHED:
        if tree.entries[source].size > LARGEST:
            return Use.OUTDATED
        named = found.stamp + found.size
        if named == source_hash(contents.read(source), magic=found.magic):
            return Use.USED
        return Use.OUTDATED if found.flags & _CHECKED else Use.WRONG
    time, size = struct.unpack("<II", found.stamp + found.size)
    beside = tree.times.get(source, 0) & _WORD, tree.entries[source].size & _WORD
    return Use.USED if (time, size) == beside else Use.OUTDATED


def named_time(head: bytes) -> int | None:
    """The time of its source that a compiled file names; None where it names none."""
    try:
        found = header(head)
    except MalformedError:
        return None
    return int.from_bytes(found.stamp, "little") if found.timed else None


def source_of(path: str) -> str:
    """The path of a compiled file's source, whether or not it is there; empty for other files."""
    folder, _, name = path.rpartition("/")
    if not name.endswith(".pyc"):
        return ""
    if posixpath.basename(folder) == CACHE:
        compiled = COMPILED.fullmatch(name)
        if compiled is None:
            return ""
        return posixpath.join(posixpath.dirname(folder), f"{compiled['module']}.py")
    return f"{path.removesuffix('.pyc')}.py"


def compiled_files(tree: Manifest) -> Iterator[str]:
    """Where an interpreter finds a tree's compiled files.

    Links are followed as long as they stay in the tree: a path may lead through a `__pycache__`
    that is one, and is then no path of the manifest.
    """
    for path, entry in tree.entries.items():
        name = path.rpartition("/")[2]
        if name.endswith(".pyc") and entry.kind in _LEADING:
            if _is_compiled(tree.entries.get(followed(path, tree))):
                yield path
        elif name == CACHE and entry.kind is EntryKind.SYMLINK:
            folder = followed(path, tree)
            for inside in _inside(folder, tree):
                if inside.endswith(".pyc") and _is_compiled(
                    tree.entries.get(followed(f"{folder}/{inside}", tree))
                ):
                    yield f"{path}/{inside}"


def followed(path: str, tree: Manifest) -> str:
    """Where a path leads in a tree; empty where it leads out of it, in a circle or nowhere."""
    entries = tree.entries
    if (entry := entries.get(path)) is not None and entry.kind is not EntryKind.SYMLINK:
        return path  # no link is on the way: of those a manifest has nothing below them
    ahead, here = path.split("/")[::-1], ""
    for _ in range(_MOST_PARTS):
        if not ahead:
            return here
        part = ahead.pop()
        if part in {"", HERE}:
            continue
        if part == "..":
            if not here:
                return ""
            here = posixpath.dirname(here)
            continue
        place = posixpath.join(here, part)
        found = entries.get(place)
        if found is None:
            return ""
        if found.kind is EntryKind.SYMLINK:
            if found.target.startswith("/"):
                return ""
            ahead += found.target.split("/")[::-1]
        else:
            here = place
    return ""


def _is_compiled(entry: Entry | None) -> bool:
    """Whether there is a file with a header, that is not too large to be kept."""
    return entry is not None and entry.kind is EntryKind.FILE and HEADER <= entry.size <= LARGEST


def _inside(folder: str, tree: Manifest) -> Iterator[str]:
    """The names in a folder."""
    if folder:
        prefix = f"{folder}/"
        for path in tree.entries:
            if path.startswith(prefix) and "/" not in path[len(prefix) :]:
                yield path[len(prefix) :]


def _fits(path: str, found: Header) -> bool:
    """Whether the interpreter that a name's tag stands for takes the magic number."""
    compiled = COMPILED.fullmatch(posixpath.basename(path))
    known = _MAGICS.get(compiled["tag"]) if compiled else None
    return (known is None or found.magic in known) and found.flags <= (_HASHED | _CHECKED)
