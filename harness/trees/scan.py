"""Reads a tree into a manifest without following a link, opening a device or running anything."""

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from harness.trees.directory import Directory, Listing, native, walk
from harness.trees.file_reader import DIGEST, FACTS, UNREAD, Contents
from harness.trees.manifest import HERE, Entry, EntryKind, Manifest, file_entry
from harness.trees.reader_process import WORTH_A_PROCESS, Directories, Readers
from harness.trees.roots import WHOLE_TREE, find_roots

__all__ = ["WHOLE_TREE", "read_entries", "read_file", "read_times", "scan"]

_PERMISSIONS = 0o7777


def scan(
    root: Path,
    patterns: tuple[str, ...],
    *,
    without: tuple[str, ...] = (),
    worth: int = WORTH_A_PROCESS,
) -> Manifest:
    """Reads what lies under the compared roots of a tree.

    Every directory is opened from its parent's descriptor and no link is followed, so nothing
    outside the tree is read even while somebody changes it. A file or folder that its owner, the
    caller, has no permission to read is given that permission for as long as it takes. Memory is
    bounded by the number of entries, not by their sizes.

    Args:
        root: The tree's folder.
        patterns: Globs of the compared roots, relative to it and matched part by part: `*`, `?`
            and `[...]` stay within one part and match names that start with a dot. A symlink
            where a folder on the way is wanted is an entry and a root itself, not followed.
        without: Globs of what is passed over below the roots, with all that is in it.
        worth: From so many files on, a second process reads with this one.

    Raises:
        ManifestError: Something cannot be read, or changed while it was read, or a pattern is
            absolute, empty, or holds `..` or `**`.
    """
    entries: dict[str, Entry] = {}
    digests = Digests(entries)
    with Directory.top(root) as top:
        roots = find_roots(top, patterns)
        skipped = frozenset(find_roots(top, without)) if without else frozenset()
        with Readers(digests, worth=worth) as files:
            for found in roots:
                _read_root(top, found, entries, files, skipped)
    ordered = sorted(entries)
    times = digests.times
    return Manifest(
        roots=roots,
        entries={path: entries[path] for path in ordered},
        times={path: times[path] for path in ordered if path in times},
    )


def read_entries(
    root: Path, paths: Iterable[str], *, worth: int = WORTH_A_PROCESS
) -> dict[str, Entry]:
    """Reads the entries at these paths of a tree, and nothing below them.

    Args:
        root: The tree's folder.
        paths: Paths as in a manifest.
        worth: From so many files on, a second process reads with this one.

    Raises:
        ManifestError: There is nothing at a path, a link is on the way, or it cannot be read.
    """
    entries: dict[str, Entry] = {}
    inside: dict[str, list[str]] = {}
    with Directory.top(root) as top, Readers(Digests(entries), worth=worth) as files:
        for path in paths:
            if path == HERE:
                entries[HERE] = top.entry()
            else:
                inside.setdefault(path.rpartition("/")[0], []).append(path)
        for siblings in inside.values():
            with top.parent_of(siblings[0]) as (folder, _):
                for path in siblings:
                    name = native(path.rpartition("/")[2])
                    match folder.kind(name):
                        case EntryKind.DIRECTORY:
                            with folder.enter(name) as found:
                                entries[path] = found.entry()
                        case EntryKind.FILE:
                            files.add((folder,), [name])
                        case _:
                            entries[path] = folder.special(name)
    return entries


def read_file(root: Path, path: str, *, limit: int) -> bytes:
    """The first `limit` bytes of a regular file of a tree.

    Args:
        root: The tree's folder.
        path: The file's path, as in a manifest.
        limit: The most bytes to read.

    Raises:
        ManifestError: There is no regular file there, a link is on the way, or it cannot be read.
    """
    with (
        Directory.top(root) as top,
        top.parent_of(path) as (folder, name),
        folder.file(name) as file,
        os.fdopen(file, "rb", closefd=False) as stream,
    ):
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return stream.read(limit)


def read_times(root: Path, paths: Iterable[str]) -> dict[str, float]:
    """When what lies at these paths of a tree was modified, in seconds since the epoch.

    Args:
        root: The tree's folder.
        paths: Paths as in a manifest; of a link the link's own time is read.

    Raises:
        ManifestError: There is nothing at a path, a link is on the way, or it cannot be read.
    """
    times: dict[str, float] = {}
    with Directory.top(root) as top:
        for _, here in groupby(sorted(paths, key=_parent), key=_parent):
            siblings = list(here)
            with top.parent_of(siblings[0]) as (folder, _):
                for path in siblings:
                    times[path] = folder.status(native(path.rpartition("/")[2])).st_mtime
    return times


class Digests:
    """Makes the entries of regular files, by path, and notes when they were modified."""

    task = DIGEST
    answer_size = FACTS.size

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries
        self.times: dict[str, int] = {}
        self._contents = Contents()

    def read(self, folders: Directories, names: Sequence[str]) -> None:
        (folder,) = folders
        descriptor, entries, digest = folder.fd, self.entries, self._contents.digest
        times = self.times
        for name, path in zip(names, folder.children(names), strict=True):
            try:
                mode, size, time, found, attributes = digest(descriptor, name)
            except OSError:
                with folder.file(name) as file:
                    mode, size, time, found, attributes = self._contents.digest_open(file)
            entries[path] = file_entry(mode & _PERMISSIONS, size, found.hex(), attributes)
            times[path] = time

    def take(self, folders: Directories, names: Sequence[str], answer: bytes) -> None:
        (folder,) = folders
        entries, times = self.entries, self.times
        answers = FACTS.iter_unpack(answer)
        for name, path, facts in zip(names, folder.children(names), answers, strict=True):
            if facts == UNREAD:
                self.read(folders, (name,))
            else:
                mode, size, time, found = facts
                entries[path] = file_entry(mode & _PERMISSIONS, size, found.hex())
                times[path] = time


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _read_root(
    top: Directory, path: str, entries: dict[str, Entry], files: Readers, skipped: frozenset[str]
) -> None:
    def enter(folder: Directory, found: Listing) -> list[str]:
        if skipped:
            found = _without(folder, found, skipped)
        if found.files:
            files.add((folder,), found.files)
        for name in found.others:
            entries[folder.child(name)] = folder.special(name)
        return found.folders

    def visit(folder: Directory) -> list[str]:
        entries[folder.path] = folder.entry()
        return enter(folder, folder.listing())

    if path == HERE:
        walk(top, visit)
        return
    with top.parent_of(path) as (folder, name):
        for inner in enter(folder, folder.listing_of(name)):
            with folder.enter(inner) as start:
                walk(start, visit)


def _without(folder: Directory, found: Listing, skipped: frozenset[str]) -> Listing:
    def left(names: list[str]) -> list[str]:
        return [name for name in names if folder.child(name) not in skipped]

    return Listing(files=left(found.files), folders=left(found.folders), others=left(found.others))
