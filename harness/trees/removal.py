"""Removes trees that a build wrote, whatever it wrote."""

import errno
import os
import stat
from collections import deque
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Self

from harness.errors import StoreError

DEEPEST = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path) -> None:
    """Removes a file or a folder with all below it; one that is not there is none.

    No link is followed, and a folder is opened by its name within its own open parent, so nothing
    outside of the tree is touched even if its parts are exchanged meanwhile. Folders that their
    owner may not enter are opened up first. Depth is not limited.

    Raises:
        StoreError: Something cannot be removed, such as what belongs to another user.
    """
    try:
        parent = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _remove(parent, path.name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(
            f"cannot remove {path}: {error.filename}: {error.strerror}",
            hint=f"sudo rm -rf {path}",
        ) from error
    finally:
        os.close(parent)


def _remove(parent: int, name: str) -> None:
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=parent)
        return
    top = _opened(parent, name)
    try:
        # Folders too deep to hold all their parents open are moved up here to be emptied later.
        late: deque[str] = deque()
        _empty(top, top, late, 0)
        while late:
            moved = late.popleft()
            folder = _opened(top, moved)
            try:
                _empty(folder, top, late, 0)
            finally:
                os.close(folder)
            os.rmdir(moved, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _empty(folder: int, top: int, late: deque[str], depth: int) -> None:
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=folder)
            continue
        inner = _opened(folder, name)
        try:
            if depth < DEEPEST:
                _empty(inner, top, late, depth + 1)
        finally:
            os.close(inner)
        if depth < DEEPEST:
            os.rmdir(name, dir_fd=folder)
        else:
            moved = f".removing-{len(late)}-{os.urandom(8).hex()}"
            os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=top)
            late.append(moved)


def _opened(parent: int, name: str) -> int:
    """A folder's descriptor, with all that its owner needs to empty it."""
    try:
        folder = os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        # Linux cannot change the mode of what a name stands for without following it; it was seen
        # to be a folder, and nobody else works on a tree that is being removed.
        os.chmod(name, stat.S_IRWXU, dir_fd=parent)
        folder = os.open(name, _FOLDER, dir_fd=parent)
    try:
        if stat.S_IMODE(os.fstat(folder).st_mode) & stat.S_IRWXU != stat.S_IRWXU:
            os.fchmod(folder, stat.S_IRWXU)
    except OSError as error:
        os.close(folder)
        if error.errno != errno.EPERM:
            raise
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), name) from error
    return folder


class Remover:
    """Removes trees in a thread of its own, so that nobody waits for it; a context manager.

    What cannot be removed stays, to be removed with the folder that it lies in.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[Path | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="remover", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join()

    def remove(self, path: Path) -> None:
        """Has a tree removed soon; see `remove_tree`."""
        self._queue.put(path)

    def _work(self) -> None:
        while (path := self._queue.get()) is not None:
            with suppress(StoreError):
                remove_tree(path)
