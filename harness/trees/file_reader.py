"""Reads what regular files hold, for this process or for the one that it serves."""

# The process that serves starts with each large tree, so little is imported here.
import errno
import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from struct import Struct
from typing import Final, NamedTuple

from blake3 import blake3

# Should a pipe or a device take a file's place before it is opened, opening it must not block.
OPEN_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
MOST_FOLDERS: Final = 32
"""The most descriptors of folders that one request may carry."""
LONGEST: Final = 64 * 1024
"""The most bytes of a request."""
READY: Final = b"ready"
"""What a process says once, as soon as it can take requests."""

DIGEST: Final = "d"
"""The request for the facts of files."""
COMPARE: Final = "c"
"""The request to compare the files of two folders."""
FACTS: Final = Struct("<IQq32s")
"""The answer for one file to `DIGEST`: its mode with its type, its size, its modification time in
whole seconds, its BLAKE3."""
UNREAD: Final = (0, 0, 0, bytes(32))
"""These facts, of a file that could not be read, or that has extended attributes to be listed."""
SAME: Final = b"="
"""The answer for one name to `COMPARE` where mode and content are the same."""
OTHER: Final = b"!"
"""The answer where they are not."""
UNSURE: Final = b"?"
"""The answer where one of the two files could not be read."""

LARGE: Final = 256 * 1024
"""Files of so many bytes or more are read in parts."""

COMPARED_ATTRIBUTES: Final = ("security.capability", "system.posix_acl_", "user.")
"""How the names begin of the extended attributes that are part of what is deployed: capabilities
and access lists decide what a program may do, and `user.` ones are for programs to read. Others
are the machine's own: labels of SELinux, measurements of IMA, the marks of an overlay."""

Attributes = tuple[tuple[str, str], ...]
"""Extended attributes by name, their values in hex, sorted."""


class Read(NamedTuple):
    """What is read of a regular file: all that `FACTS` has, and its compared attributes."""

    mode: int
    size: int
    time: int
    digest: bytes
    attributes: Attributes = ()


def attributes(of: int | str) -> Attributes:
    """The compared extended attributes of an open file or folder; none where there are none.

    What may not be read, or a file system without any, counts as none.
    """
    try:
        names = os.listxattr(of)
    except OSError:
        return ()
    if not names:
        return ()
    found = []
    for name in sorted(names):
        if name.startswith(COMPARED_ATTRIBUTES):
            with suppress(OSError):
                found.append((name, os.getxattr(of, name).hex()))
    return tuple(found)


class Contents:
    """Reads files into a buffer of its own, so it is for one thread at a time."""

    def __init__(self) -> None:
        buffer = bytearray(LARGE)
        self._into = (buffer,)
        self._view = memoryview(buffer)

    def digest(self, folder: int, name: str | bytes) -> Read:
        """Reads a regular file.

        Args:
            folder: The descriptor of its folder.
            name: Its name there; no link is followed.

        Raises:
            OSError: It cannot be read, is not a regular file, or changed while it was read.
        """
        file = os.open(name, OPEN_FILE, dir_fd=folder)
        try:
            return self.digest_open(file)
        finally:
            os.close(file)

    def digest_open(self, file: int) -> Read:
        """The same of an open file, which is read from where it stands."""
        status = os.fstat(file)
        mode, size = status.st_mode, status.st_size
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        count = os.readv(file, self._into)
        digest = blake3(self._view[:count])
        # There was room for one byte more than its size: had it grown, the read would show it.
        if not count == size < LARGE:
            while got := os.readv(file, self._into):
                count += got
                digest.update(self._view[:got])
            if count != size:
                raise OSError(errno.EAGAIN, "it changed while it was read")
        return Read(mode, size, int(status.st_mtime), digest.digest(), attributes(file))


def same(one: int, other: int, name: str | bytes) -> bool:
    """Whether a name stands for regular files of one mode, content and attributes in two folders.

    Args:
        one: The descriptor of one folder.
        other: The descriptor of the other.
        name: The name in both; no link is followed.

    Raises:
        OSError: Either cannot be read, is not a regular file, or changed while it was read.
    """
    file = os.open(name, OPEN_FILE, dir_fd=one)
    try:
        second = os.open(name, OPEN_FILE, dir_fd=other)
        try:
            return same_open(file, second)
        finally:
            os.close(second)
    finally:
        os.close(file)


def same_open(one: int, other: int) -> bool:
    """The same of two open files, which are read from where they stand."""
    first, second = os.fstat(one), os.fstat(other)
    if not (stat.S_ISREG(first.st_mode) and stat.S_ISREG(second.st_mode)):
        raise OSError(errno.EINVAL, "it is not a regular file")
    size = first.st_size
    if first.st_mode != second.st_mode or size != second.st_size:
        return False
    if first.st_ino == second.st_ino and first.st_dev == second.st_dev:
        return True
    count = 0
    while True:
        # One byte more than there is: a short read then shows the end as well.
        wanted = min(size - count + 1, LARGE)
        data = os.read(one, wanted)
        if data != os.read(other, wanted):
            return False
        count += len(data)
        if len(data) < wanted:
            break
    if count != size:
        raise OSError(errno.EAGAIN, "it changed while it was read")
    return attributes(one) == attributes(other)


def request(task: str, groups: list[list[str]]) -> bytes:
    """A request: names of files, in groups of one folder (or pair of folders) each."""
    return os.fsencode(task + "/".join(["\0".join(names) for names in groups]))


def serve(channel: socket.socket) -> None:
    """Answers requests, each a packet with the descriptors of its folders, until there are no more.

    No file is given permissions here: what cannot be read as it is, is answered as such.
    """
    contents = Contents()
    channel.send(READY)
    while True:
        message, folders, _, _ = socket.recv_fds(channel, LONGEST, MOST_FOLDERS)
        if not message:
            return
        try:
            groups = [names.split(b"\0") for names in message[1:].split(b"/")]
            if message[:1] == DIGEST.encode():
                answers = _digests(contents, folders, groups)
            else:
                answers = _comparisons(folders, groups)
            channel.send(b"".join(answers))
        finally:
            for folder in folders:
                os.close(folder)


def _digests(contents: Contents, folders: list[int], groups: list[list[bytes]]) -> Iterator[bytes]:
    for folder, names in zip(folders, groups, strict=True):
        for name in names:
            try:
                *facts, found = contents.digest(folder, name)
            except OSError:
                facts, found = list(UNREAD), ()
            yield FACTS.pack(*(UNREAD if found else facts))


def _comparisons(folders: list[int], groups: list[list[bytes]]) -> Iterator[bytes]:
    for one, other, names in zip(folders[::2], folders[1::2], groups, strict=True):
        for name in names:
            try:
                yield SAME if same(one, other, name) else OTHER
            except OSError:
                yield UNSURE


def main() -> None:
    """Serves whoever is at the other end of the standard input."""
    with socket.socket(fileno=sys.stdin.fileno()) as channel:
        serve(channel)
