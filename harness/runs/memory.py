"""Room in memory for the folders that builds work in."""

import contextlib
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from harness.sandboxes import End, Outcome

PLACE: Final = Path("/dev/shm")  # noqa: S108 - where Linux has a tmpfs(5) for everybody
ROOM: Final = 2 * 1024**3
"""Bytes that must be free for a build that is to work in memory, besides copies of its cache."""

# Copies of its cache that a build comes to hold: the one given, one installed, one saved. What it
# was given it did not write, so that one does not count as its own.
_COPIES = 3
_OWN_COPIES = 2
_FOR_FILES = 3 / 4  # of the memory that it may use; the rest is for its processes
_NO_SPACE = b"No space left on device"
_TAIL = 256 * 1024


def folder_of_runs() -> Path | None:
    """This user's folder in memory, made if it is missing; None where none is available.

    It is this user's alone: everybody may write where it lies.
    """
    folder = PLACE / f"cache-harness-{os.getuid()}"
    try:
        if not _is_memory(PLACE) or os.statvfs(PLACE).f_flag & os.ST_NOEXEC:
            return None
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    mine = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return folder if mine and not status.st_mode & 0o077 else None


def _is_memory(place: Path) -> bool:
    for line in (
        Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    ):
        _, point, kind, *_ = line.split(" ")
        if point == str(place):
            return kind == "tmpfs"
    return False


class Room:
    """Says which builds may work in memory; safe to use from several threads."""

    def __init__(self, folder: Path | None) -> None:
        """Args: a run's own folder in memory, or None where builds work on disk."""
        self._folder = folder
        self._lock = threading.Lock()
        self._taken = 0

    @contextlib.contextmanager
    def held(self, *, cache: int, memory: int) -> Iterator[Path | None]:
        """Holds room for one build; yields the folder, or None where there is not enough.

        Args:
            cache: Bytes of the cache that the build is given.
            memory: Bytes that it may use, its own files in memory included.
        """
        wanted = ROOM + _COPIES * cache
        allowed = self._folder is not None and _OWN_COPIES * cache <= memory * _FOR_FILES
        with self._lock:
            fits = allowed and wanted + self._taken <= _free()
            taken = wanted if fits else 0
            self._taken += taken
        try:
            yield self._folder if fits else None
        finally:
            with self._lock:
                self._taken -= taken


def _free() -> int:
    return min(shutil.disk_usage(PLACE).free, psutil.virtual_memory().available)


def outgrew(outcome: Outcome, log: Path) -> bool:
    """Whether a build in memory failed for the room that its own files took there.

    Args:
        outcome: How it ended.
        log: Its whole output.
    """
    if outcome.passed:
        return False
    if outcome.end is not End.EXITED:
        return outcome.end is End.MEMORY
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL))
        return _NO_SPACE in file.read()
