"""Lays a stored cache out as a folder that a build may do with what it likes."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from harness.caches.listing import CacheEntry, CacheListing
from harness.caches.pool import Pool
from harness.errors import StoreError
from harness.folder import native
from harness.removal import remove_tree

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def lay_out(listing: CacheListing, pool: Pool, target: Path) -> None:
    """Makes a cache as it was recorded; it has nothing in common with what is stored.

    An overlay would be quicker for a large cache, but a build can tell it from a folder: it cannot
    rename a folder from there to its build dir, as it can where the two are on one mount.

    Args:
        listing: What it held.
        pool: Where its contents are kept.
        target: The folder's path; nothing is there yet.

    Raises:
        StoreError: Something is not in the pool or damaged, or cannot be written.
    """
    try:
        _lay_out(listing, pool, target)
    except OSError as error:
        remove_tree(target)
        raise StoreError(
            f"a stored cache cannot be copied: {error.strerror or error}",
            hint="free some room, or build without what is stored: --fresh",
        ) from error
    except StoreError:
        remove_tree(target)
        raise


def _lay_out(listing: CacheListing, pool: Pool, target: Path) -> None:
    way: list[tuple[int, CacheEntry]] = []
    try:
        for depth, own, entries in listing.folders:
            while len(way) > depth:
                _leave(*way.pop())
            if way:
                name = native(own.name)
                os.mkdir(name, 0o700, dir_fd=way[-1][0])
                folder = os.open(name, _FOLDER, dir_fd=way[-1][0])
            else:
                target.mkdir(mode=0o700)
                folder = os.open(target, _FOLDER)
            way.append((folder, own))
            for entry in entries:
                _make(entry, pool, folder, way[0][0])
        while way:
            _leave(*way.pop())
    finally:
        for folder, _ in way:
            os.close(folder)


def _leave(folder: int, own: CacheEntry) -> None:
    """Gives a folder its own facts, now that nothing more is made in it."""
    try:
        _complete(folder, own)
    finally:
        os.close(folder)


def _make(entry: CacheEntry, pool: Pool, folder: int, top: int) -> None:
    name = native(entry.name)
    if entry.twin:
        os.link(native(entry.twin), name, src_dir_fd=top, dst_dir_fd=folder, follow_symlinks=False)
    elif stat.S_ISREG(entry.mode):
        file = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
        try:
            pool.copy(entry.content, entry.size, file)
            _complete(file, entry)
        finally:
            os.close(file)
    else:
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
    """Gives an open file or folder its owner, mode, attributes and time, in this order."""
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
