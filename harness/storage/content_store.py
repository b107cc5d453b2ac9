"""Contents of files, each kept once under its digest, whatever builds and caches hold it."""

import errno
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from blake3 import blake3

from harness.errors import ManifestError
from harness.storage.staging import STAGED, staged_file
from harness.trees.explainer import HEAD
from harness.trees.file_reader import OPEN_FILE

SPARSE: Final = ".sparse"
"""How the name of a content ends that has holes, which are kept as such and cost nothing."""

_CHUNK = 256 * 1024
_PAGE = 4096
_HOLE = bytes(_PAGE)
# No write goes unseen, since it leaves another time than this one.
_SEAL = 0
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Headed(NamedTuple):
    """A content by its first bytes, and the name in the content store of what follows them."""

    head: bytes
    name: str


@dataclass(frozen=True, slots=True)
class _Content:
    """What lies in the content store under a name, finished or not; its room leaves out holes."""

    path: Path
    name: str
    room: int


class ContentStore:
    """Contents in a folder; safe to use from several threads and processes at once.

    What is in it is whole, since it is renamed into place, and is not written again.
    """

    def __init__(self, folder: Path, *, headed: tuple[str, ...] = ()) -> None:
        """Opens a content_store.

        Args:
            folder: The folder, which is made once something is kept.
            headed: How the names of files end whose first `HEAD` bytes are kept apart.
        """
        self._folder = folder
        self._headed = headed
        self._prefix = os.fspath(folder)

    def is_headed(self, name: str, size: int) -> bool:
        """Whether of a file of this name and size the head is kept apart."""
        return size > HEAD and name.endswith(self._headed)

    def has(self, name: str, size: int) -> bool:
        """Whether a content is there and, by its size and time, as it was kept."""
        try:
            # A Path for each takes longer than the look.
            status = os.stat(self._path(name), follow_symlinks=False)  # noqa: PTH116
        except OSError:
            return False
        return _is_sealed(status, size)

    def add(self, file: int, name: str, size: int) -> None:
        """Keeps the content of an open file, unless it is there.

        Args:
            file: The file's descriptor.
            name: The content's BLAKE3 in hex.
            size: Its length in bytes.

        Raises:
            ManifestError: It is another content by now.
            OSError: It cannot be kept.
        """
        if self.has(name, size):
            return
        os.lseek(file, 0, os.SEEK_SET)
        self._keep(file, name, size)

    def add_sparse(self, file: int, size: int) -> str:
        """Keeps the content of an open file with holes, unless it is there; gives its name.

        Raises:
            OSError: It cannot be kept.
        """
        name = _sparse_name(file, size)
        if not self.has(name, size):
            self._keep(file, name, size)
        return name

    def add_headed(self, file: int, digest: str, size: int) -> Headed:
        """Keeps what follows an open file's first `HEAD` bytes, unless it is there.

        Args:
            file: The file's descriptor.
            digest: The BLAKE3 of all that it holds, in hex.
            size: Its length in bytes.

        Raises:
            ManifestError: It is another content by now.
            OSError: It cannot be kept.
        """
        head = os.pread(file, HEAD, 0)
        os.lseek(file, HEAD, os.SEEK_SET)
        whole = blake3(head)
        name = _copy(file, None, whole=whole)
        if whole.hexdigest() != digest:
            raise _changed()
        if not self.has(name, size - HEAD):
            os.lseek(file, HEAD, os.SEEK_SET)
            self._keep(file, name, size - HEAD)
        return Headed(head, name)

    def copy(self, name: str, size: int, into: int) -> None:
        """Writes a content to an open file, from where it stands to its end.

        Raises:
            ManifestError: It is damaged.
            OSError: It is not there, or the file cannot be written.
        """
        with self._opened(name, size) as file:
            if name.endswith(SPARSE):
                _copy_sparse(file, into, size)
            else:
                _copy(file, into, digesting=False)

    def read(self, name: str, size: int) -> bytes:
        """A content that was kept by `add`, read whole.

        Raises:
            ManifestError: It is not there or damaged.
        """
        try:
            with self._opened(name, size) as file, os.fdopen(file, "rb", closefd=False) as stream:
                data = stream.read(size)
        except OSError as error:
            raise _damaged(name, f"cannot be read: {error.strerror}") from error
        if blake3(data).hexdigest() != name:
            raise _damaged(name, "was changed")
        return data

    @contextmanager
    def _opened(self, name: str, size: int) -> Iterator[int]:
        file = os.open(self._path(name), OPEN_FILE)
        try:
            if not _is_sealed(os.fstat(file), size):
                raise _damaged(name, "was changed")
            yield file
        finally:
            os.close(file)

    def rooms(self) -> dict[str, int]:
        """Bytes that each content takes on the disk, and what was never finished, by name.

        Raises:
            OSError: The content store cannot be read.
        """
        return {content.name: content.room for content in self._contents()}

    def keep_only(self, names: Collection[str]) -> int:
        """Removes all other contents, and what was never finished; gives the bytes freed.

        Nobody else may be keeping anything meanwhile.

        Raises:
            OSError: Something cannot be removed.
        """
        freed = 0
        for content in self._contents():
            if content.name not in names:
                content.path.unlink(missing_ok=True)
                freed += content.room
        return freed

    def verify(self) -> Iterator[str]:
        """Reads every content; gives the names of the damaged, which are removed.

        Raises:
            OSError: The content store cannot be read, or something cannot be removed.
        """
        for content in self._contents():
            if content.name.startswith(STAGED):
                continue
            before = _inode(content.path)
            if _digest_at(content.path, sparse=content.name.endswith(SPARSE)) == content.name:
                continue
            # Meanwhile somebody may have stored it again.
            if before is not None and before == _inode(content.path):
                content.path.unlink(missing_ok=True)
                yield content.name

    def _contents(self) -> Iterator[_Content]:
        try:
            with os.scandir(self._folder) as found:
                folders = sorted(item.path for item in found if item.is_dir(follow_symlinks=False))
        except FileNotFoundError:
            return
        for folder in folders:
            with os.scandir(folder) as found:
                for item in found:
                    # A run beside this one finishes what it keeps.
                    with suppress(FileNotFoundError):
                        status = item.stat(follow_symlinks=False)
                        if stat.S_ISDIR(status.st_mode):
                            continue
                        # A disk that puts off writing may tell no blocks yet.
                        sparse = item.name.endswith(SPARSE)
                        room = status.st_blocks * 512 if sparse else status.st_size
                        yield _Content(Path(item.path), item.name, room)

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{name[:2]}/{name}"

    def _keep(self, file: int, name: str, size: int) -> None:
        final = Path(self._path(name))
        with staged_file(final) as staged:
            try:
                target = os.open(staged, _NEW_FILE, 0o444)
            except FileNotFoundError:
                final.parent.mkdir(parents=True, exist_ok=True)
                target = os.open(staged, _NEW_FILE, 0o444)
            try:
                if name.endswith(SPARSE):
                    _copy_sparse(file, target, size)
                elif _copy(file, target) != name:
                    raise _changed()
                os.utime(target, ns=(_SEAL, _SEAL))
            finally:
                os.close(target)


def _changed() -> ManifestError:
    return ManifestError("a build's result changed while it was read", hint="run it again")


def _damaged(name: str, what: str) -> ManifestError:
    return ManifestError(
        f"the stored content {name[:12]} {what}",
        hint="`cache-harness store verify` removes damaged builds, which are then rebuilt",
    )


def _is_sealed(status: os.stat_result, size: int) -> bool:
    sealed = stat.S_ISREG(status.st_mode) and status.st_mtime_ns == _SEAL
    return sealed and status.st_size == size


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _digest_at(path: Path, *, sparse: bool) -> str:
    """The name that a content must have; empty where it cannot be read."""
    try:
        file = os.open(path, OPEN_FILE)
        try:
            return _sparse_name(file, os.fstat(file).st_size) if sparse else _copy(file, None)
        finally:
            os.close(file)
    except OSError:
        return ""


def _copy(
    source: int, target: int | None, *, digesting: bool = True, whole: blake3 | None = None
) -> str:
    """Copies from where a file stands to its end, if to anywhere; gives the BLAKE3 of it.

    `whole` takes it as well, after what came before.
    """
    digest = blake3()
    while data := os.read(source, _CHUNK):
        if digesting:
            digest.update(data)
        if whole is not None:
            whole.update(data)
        if target is not None:
            _write(target, data)
    return digest.hexdigest()


def _write(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]


def _copy_sparse(source: int, target: int, size: int) -> None:
    for start, data in _runs(source, size):
        os.lseek(target, start, os.SEEK_SET)
        _write(target, data)
    os.ftruncate(target, size)


def _sparse_name(file: int, size: int) -> str:
    """The name of a content by its pages that are not all zero, wherever the holes are."""
    digest = blake3(f"{size}\n".encode())
    for start, data in _runs(file, size):
        for at in range(0, len(data), _PAGE):
            digest.update(f"{start + at}\n".encode())
            digest.update(data[at : at + _PAGE])
    return digest.hexdigest() + SPARSE


def _runs(file: int, size: int) -> Iterator[tuple[int, bytes]]:
    """Where the runs of pages begin that are not all zero, and what they hold."""
    at = 0
    while at < size:
        try:
            begin = os.lseek(file, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole from here on
                return
            raise
        end = min(size, _up(os.lseek(file, begin, os.SEEK_HOLE)))
        at = max(at, begin - begin % _PAGE)
        while at < end:
            data = os.pread(file, min(_CHUNK, end - at), at)
            if not data:
                return
            yield from ((at + start, data[start:stop]) for start, stop in _filled(data))
            at += len(data)


def _filled(data: bytes) -> Iterator[tuple[int, int]]:
    """From where to where there are pages that are not all zero."""
    begin = None
    for at in range(0, len(data), _PAGE):
        page = data[at : at + _PAGE]
        if page != _HOLE[: len(page)]:
            begin = at if begin is None else begin
        elif begin is not None:
            yield begin, at
            begin = None
    if begin is not None:
        yield begin, len(data)


def _up(offset: int) -> int:
    return -(-offset // _PAGE) * _PAGE
