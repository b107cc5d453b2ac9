"""An open folder of a tree, and what is in it, whatever its modes."""

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

from harness.errors import ManifestError
from harness.trees.file_reader import OPEN_FILE, attributes
from harness.trees.manifest import HERE, Entry, EntryKind, escape

_OPEN_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_HANDLE: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

_UTF8_NAMES: Final = sys.getfilesystemencoding() == "utf-8"
_KINDS: Final = {
    stat.S_IFREG: EntryKind.FILE,
    stat.S_IFDIR: EntryKind.DIRECTORY,
    stat.S_IFLNK: EntryKind.SYMLINK,
    stat.S_IFIFO: EntryKind.FIFO,
    stat.S_IFSOCK: EntryKind.SOCKET,
    stat.S_IFCHR: EntryKind.CHARACTER_DEVICE,
    stat.S_IFBLK: EntryKind.BLOCK_DEVICE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Names in a folder.

    Attributes:
        files: Those of regular files.
        folders: Those of directories.
        others: Those of all else.
    """

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


class Directory:
    """An open directory that its owner can list and search until all who hold it let it go.

    Attributes:
        path: Its path in the tree, as in a manifest.
        prefix: What stands before a name of its in a manifest.
        fd: Its descriptor.
        mode: Its permission bits, as they are but for the time that it is open.
    """

    __slots__ = ("_given", "_holds", "fd", "mode", "path", "prefix")

    def __init__(self, path: str, fd: int, mode: int, *, given: bool) -> None:
        self.path = path
        self.prefix = "" if path == HERE else f"{path}/"
        self.fd = fd
        self.mode = mode
        # Whether permission had to be taken, so that the mode is to be given back.
        self._given = given
        self._holds = 1

    @classmethod
    def top(cls, root: Path) -> Self:
        """Opens a tree's own folder.

        Raises:
            ManifestError: It is not there, is not a directory or a link to one, or cannot be read.
        """
        try:
            return cls._open(HERE, os.fspath(root), None)
        except OSError as error:
            raise ManifestError(
                f"cannot read the tree {escape(os.fspath(root))}: {error.strerror}",
                hint="give a folder that exists and is not a symlink",
            ) from error

    def enter(self, name: str) -> Self:
        """Opens a directory in this one.

        Raises:
            ManifestError: There is no directory of that name, or it cannot be read.
        """
        path = self.child(name)
        try:
            return self._open(path, name, self.fd)
        except OSError as error:
            raise _unreadable(path, error) from error

    @classmethod
    def _open(cls, path: str, name: str, parent: int | None) -> Self:
        try:
            fd = os.open(name, _OPEN_FOLDER, dir_fd=parent)
        except PermissionError:
            pass
        else:
            mode = stat.S_IMODE(os.fstat(fd).st_mode)
            if mode & 0o500 == 0o500 or _searchable(fd):
                return cls(path, fd, mode, given=False)
            os.close(fd)
        fd, mode = _open_with_permission(name, parent, wanted=0o500, flags=_OPEN_FOLDER)
        return cls(path, fd, mode, given=True)

    def child(self, name: str) -> str:
        """The path of a name in this directory."""
        return self.prefix + text(name)

    def children(self, names: Iterable[str]) -> list[str]:
        """The paths of names in this directory, in their order."""
        prefix = self.prefix
        return [prefix + name for name in (names if _UTF8_NAMES else map(text, names))]

    def listing(self) -> "Listing":
        """What is in it.

        Raises:
            ManifestError: It cannot be read.
        """
        files: list[str] = []
        folders: list[str] = []
        others: list[str] = []
        try:
            with os.scandir(self.fd) as found:
                for item in found:
                    if item.is_file(follow_symlinks=False):
                        files.append(item.name)
                    elif item.is_dir(follow_symlinks=False):
                        folders.append(item.name)
                    else:
                        others.append(item.name)
        except OSError as error:
            raise _unreadable(self.path, error) from error
        return Listing(files=files, folders=folders, others=others)

    def listing_of(self, name: str) -> "Listing":
        """What a name in it stands for, as if nothing else stood in it.

        Raises:
            ManifestError: There is no such name.
        """
        match self.kind(name):
            case EntryKind.FILE:
                return Listing(files=[name])
            case EntryKind.DIRECTORY:
                return Listing(folders=[name])
            case _:
                return Listing(others=[name])

    def kind(self, name: str) -> EntryKind:
        """What a name in this directory stands for.

        Raises:
            ManifestError: There is no such name.
        """
        with reading(self.child(name)):
            return _KINDS[stat.S_IFMT(self._lstat(name).st_mode)]

    def status(self, name: str) -> os.stat_result:
        """The status of a name in this directory; a link's own.

        Raises:
            ManifestError: There is no such name.
        """
        with reading(self.child(name)):
            return self._lstat(name)

    @contextmanager
    def parent_of(self, path: str) -> Iterator[tuple["Directory", str]]:
        """Opens the directory that a path inside of this one stands in; gives its name there too.

        Args:
            path: The path, relative to this directory.

        Raises:
            ManifestError: It is not a path of a manifest, a link is on the way, or what is on the
                way cannot be read.
        """
        *folders, name = path.split("/")
        if {"", HERE, ".."} & {*folders, name}:
            raise ManifestError(
                f"cannot read {escape(path)}: it is not a path of a manifest",
                hint="name a file inside the tree, relative to it",
            )
        with ExitStack() as stack:
            folder: Directory = self
            for part in folders:
                folder = stack.enter_context(folder.enter(native(part)))
            yield folder, native(name)

    def special(self, name: str) -> Entry:
        """The entry of what is neither a regular file nor a directory.

        Raises:
            ManifestError: It is one of these, or cannot be read.
        """
        with reading(self.child(name)):
            status = self._lstat(name)
            kind = _KINDS[stat.S_IFMT(status.st_mode)]
            if kind is EntryKind.SYMLINK:
                return Entry(kind=kind, target=text(os.readlink(name, dir_fd=self.fd)))
            if kind in {EntryKind.FILE, EntryKind.DIRECTORY}:
                raise OSError(errno.EAGAIN, "it changed while it was read")
            return Entry(
                kind=kind,
                mode=stat.S_IMODE(status.st_mode),
                device=(os.major(status.st_rdev), os.minor(status.st_rdev))
                if kind in {EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE}
                else (0, 0),
            )

    @contextmanager
    def file(self, name: str) -> Iterator[int]:
        """Opens a file for the block; one that its owner may not read is given back its mode.

        Raises:
            ManifestError: It cannot be opened, or the block raised an OSError about it.
        """
        with reading(self.child(name)):
            try:
                file = os.open(name, OPEN_FILE, dir_fd=self.fd)
            except PermissionError:
                file, mode = _open_with_permission(name, self.fd, wanted=0o400, flags=OPEN_FILE)
                os.fchmod(file, mode)
            try:
                yield file
            finally:
                os.close(file)

    @contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """The same, where an OSError of the block is not about the file.

        Raises:
            ManifestError: It cannot be opened.
        """
        with self.file(name) as file:
            own = os.dup(file)
        try:
            yield own
        finally:
            os.close(own)

    def entry(self) -> Entry:
        """The directory's own entry."""
        return Entry(kind=EntryKind.DIRECTORY, mode=self.mode, attributes=attributes(self.fd))

    def hold(self) -> Self:
        """Keeps it open until `close` was called once more."""
        self._holds += 1
        return self

    def close(self) -> None:
        """Lets it go: the last who does closes it and gives its mode back."""
        self._holds -= 1
        if self._holds:
            return
        if self._given:
            os.fchmod(self.fd, self.mode)
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _lstat(self, name: str) -> os.stat_result:
        return os.stat(name, dir_fd=self.fd, follow_symlinks=False)


class Open(Protocol):
    """An open folder, or folders of one path in several trees."""

    def enter(self, name: str) -> Self:
        """Opens a directory in it."""

    def close(self) -> None:
        """Lets it go."""


_Open = TypeVar("_Open", bound=Open)


def walk(start: _Open, visit: Callable[[_Open], list[str]]) -> None:
    """Visits an open folder and folders below it, however deep they are.

    Args:
        start: Where to start; it stays open.
        visit: Is called with each folder while it is open; gives the names of the folders in it
            that are to be visited, in a list that is used up.

    Raises:
        ManifestError: A folder cannot be read, or `visit` raised it.
    """
    # A stack of its own, since a tree can be deeper than Python's recursion limit.
    way = [start]
    ahead = [visit(start)]
    try:
        while ahead:
            if ahead[-1]:
                way.append(way[-1].enter(ahead[-1].pop()))
                ahead.append(visit(way[-1]))
            else:
                ahead.pop()
                if len(way) > 1:
                    way.pop().close()
    finally:
        for folder in reversed(way[1:]):
            folder.close()


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turns an OSError of the block into the error that names this path of a tree."""
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


def text(name: str) -> str:
    """A name as the operating system gave it, as a manifest's text, whatever the locale."""
    return name if _UTF8_NAMES else os.fsencode(name).decode("utf-8", "surrogateescape")


def native(path: str) -> str:
    """The name that `text` was given."""
    return path if _UTF8_NAMES else os.fsdecode(path.encode("utf-8", "surrogateescape"))


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
