"""A repository's folder in one tree: its files as data, whatever they claim to be."""

import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from harness.trees.manifest import Entry, EntryKind, Manifest

PARTS: Final = ("HEAD", "objects", "refs")
"""What git looks for to take a folder for a repository."""

_OWNER_READS = 0o400
_OWNER_ENTERS = 0o500

ReadPath = Callable[[str], bytes]
"""Gives a regular file's content by its path in the manifest."""


class UnreadableError(Exception):
    """Something of a repository cannot be read; the message says why, as a phrase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitFolder:
    """A repository's folder: `.git`, a bare repository, or a submodule's in `.git/modules`.

    Attributes:
        path: Its path in the tree.
        manifest: The tree.
        read: Gives the content of a regular file that is no larger than `largest` says.
        largest: How many bytes a file at a path may have to be read.
        names: The paths of all that is in it, relative to it; not what nested repositories hold.
    """

    path: str
    manifest: Manifest
    read: ReadPath
    largest: Callable[[str], int]
    names: frozenset[str]

    def entry(self, inside: str) -> Entry | None:
        """What is at a path relative to the folder."""
        return self.manifest.entries.get(posixpath.join(self.path, inside))

    def is_folder(self, inside: str) -> bool:
        """Whether there is a directory at a path relative to the folder."""
        found = self.entry(inside)
        return found is not None and found.kind is EntryKind.DIRECTORY

    def content(self, inside: str) -> bytes | None:
        """What a file holds; None where there is none. No link is followed.

        Raises:
            UnreadableError: It is not a regular file, or one that its owner or the harness cannot
                read.
            ManifestError: What is stored of the tree is damaged.
        """
        path = posixpath.join(self.path, inside)
        found = self.manifest.entries.get(path)
        if found is None or found.kind is EntryKind.DIRECTORY:
            return None
        if found.kind is not EntryKind.FILE:
            raise UnreadableError(f"{inside} is a {found.kind}")
        if not found.mode & _OWNER_READS:
            raise UnreadableError(f"the mode of {inside} is {found.mode:04o}")
        if shut := self._shut(inside):
            raise UnreadableError(f"the mode of {shut} keeps its owner out")
        if found.size > self.largest(path):
            raise UnreadableError(f"{inside} has more than {self.largest(path)} bytes")
        return self.read(path)

    def text(self, inside: str) -> str:
        """As `content`, as text; empty where there is none."""
        return (self.content(inside) or b"").decode("utf-8", "surrogateescape")

    def beside(self, path: str) -> "GitFolder":
        """Another folder of the same tree, of whose names nothing is known."""
        return GitFolder(
            path=path,
            manifest=self.manifest,
            read=self.read,
            largest=self.largest,
            names=frozenset(),
        )

    def _shut(self, inside: str) -> str:
        """The outermost folder on the way to a path that its owner cannot enter, or empty."""
        folder = posixpath.dirname(inside)
        shut = ""
        while folder:
            found = self.entry(folder)
            if found is not None and found.mode & _OWNER_ENTERS != _OWNER_ENTERS:
                shut = folder
            folder = posixpath.dirname(folder)
        return shut


def is_git_folder(manifest: Manifest, path: str) -> bool:
    """Whether a folder has what git looks for in a repository."""
    return len(parts(manifest, path)) == len(PARTS)


def parts(manifest: Manifest, path: str) -> tuple[str, ...]:
    """Which of `PARTS` a folder has, as what they are in a repository."""
    return tuple(part for part in PARTS if _is_part(manifest.entries.get(f"{path}/{part}"), part))


def _is_part(entry: Entry | None, part: str) -> bool:
    if entry is None:
        return False
    kind = EntryKind.FILE if part == "HEAD" else EntryKind.DIRECTORY
    return entry.kind in {kind, EntryKind.SYMLINK}


class Repositories:
    """Which repository each path of two trees belongs to, where both trees have it."""

    def __init__(self, cached: Manifest, clean: Manifest) -> None:
        self._trees = (cached, clean)
        self._of: dict[str, str] = {"": ""}

    def of(self, path: str) -> str:
        """The path of the innermost repository that holds a path, or empty."""
        return self._around(path.rpartition("/")[0])

    def names(self, manifest: Manifest, repositories: Iterable[str]) -> Mapping[str, set[str]]:
        """What each of some repositories has in one of the trees, by paths relative to it."""
        found: dict[str, set[str]] = {repository: set() for repository in repositories}
        for path in manifest.entries:
            repository = self.of(path)
            if repository in found:
                found[repository].add(path[len(repository) + 1 :])
        return found

    def _around(self, folder: str) -> str:
        # A path may have thousands of parts: no recursion.
        way = []
        while folder not in self._of:
            way.append(folder)
            folder = folder.rpartition("/")[0]
        repository = self._of[folder]
        for each in reversed(way):
            if self._is_repository(each):
                repository = each
            self._of[each] = repository
        return repository

    def _is_repository(self, folder: str) -> bool:
        """Whether it is one in either tree, and in the other a damaged one at least."""
        entries = [tree.entries.get(folder) for tree in self._trees]
        # A tree whose folders are not listed, as where only files are compared, has them all.
        if any(entry is not None and entry.kind is not EntryKind.DIRECTORY for entry in entries):
            return False
        has = [parts(tree, folder) for tree in self._trees]
        whole = any(len(each) == len(PARTS) for each in has)
        named = posixpath.basename(folder) == ".git" and None not in entries
        return whole and (all(has) or named)
