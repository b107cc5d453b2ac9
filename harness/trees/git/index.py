"""A repository's index: what is staged, without the times and inodes that git notes beside it."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Staged = Mapping[tuple[bytes, int], tuple[int, str, int]]
"""Mode, object id and flags by path and stage; the stage is 0 but in a conflict."""

_HEADER: Final = 12
_TIMES: Final = 40  # what `stat` said of the file; the mode is in the middle of it
_MODE_AT: Final = 24
_EXTENDED: Final = 0x4000
_ASSUME_VALID: Final = 0x8000
_STAGE_SHIFT: Final = 12
_LENGTH: Final = 0x0FFF
_SKIP_OR_INTENT: Final = 0x6000
_MOST_NAMES: Final = 128 * 1024 * 1024  # bytes of all paths together
_REQUIRED = re.compile(rb"[^A-Z]")
_KNOWN_REQUIRED: Final = frozenset({b"sdir"})


class IndexFileError(Exception):
    """An index is damaged or of a kind that is not read; the message says so, as a phrase."""


@dataclass(slots=True)
class _Reader:
    data: bytes
    place: int

    def take(self, count: int) -> bytes:
        taken = self.data[self.place : self.place + count]
        if len(taken) != count:
            raise IndexFileError("it ends too early")
        self.place += count
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def until_null(self) -> bytes:
        end = self.data.find(b"\0", self.place)
        if end < 0:
            raise IndexFileError("it ends too early")
        return self.take(end - self.place)

    def varint(self) -> int:
        """A number as version 4 writes it: seven bits a byte, each further one with an offset."""
        byte = self.number(1)
        value = byte & 0x7F
        while byte & 0x80:
            byte = self.number(1)
            value = ((value + 1) << 7) | (byte & 0x7F)
            if value > len(self.data):
                raise IndexFileError("it names a path that is not there")
        return value


def parse(data: bytes, *, id_size: int) -> Staged:
    """What is staged.

    Args:
        data: The file.
        id_size: Bytes of an object id: 20, or 32 where the repository's are SHA-256.

    Raises:
        IndexFileError: It is damaged, or a part of it is in another file.
    """
    body, sum_ = data[:-id_size], data[-id_size:]
    digest = hashlib.sha1 if id_size == 20 else hashlib.sha256
    # `index.skipHash` leaves zeros there.
    if any(sum_) and digest(body, usedforsecurity=False).digest() != sum_:
        raise IndexFileError("its checksum is wrong")
    reader = _Reader(body, 0)
    if reader.take(4) != b"DIRC":
        raise IndexFileError("it is none")
    version = reader.number(4)
    if version not in {2, 3, 4}:
        raise IndexFileError(f"it is of version {version}")
    count = reader.number(4)
    staged: dict[tuple[bytes, int], tuple[int, str, int]] = {}
    path = b""
    size = 0
    for _ in range(count):
        start = reader.place
        head = reader.take(_TIMES)
        name = reader.take(id_size).hex()
        flags = reader.number(2)
        more = reader.number(2) if flags & _EXTENDED and version > 2 else 0
        if version == 4:
            cut = reader.varint()
            if cut > len(path):
                raise IndexFileError("it names a path that is not there")
            path = path[: len(path) - cut] + reader.until_null()
            reader.take(1)
        else:
            length = flags & _LENGTH
            path = reader.take(length) if length < _LENGTH else reader.until_null()
            reader.take(8 - (reader.place - start) % 8)
        size += len(path)
        if size > _MOST_NAMES:
            raise IndexFileError("its paths are longer than is read")
        mode = int.from_bytes(head[_MODE_AT : _MODE_AT + 4], "big")
        kept = (flags & _ASSUME_VALID) | (more & _SKIP_OR_INTENT)
        staged[path, flags >> _STAGE_SHIFT & 3] = (mode, name, kept)
    _check_extensions(reader)
    return staged


def _check_extensions(reader: _Reader) -> None:
    """Holds that nothing follows the entries that changes what they say."""
    while reader.place < len(reader.data):
        name = reader.take(4)
        # Those that a reader may skip begin with a capital.
        if _REQUIRED.match(name[:1]) and name not in _KNOWN_REQUIRED:
            shown = name.decode("ascii", "replace")
            raise IndexFileError(f"a part of it is elsewhere ({shown})")
        reader.take(reader.number(4))
