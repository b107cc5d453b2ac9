"""The objects of a repository, loose or packed: read as data, whole and sound, or not at all.

A reader of our own: git would have to be kept from a hostile repository's configuration and
hooks, and from reading what a tree's links lead to, and no library holds its reader to a limit.
"""

import hashlib
import posixpath
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from harness.trees.git.git_folder import GitFolder, UnreadableError
from harness.trees.git.pack import Pack, PackError
from harness.trees.manifest import EntryKind

LARGEST_OBJECT: Final = 128 * 1024 * 1024
"""Objects of more bytes are not read."""
LARGEST_PACKS: Final = 512 * 1024 * 1024
"""Packs of a repository that are read may have so many bytes together."""
_MOST_ALTERNATES: Final = 5  # nested as deep as git follows them

_HEAD = re.compile(rb"(commit|tree|blob|tag) (0|[1-9]\d{0,11})\0")
_LOOSE = re.compile(r"objects/[0-9a-f]{2}/(?:[0-9a-f]{38}|[0-9a-f]{62})")
_PACK = re.compile(r"objects/pack/[^/]+\.idx")


class TooMuchError(Exception):
    """What is read of a repository has come to its limit."""


@dataclass(slots=True)
class Budget:
    """How much work a repository may take: what it claims must not decide that."""

    count: int = 500_000
    size: int = 1024**3

    def spend(self, size: int) -> None:
        """Takes one object of a size off it.

        Raises:
            TooMuchError: Nothing is left.
        """
        self.count -= 1
        self.size -= size
        if self.count < 0 or self.size < 0:
            raise TooMuchError


@dataclass(frozen=True, slots=True)
class GitObject:
    """A sound object: what it is, and what it holds."""

    kind: str
    data: bytes


class BrokenError(Exception):
    """An object is unavailable; the message says why, as a phrase."""


class Objects:
    """The objects that a repository has, its alternates' as well where these are in the tree."""

    def __init__(self, folder: GitFolder, *, id_size: int, budget: Budget) -> None:
        """Args: the repository, how many bytes an id has, and how much may be read."""
        self._id_size = id_size
        self._budget = budget
        self._packs: list[Pack] = []
        self._folders: list[GitFolder] = []
        self._faults: list[str] = []
        self._room = LARGEST_PACKS
        for own, names in _stores(folder, self._faults):
            self._folders.append(own)
            for name in sorted(filter(_PACK.fullmatch, names)):
                self._open(own, name.removesuffix(".idx"))

    @property
    def faults(self) -> tuple[str, ...]:
        """What of its packs and alternates cannot be used, as phrases."""
        return tuple(self._faults)

    def read(self, name: str) -> GitObject | None:
        """An object whose bytes are those that its name says; None where it is nowhere.

        Raises:
            BrokenError: It is there and damaged, or too large.
            TooMuchError: The limit is reached.
        """
        self._budget.spend(0)
        why = ""
        for pack in self._packs:
            offset = pack.find(name)
            if offset is None:
                continue
            try:
                return self._sound(name, *pack.read(offset, self._budget.spend))
            except (PackError, BrokenError) as error:
                why = str(error)
        for folder in self._folders:
            try:
                data = folder.content(f"objects/{name[:2]}/{name[2:]}")
                if data is not None:
                    return self._sound(name, *self._inflated(data))
            except (UnreadableError, BrokenError) as error:
                why = str(error)
        if why:
            raise BrokenError(why)
        return None

    def _open(self, folder: GitFolder, name: str) -> None:
        shown = posixpath.basename(name)
        try:
            index, data = folder.content(f"{name}.idx"), folder.content(f"{name}.pack")
            if index is None or data is None:
                self._faults.append(f"{shown}.pack is missing")
                return
            self._room -= len(data)
            if self._room < 0:
                self._faults.append(f"{shown}.pack is one too many to be read")
                return
            pack = Pack(index, data, id_size=self._id_size, largest=LARGEST_OBJECT)
            if pack.damage:
                self._faults.append(f"{shown}.pack: {pack.damage}")
            self._packs.append(pack)
        except (UnreadableError, PackError) as error:
            self._faults.append(f"{shown}.pack: {error}")

    def _inflated(self, data: bytes) -> tuple[str, bytes]:
        """The kind and content of a loose object."""
        stream = zlib.decompressobj()
        try:
            start = stream.decompress(data, 64)
            found = _HEAD.match(start)
            if found is None:
                raise BrokenError("no object is in its file")
            size = int(found[2])
            if size > LARGEST_OBJECT:
                raise BrokenError(f"it has more than {LARGEST_OBJECT} bytes")
            self._budget.spend(size)
            rest = stream.decompress(stream.unconsumed_tail, size + 64)
        except zlib.error as error:
            raise BrokenError("its file is damaged") from error
        content = start[found.end() :] + rest
        if len(content) != size or not stream.eof or stream.unused_data:
            raise BrokenError("its file is damaged")
        return found[1].decode(), content

    def _sound(self, name: str, kind: str, data: bytes) -> GitObject:
        digest = hashlib.sha1 if self._id_size == 20 else hashlib.sha256
        head = f"{kind} {len(data)}\0".encode()
        if digest(head + data, usedforsecurity=False).hexdigest() != name:
            raise BrokenError("its bytes are another object's")
        return GitObject(kind, data)


def is_loose(inside: str) -> bool:
    """Whether a path in a repository's folder is that of a loose object."""
    return _LOOSE.fullmatch(inside) is not None


def _stores(folder: GitFolder, faults: list[str]) -> Iterator[tuple[GitFolder, set[str]]]:
    """The repository's folder and its alternates', as far as these are in the tree."""
    seen: set[str] = set()
    waiting = [(posixpath.join(folder.path, "objects"), 0)]
    while waiting:
        objects, depth = waiting.pop(0)
        if objects in seen:
            continue
        seen.add(objects)
        own = folder if depth == 0 else folder.beside(posixpath.dirname(objects))
        yield own, _names(own, objects)
        try:
            listed = own.text("objects/info/alternates")
        except UnreadableError as error:
            faults.append(str(error))
            continue
        for line in filter(None, listed.split("\n")):
            if line.startswith("#"):
                continue
            place = _inside(folder, objects, line)
            if place is None or depth == _MOST_ALTERNATES:
                faults.append("its alternates lead out of the build dir")
            else:
                waiting.append((place, depth + 1))


def _names(folder: GitFolder, objects: str) -> set[str]:
    if folder.names:
        return {name for name in folder.names if name.startswith("objects/")}
    start = f"{objects}/pack/"
    return {
        f"objects/pack/{path[len(start) :]}"
        for path in folder.manifest.entries
        if path.startswith(start)
    }


def _inside(folder: GitFolder, objects: str, line: str) -> str | None:
    """The path in the tree that a line of alternates leads to; None where that is not in it.

    The tree was elsewhere when it was built, so of an absolute path the longest end is taken that
    is a folder of objects in it.
    """
    if not line.startswith("/"):
        paths = [posixpath.normpath(posixpath.join(objects, line))]
    else:
        ends = posixpath.normpath(line).lstrip("/").split("/")[-64:]
        paths = ["/".join(ends[start:]) for start in range(len(ends))]
    for path in paths:
        found = folder.manifest.entries.get(path)
        if (
            found is not None
            and found.kind is EntryKind.DIRECTORY
            and posixpath.basename(path) == "objects"
        ):
            return path
    return None
