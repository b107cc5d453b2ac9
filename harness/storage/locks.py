"""Locks on files and folders, which end with the process that holds them."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW


@contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Holds the lock of a folder, or of a file, which is made where it is missing.

    It is the kernel's (flock(2)): it excludes other threads as it does other processes, leaves
    nothing to clean up, and nobody waits for a process that was killed.

    Args:
        path: The file or folder; a file may be no link.
        shared: Whether others may hold it as well who share it.
        wait: Whether to wait for others.

    Raises:
        BlockingIOError: Somebody else holds it, and `wait` is false.
        FileNotFoundError: Its folder is gone.
        OSError: It cannot be opened or made.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    descriptor = _locked(path, kind if wait else kind | fcntl.LOCK_NB)
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(path: Path, kind: int) -> int:
    """The descriptor whose lock is held; closing it gives the lock up."""
    flags = _FOLDER if path.is_dir() else _FILE
    while True:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, kind)
            if _is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        # Whoever had it removed it; whoever comes next will lock another.
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
