"""Contents of files, each kept once under its digest, whatever caches hold it."""

import errno
import os
import secrets
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from blake3 import blake3

from harness.contents import OPEN_FILE
from harness.errors import StoreError

SPARSE: Final = ".sparse"
"""How the name of a content ends that has holes, which are kept as such and cost nothing."""

_CHUNK = 256 * 1024
_HOLE = bytes(_CHUNK)
# No write goes unseen, since it leaves another time than this one.
_SEAL = (0, 0)
_STAGED = ".staged-"


class Pool:
    """Contents in a folder; safe to use from several threads and processes at once.

    What is in it is whole, since it is renamed into place, and is not written again.
    """

    def __init__(self, folder: Path) -> None:
        """Args: the folder, which is made once something is kept."""
        self._folder = os.fspath(folder)

    def has(self, name: str, size: int) -> bool:
        """Whether a content is there and, by its size and time, as it was kept."""
        try:
            # A Path for each takes longer than the look.
            status = os.stat(self._path(name), follow_symlinks=False)  # noqa: PTH116
        except OSError:
            return False
        sealed = stat.S_ISREG(status.st_mode) and status.st_mtime_ns == _SEAL[1]
        return sealed and status.st_size == size

    def add(self, file: int, name: str, size: int) -> None:
        """Keeps the content of an open file, unless it is there.

        Args:
            file: The file's descriptor.
            name: The content's BLAKE3 in hex.
            size: Its length in bytes.

        Raises:
            OSError: It cannot be read or kept, or is another content by now.
        """
        if self.has(name, size):
            return
        os.lseek(file, 0, os.SEEK_SET)
        self._keep(file, name, size)

    def add_sparse(self, file: int, size: int) -> str:
        """Keeps the content of an open file with holes, unless it is there; gives its name.

        Raises:
            OSError: It cannot be read or kept.
        """
        name = _sparse_name(file, size)
        if not self.has(name, size):
            self._keep(file, name, size)
        return name

    def copy(self, name: str, size: int, into: int) -> None:
        """Writes a content to an open empty file.

        Raises:
            OSError: It is not there, or the file cannot be written.
            StoreError: It is damaged.
        """
        with _opened(self._path(name)) as file:
            status = os.fstat(file)
            if status.st_size != size or status.st_mtime_ns != _SEAL[1]:
                raise StoreError(
                    f"the stored content {name[:12]} was changed",
                    hint="`cache-harness store verify` removes what is damaged",
                )
            if name.endswith(SPARSE):
                _copy_sparse(file, into, size)
            else:
                _copy(file, into)

    def size(self) -> int:
        """Bytes that it takes on the disk, holes left out."""
        return sum(room for _, _, room in self._kept())

    def keep_only(self, names: Collection[str]) -> int:
        """Removes all other contents, and what was never finished; gives the bytes freed.

        Nobody else may be using the pool.

        Raises:
            OSError: Something cannot be removed.
        """
        freed = 0
        for path, name, room in self._kept():
            if name not in names:
                os.unlink(path)  # noqa: PTH108 - there are many
                freed += room
        return freed

    def verify(self) -> Iterator[str]:
        """Reads every content; gives the names of the damaged, which are removed."""
        for path, name, _ in list(self._kept()):
            try:
                with _opened(path) as file:
                    size = os.fstat(file).st_size
                    found = _sparse_name(file, size) if name.endswith(SPARSE) else _digest(file)
            except FileNotFoundError:
                continue
            if found != name and not name.startswith(_STAGED):
                os.unlink(path)  # noqa: PTH108
                yield name

    def _kept(self) -> Iterator[tuple[str, str, int]]:
        """Path, name and room of each content, and of what was never finished."""
        try:
            folders = sorted(os.listdir(self._folder))  # noqa: PTH208 - a Path each takes longer
        except FileNotFoundError:
            return
        for folder in folders:
            with os.scandir(f"{self._folder}/{folder}") as found:
                for item in found:
                    status = item.stat(follow_symlinks=False)
                    # A disk that puts off writing may tell no blocks yet.
                    room = status.st_blocks * 512 if item.name.endswith(SPARSE) else status.st_size
                    yield item.path, item.name, room

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name[:2]}/{name}"

    def _keep(self, file: int, name: str, size: int) -> None:
        folder = f"{self._folder}/{name[:2]}"
        staged = f"{folder}/{_STAGED}{secrets.token_hex(6)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            target = os.open(staged, flags, 0o444)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
            target = os.open(staged, flags, 0o444)
        try:
            try:
                if name.endswith(SPARSE):
                    _copy_sparse(file, target, size)
                elif _copy(file, target, digesting=True) != name:
                    raise OSError(errno.EAGAIN, "it changed while it was read")
                os.utime(target, ns=_SEAL)
            finally:
                os.close(target)
            os.replace(staged, self._path(name))  # noqa: PTH105
        except BaseException:
            os.unlink(staged)  # noqa: PTH108
            raise


class _opened:  # noqa: N801 - it is used as a function
    """A regular file that is open for reading in the block."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> int:
        self._file = os.open(self._path, OPEN_FILE)
        return self._file

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def _copy(source: int, target: int, *, digesting: bool = False) -> str:
    """Copies from where a file stands to its end; gives the BLAKE3 of it where that is asked."""
    digest = blake3() if digesting else None
    while data := os.read(source, _CHUNK):
        if digest is not None:
            digest.update(data)
        _write(target, data)
    return digest.hexdigest() if digest is not None else ""


def _digest(file: int) -> str:
    digest = blake3()
    while data := os.read(file, _CHUNK):
        digest.update(data)
    return digest.hexdigest()


def _copy_sparse(source: int, target: int, size: int) -> None:
    for start, data in _chunks(source, size):
        os.lseek(target, start, os.SEEK_SET)
        _write(target, data)
    os.ftruncate(target, size)


def _write(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]


def _sparse_name(file: int, size: int) -> str:
    digest = blake3(f"{size}\n".encode())
    for start, data in _chunks(file, size):
        digest.update(f"{start} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest() + SPARSE


def _chunks(file: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The parts of a file that are not all zero, wherever the file system has its holes."""
    start = 0
    while start < size:
        try:
            start = os.lseek(file, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole from here on
                return
            raise
        start -= start % _CHUNK
        data = os.pread(file, min(_CHUNK, size - start), start)
        if not data:
            return
        if data != _HOLE[: len(data)]:
            yield start, data
        start += len(data)
