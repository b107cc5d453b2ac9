"""Tells whether Python would use a compiled file, as it lies beside its source (PEP 552)."""

import posixpath
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from harness.bytecode import HEADER, Header, MalformedError, header, source_hash
from harness.manifest import EntryKind, Manifest

COMPILED: Final = re.compile(r"(?P<module>[^/]+?)\.(?P<tag>[a-z]+-\d+)(?:\.opt-\w+)?\.pyc")
"""The name of a compiled file in a `__pycache__` folder (PEP 3147)."""
CACHE: Final = "__pycache__"

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

    Which interpreter would import it is told by its name (`m.cpython-311.pyc`); a compiled file
    without such a tag is taken for the interpreter's own.

    Args:
        path: The path of a regular file whose name ends in `.pyc`.
        tree: The tree that it is in, with times.
        contents: Reads the tree's files.

    Raises:
        ManifestError: A file of the tree cannot be read any more.
    """
    source = source_of(path)
    beside = tree.entries.get(source)
    has_source = beside is not None and beside.kind in {EntryKind.FILE, EntryKind.SYMLINK}
    in_cache = posixpath.basename(posixpath.dirname(path)) == CACHE
    if has_source is not in_cache:
        # Beside its source a compiled file is passed over; in a __pycache__ it needs one.
        return Use.UNUSED
    try:
        found = header(contents.head(path))
    except MalformedError:
        return Use.OUTDATED
    if not _fits(path, found):
        return Use.OUTDATED
    return _against(_followed(source, tree), found, tree, contents) if has_source else Use.USED


def _against(source: str, found: Header, tree: Manifest, contents: Contents) -> Use:
    """What Python does with a compiled file that it holds against its source."""
    if not source:
        return Use.OUTDATED
    if found.flags & _HASHED:
        named = found.stamp + found.size
        if named == source_hash(contents.read(source), magic=found.magic):
            return Use.USED
        return Use.OUTDATED if found.flags & _CHECKED else Use.WRONG
    time, size = struct.unpack("<II", found.stamp + found.size)
    beside = tree.times.get(source, 0) & _WORD, tree.entries[source].size & _WORD
    return Use.USED if (time, size) == beside else Use.OUTDATED


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
    """The paths of a tree's compiled files that have a header."""
    return (
        path
        for path, entry in tree.entries.items()
        if path.endswith(".pyc") and entry.kind is EntryKind.FILE and entry.size >= HEADER
    )


def _fits(path: str, found: Header) -> bool:
    """Whether the interpreter that a name's tag stands for takes the magic number."""
    compiled = COMPILED.fullmatch(posixpath.basename(path))
    known = _MAGICS.get(compiled["tag"]) if compiled else None
    return (known is None or found.magic in known) and found.flags <= (_HASHED | _CHECKED)


def _followed(path: str, tree: Manifest) -> str:
    """Where a link leads, in the tree; empty where it leads out of it, in a circle or nowhere."""
    for _ in range(40):
        entry = tree.entries.get(path)
        if entry is None or entry.kind is not EntryKind.SYMLINK:
            return path if entry is not None and entry.kind is EntryKind.FILE else ""
        if entry.target.startswith("/"):
            return ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.target))
    return ""
