"""Reads a tree into a manifest without following a link, opening a device or running anything."""

import errno
import os
import stat
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from harness.errors import ManifestError
from harness.manifest import HERE, Entry, EntryKind, Manifest, escape

WHOLE_TREE: Final = (HERE,)
"""The pattern that compares a tree as a whole."""

_WORKERS = 2
_FILES_AHEAD = 32
_LARGE = 512 * 1024
_CHUNK = 1024 * 1024

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Should a pipe or a device take a file's place before it is opened, opening it must not block.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPEN_HANDLE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

_UTF8_NAMES = sys.getfilesystemencoding() == "utf-8"
_KINDS = {
    stat.S_IFREG: EntryKind.FILE,
    stat.S_IFDIR: EntryKind.DIRECTORY,
    stat.S_IFLNK: EntryKind.SYMLINK,
    stat.S_IFIFO: EntryKind.FIFO,
    stat.S_IFSOCK: EntryKind.SOCKET,
    stat.S_IFCHR: EntryKind.CHARACTER_DEVICE,
    stat.S_IFBLK: EntryKind.BLOCK_DEVICE,
}


def scan(root: Path, patterns: tuple[str, ...]) -> Manifest:
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

    Raises:
        ManifestError: Something cannot be read, or changed while it was read, or a pattern is
            absolute, empty, or holds `..` or `**`.
    """
    parts = tuple(_parts(pattern) for pattern in patterns)
    entries: dict[str, Entry] = {}
    with _Folder.top(root) as top:
        roots = _outermost({found for wanted in parts for found in _matches(top, "", wanted)})
        with _Hashers(entries) as hashers:
            for found in roots:
                _read_root(top, found, entries, hashers)
    return Manifest(roots=roots, entries=dict(sorted(entries.items())))


def read_file(root: Path, path: str, *, limit: int) -> bytes:
    """The first `limit` bytes of a regular file of a tree.

    Args:
        root: The tree's folder.
        path: The file's path, as in a manifest.
        limit: The most bytes to read.

    Raises:
        ManifestError: There is no regular file there, a link is on the way, or it cannot be read.
    """
    folders, _, name = path.rpartition("/")
    if {"", HERE, ".."} & set(path.split("/")):
        raise ManifestError(
            f"cannot read {escape(path)}: it is no path of a manifest",
            hint="name a file inside the tree, relative to it",
        )
    with ExitStack() as stack:
        folder = stack.enter_context(_Folder.top(root))
        for part in folders.split("/") if folders else ():
            folder = stack.enter_context(folder.enter(_native(part)))
        with _reading(path):
            file, _ = _open_file(folder.fd, _native(name))
            with os.fdopen(file, "rb") as stream:
                return stream.read(limit)


class _Folder:
    """An open directory that its owner can list and search while it is open."""

    __slots__ = ("_given", "entry", "fd", "path")

    def __init__(self, path: str, fd: int, *, given: int | None) -> None:
        self.path = path
        self.fd = fd
        # The mode to give back, where permission had to be taken.
        self._given = given
        mode = stat.S_IMODE(os.fstat(fd).st_mode) if given is None else given
        self.entry = Entry(kind=EntryKind.DIRECTORY, mode=mode)

    @classmethod
    def top(cls, root: Path) -> Self:
        """Opens a tree's own folder."""
        try:
            return cls._open(HERE, os.fspath(root), None)
        except OSError as error:
            raise ManifestError(
                f"cannot read the tree {escape(os.fspath(root))}: {error.strerror}",
                hint="give a folder that exists and is not a symlink",
            ) from error

    def enter(self, name: str) -> Self:
        """Opens a directory in this one."""
        path = self.child(name)
        with _reading(path):
            return self._open(path, name, self.fd)

    @classmethod
    def _open(cls, path: str, name: str, parent: int | None) -> Self:
        try:
            fd = os.open(name, _OPEN_FOLDER, dir_fd=parent)
        except PermissionError:
            pass
        else:
            mode = stat.S_IMODE(os.fstat(fd).st_mode)
            if mode & 0o500 == 0o500 or _searchable(fd):
                return cls(path, fd, given=None)
            os.close(fd)
        fd, mode = _open_with_permission(name, parent, wanted=0o500, flags=_OPEN_FOLDER)
        return cls(path, fd, given=mode)

    def child(self, name: str) -> str:
        """The path of a name in this directory."""
        text = _text(name)
        return text if self.path == HERE else f"{self.path}/{text}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes it and gives its mode back."""
        if self._given is not None:
            os.fchmod(self.fd, self._given)
            self._given = None
        os.close(self.fd)


class _Hashers:
    """Threads that read large files into a manifest's entries while the tree is walked.

    Small files are read by the walking thread: threads that each make many short system calls
    wait for one another's turn at the interpreter longer than they read.
    """

    def __init__(self, entries: dict[str, Entry]) -> None:
        self._entries = entries
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="scan")
        self._ahead: deque[tuple[str, Future[Entry]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A file is closed by the thread that reads it, so every one that was handed over is read.
        self._pool.shutdown(wait=True)
        if error is None:
            while self._ahead:
                self._take()

    def add(self, folder: _Folder, name: str) -> None:
        """Reads a regular file of an open directory, now or later."""
        path = folder.child(name)
        try:
            file, status = _open_file(folder.fd, name)
            if status.st_size < _LARGE:
                self._entries[path] = _hash(file, status)
                return
        except OSError as error:
            raise _unreadable(path, error) from error
        self._ahead.append((path, self._pool.submit(_hash, file, status)))
        if len(self._ahead) > _FILES_AHEAD:
            self._take()

    def _take(self) -> None:
        path, read = self._ahead.popleft()
        with _reading(path):
            self._entries[path] = read.result()


def _read_root(top: _Folder, path: str, entries: dict[str, Entry], hashers: _Hashers) -> None:
    if path == HERE:
        _walk(top, entries, hashers)
        return
    folders, _, name = path.rpartition("/")
    with ExitStack() as stack:
        folder = top
        for part in folders.split("/") if folders else ():
            folder = stack.enter_context(folder.enter(_native(part)))
        native = _native(name)
        with _reading(path):
            mode = os.stat(native, dir_fd=folder.fd, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            with folder.enter(native) as start:
                _walk(start, entries, hashers)
        elif stat.S_ISREG(mode):
            hashers.add(folder, native)
        else:
            entries[path] = _special(folder, native)


def _walk(start: _Folder, entries: dict[str, Entry], hashers: _Hashers) -> None:
    # A stack of its own, since a tree can be deeper than Python's recursion limit.
    way = [start]
    ahead: list[Iterator[str]] = []
    try:
        while way:
            folder = way[-1]
            if len(ahead) < len(way):
                ahead.append(iter(_list(folder, entries, hashers)))
            name = next(ahead[-1], None)
            if name is not None:
                way.append(folder.enter(name))
                continue
            ahead.pop()
            way.pop()
            if folder is not start:
                folder.close()
    finally:
        for folder in reversed(way[1:]):
            folder.close()


def _list(folder: _Folder, entries: dict[str, Entry], hashers: _Hashers) -> list[str]:
    """Enters a directory's own entry and its children's; gives the names of its directories."""
    folders: list[str] = []
    entries[folder.path] = folder.entry
    with _reading(folder.path), os.scandir(folder.fd) as found:
        for item in found:
            if item.is_file(follow_symlinks=False):
                hashers.add(folder, item.name)
            elif item.is_dir(follow_symlinks=False):
                folders.append(item.name)
            else:
                entries[folder.child(item.name)] = _special(folder, item.name)
    return folders


def _special(folder: _Folder, name: str) -> Entry:
    with _reading(folder.child(name)):
        status = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
        kind = _KINDS[stat.S_IFMT(status.st_mode)]
        if kind is EntryKind.SYMLINK:
            return Entry(kind=kind, target=_text(os.readlink(name, dir_fd=folder.fd)))
        if kind in {EntryKind.FILE, EntryKind.DIRECTORY}:
            raise OSError(errno.EAGAIN, "it changed while it was read")
        return Entry(
            kind=kind,
            mode=stat.S_IMODE(status.st_mode),
            device=(os.major(status.st_rdev), os.minor(status.st_rdev))
            if kind in {EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE}
            else (0, 0),
        )


def _hash(file: int, status: os.stat_result) -> Entry:
    """The entry of an open regular file, which is closed."""
    size = status.st_size
    try:
        if size < _LARGE:
            # One byte more than there is: a short read then shows the end as well.
            data = os.read(file, size + 1)
            count = len(data)
            digest = sha256(data)
        else:
            digest = sha256()
            count = 0
            while data := os.read(file, _CHUNK):
                count += len(data)
                digest.update(data)
    finally:
        os.close(file)
    if count != size:
        raise OSError(errno.EAGAIN, "it changed while it was read")
    return Entry(
        kind=EntryKind.FILE,
        mode=stat.S_IMODE(status.st_mode),
        size=size,
        digest=digest.hexdigest(),
    )


def _open_file(folder: int, name: str) -> tuple[int, os.stat_result]:
    """Opens a regular file for reading; an OSError where something else is there."""
    try:
        file = os.open(name, _OPEN_FILE, dir_fd=folder)
    except PermissionError:
        file, mode = _open_with_permission(name, folder, wanted=0o400, flags=_OPEN_FILE)
        os.fchmod(file, mode)
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return file, status


def _open_with_permission(
    name: str, parent: int | None, *, wanted: int, flags: int
) -> tuple[int, int]:
    """Opens what its owner may not read; gives the descriptor and the mode to set again.

    The mode is changed through a handle on the very file, so a link put in its place is not
    followed.
    """
    handle = os.open(name, _OPEN_HANDLE, dir_fd=parent)
    try:
        mode = os.fstat(handle).st_mode
        if not (stat.S_ISDIR(mode) if flags & os.O_DIRECTORY else stat.S_ISREG(mode)):
            raise OSError(errno.EINVAL, "it is not what it was when its folder was listed")
        through = f"/proc/self/fd/{handle}"
        mode = stat.S_IMODE(mode)
        Path(through).chmod(mode | wanted)
        try:
            return os.open(through, flags & ~os.O_NOFOLLOW), mode
        except BaseException:
            Path(through).chmod(mode)
            raise
    finally:
        os.close(handle)


def _searchable(folder: int) -> bool:
    return os.access(HERE, os.R_OK | os.X_OK, dir_fd=folder, effective_ids=True)


def _matches(folder: _Folder, prefix: str, parts: tuple[str, ...]) -> Iterator[str]:
    """Paths that a pattern's parts match from an open directory on."""
    if not parts:
        yield HERE
        return
    pattern, rest = parts[0], parts[1:]
    for name in _named(folder, pattern):
        path = prefix + _text(name)
        with _reading(path):
            mode = os.stat(name, dir_fd=folder.fd, follow_symlinks=False).st_mode
        if not rest or stat.S_ISLNK(mode):
            yield path
        elif stat.S_ISDIR(mode):
            with folder.enter(name) as inner:
                yield from _matches(inner, f"{path}/", rest)


def _named(folder: _Folder, pattern: str) -> list[str]:
    with _reading(folder.path):
        if any(mark in pattern for mark in "*?["):
            with os.scandir(folder.fd) as found:
                return [item.name for item in found if fnmatchcase(_text(item.name), pattern)]
        name = _native(pattern)
        try:
            os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
        except FileNotFoundError:
            return []
        return [name]


def _outermost(paths: set[str]) -> tuple[str, ...]:
    if HERE in paths:
        return WHOLE_TREE
    return tuple(
        path for path in sorted(paths) if not any(path.startswith(f"{other}/") for other in paths)
    )


def _parts(pattern: str) -> tuple[str, ...]:
    if pattern == HERE:
        return ()
    parts = tuple(pattern.rstrip("/").split("/"))
    if not all(parts) or "\0" in pattern or {"..", HERE, "**"} & set(parts):
        raise ManifestError(
            f"the compared root {pattern!r} is no pattern of paths inside the build",
            hint="write it relative to the build dir, with * within one part, as in lib/python*/x",
        )
    return parts


@contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> ManifestError:
    hints = {
        errno.EACCES: "run as the user who owns the tree",
        errno.EPERM: "run as the user who owns the tree",
        errno.EMFILE: "raise the limit on open files (ulimit -n), or look for a folder loop",
    }
    return ManifestError(
        f"cannot read {escape(path)}: {error.strerror}",
        hint=hints.get(error.errno or 0, "make sure that nothing writes to the tree meanwhile"),
    )


def _text(name: str) -> str:
    """A name as the operating system gave it, as a manifest's text, whatever the locale."""
    return name if _UTF8_NAMES else os.fsencode(name).decode("utf-8", "surrogateescape")


def _native(text: str) -> str:
    return text if _UTF8_NAMES else os.fsdecode(text.encode("utf-8", "surrogateescape"))
