"""Lays a stored cache out as a folder that a build may do with what it likes."""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from harness.errors import CacheError, HarnessError, StoreError
from harness.storage.caches.listing import CacheEntry, CacheFolder, CacheListing
from harness.storage.content_store import ContentStore
from harness.trees.directory import Directory, native
from harness.trees.removal import remove_tree

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def lay_out(listing: CacheListing, content_store: ContentStore, target: Path) -> None:
    """Makes a cache as it was recorded; it has nothing in common with what is stored.

    An overlay would be quicker for a large cache, but a build can tell it from a folder: it cannot
    rename a folder from there to its build dir, as it can where the two are on one mount.

    Args:
        listing: What it held.
        content_store: Where its contents are kept.
        target: The folder's path; nothing is there yet.

    Raises:
        CacheError: Something is not in the content store or damaged, or cannot be made.
        StoreError: There is no room.
    """
    try:
        target.mkdir(mode=0o700)
        _make_all(listing, content_store, target)
        _complete_folders(listing, target)
    except (OSError, HarnessError) as error:
        remove_tree(target)
        if isinstance(error, CacheError):
            raise
        raise _failed(error) from error


def _failed(error: OSError | HarnessError) -> HarnessError:
    said = error.message if isinstance(error, HarnessError) else error.strerror or str(error)
    message = f"a stored cache cannot be restored: {said}"
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return StoreError(message, hint="free some room")
    return CacheError(message, hint="build without the store's results: --fresh")


def _make_all(listing: CacheListing, content_store: ContentStore, target: Path) -> None:
    """Makes all there is, but folders with no mode and time of their own yet."""
    with Directory.top(target) as top, _Way(target) as way:
        for folder in listing.folders:
            opened = way.next(folder, make=True)
            for entry in folder.entries:
                if entry.twin:
                    _link(entry, top, opened)
                else:
                    _make(entry, content_store, opened)


def _complete_folders(listing: CacheListing, target: Path) -> None:
    """Gives folders their own facts, each after those in it: one may be closed to its owner."""
    with _Way(target, leave=_complete) as way:
        for folder in listing.folders:
            way.next(folder)


class _Way:
    """The open folders from a cache's own to the one at hand."""

    def __init__(
        self, target: Path, *, leave: Callable[[int, CacheEntry], None] | None = None
    ) -> None:
        """Args: the cache's folder, and what is done with each folder that is left behind."""
        self._target = target
        self._leave = leave
        self._open: list[tuple[int, CacheFolder]] = []

    def next(self, folder: CacheFolder, *, make: bool = False) -> int:
        """Opens the listing's next folder, which is made if asked; gives its descriptor."""
        while len(self._open) > folder.depth:
            self._go_back()
        if not self._open:
            opened = os.open(self._target, _FOLDER)
        else:
            parent, name = self._open[-1][0], native(folder.own.name)
            if make:
                os.mkdir(name, 0o700, dir_fd=parent)
            opened = os.open(name, _FOLDER, dir_fd=parent)
        self._open.append((opened, folder))
        return opened

    def _go_back(self, *, well: bool = True) -> None:
        opened, folder = self._open.pop()
        try:
            if well and self._leave is not None:
                self._leave(opened, folder.own)
        finally:
            os.close(opened)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        while self._open:
            self._go_back(well=kind is None)


def _link(entry: CacheEntry, top: Directory, folder: int) -> None:
    # Folder by folder: the whole path may be longer than the system takes.
    with top.parent_of(entry.twin) as (parent, twin):
        name, before = native(entry.name), parent.fd
        os.link(twin, name, src_dir_fd=before, dst_dir_fd=folder, follow_symlinks=False)


def _make(entry: CacheEntry, content_store: ContentStore, folder: int) -> None:
    name = native(entry.name)
    if stat.S_ISREG(entry.mode):
        file = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
        try:
            head = bytes.fromhex(entry.head)
            if head:
                os.write(file, head)
            content_store.copy(entry.content, entry.size - len(head), file)
            _complete(file, entry)
        finally:
            os.close(file)
        return
    if stat.S_ISLNK(entry.mode):
        os.symlink(native(entry.content), name, dir_fd=folder)
    else:
        os.mknod(name, entry.mode, entry.device, dir_fd=folder)
    if entry.owner != _ours():
        with suppress(PermissionError):
            os.chown(name, *entry.owner, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISLNK(entry.mode):
        os.chmod(name, stat.S_IMODE(entry.mode), dir_fd=folder)
    os.utime(name, ns=(entry.time, entry.time), dir_fd=folder, follow_symlinks=False)


def _complete(opened: int, entry: CacheEntry) -> None:
    """Gives an open file or folder its owner, attributes, mode and time, in this order."""
    # Only root may give away what it owns, and not every file system has attributes.
    if entry.owner != _ours():
        with suppress(PermissionError):
            os.fchown(opened, *entry.owner)
    for name, value in entry.attributes:
        with suppress(OSError):
            os.setxattr(opened, name, bytes.fromhex(value))
    os.fchmod(opened, stat.S_IMODE(entry.mode))
    os.utime(opened, ns=(entry.time, entry.time))


def _ours() -> tuple[int, int]:
    return os.geteuid(), os.getegid()
