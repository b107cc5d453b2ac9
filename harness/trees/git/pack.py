"""A pack of objects and its index, in memory: the format of git's `gitformat-pack`."""

import hashlib
import struct
import zlib
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_FANOUT: Final = 256 * 4
_SECOND: Final = b"\xfftOc\x00\x00\x00\x02"
_KINDS: Final = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_BY_OFFSET: Final = 6
_BY_NAME: Final = 7
_DEEPEST: Final = 4096
"""Deltas of deltas; git writes at most 4,095."""
_CACHED: Final = 48 * 1024 * 1024
_LARGE_OFFSET: Final = 0x8000_0000
_LETTERS: Final = {4: "I", 8: "Q"}

Spend = Callable[[int], None]
"""Is called for each piece of work before it is done, by its size in bytes."""


class PackError(Exception):
    """A pack or an object of it is damaged; the message says how, as a phrase."""


class Pack:
    """One pack; what it says of itself is not believed.

    Attributes:
        damage: What its checksums say is damaged, as a phrase; its objects may be sound.
    """

    def __init__(self, index: bytes, data: bytes, *, id_size: int, largest: int) -> None:
        """Takes the index and the pack.

        Args:
            index: What the `.idx` file holds.
            data: What the `.pack` file holds.
            id_size: Bytes of an object's id.
            largest: Objects of more bytes are not read.

        Raises:
            PackError: No object can be found by these files.
        """
        if data[:4] != b"PACK" or int.from_bytes(data[4:8], "big") not in {2, 3}:
            raise PackError("it is not a pack")
        if index[-2 * id_size : -id_size] != data[-id_size:]:
            raise PackError("its index is another pack's")
        self._data = memoryview(data)
        self._largest = largest
        self._id_size = id_size
        self._bases: OrderedDict[int, tuple[str, bytes]] = OrderedDict()
        self._held = 0
        self.damage = self._damage(index, data)
        self._read_index(index)
        self._ends = sorted(self._offsets)

    def find(self, name: str) -> int | None:
        """Where an object is, by its id in hex; None where it is not in this pack."""
        wanted = bytes.fromhex(name)
        if len(wanted) != self._id_size:
            return None
        low = self._fanout[wanted[0] - 1] if wanted[0] else 0
        at = bisect_left(self, wanted, low, self._fanout[wanted[0]])
        return self._offsets[at] if at < len(self) and self[at] == wanted else None

    def read(self, offset: int, spend: Spend) -> tuple[str, bytes]:
        """The kind and the content of the object at an offset; its name is not checked.

        Raises:
            PackError: It is damaged.
        """
        deltas: list[tuple[int, bytes]] = []
        at = offset
        seen: set[int] = set()
        while at not in self._bases:
            if at in seen or len(deltas) > _DEEPEST:
                raise PackError("its deltas lead nowhere")
            seen.add(at)
            kind, size, start, base = self._head(at)
            spend(size)
            content = self._inflate(at, start, size)
            if base is None:
                self._hold(at, _KINDS[kind], content)
                break
            deltas.append((at, content))
            at = base
        self._bases.move_to_end(at)
        name, content = self._bases[at]
        for place, delta in reversed(deltas):
            content = self._patched(content, delta, spend)
            self._hold(place, name, content)
        return name, content

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, at: int) -> bytes:
        start = self._names_at + at * self._step
        return self._names[start : start + self._id_size]

    def _damage(self, index: bytes, data: bytes) -> str:
        """What the checksums at the ends of both files say, as a phrase; empty where they fit."""
        size = self._id_size
        digest = hashlib.sha1 if size == 20 else hashlib.sha256
        for part, what in ((data, "it"), (index, "its index")):
            body = memoryview(part)[:-size]
            if digest(body, usedforsecurity=False).digest() != part[-size:]:
                return f"{what} is damaged"
        return ""

    def _read_index(self, index: bytes) -> None:
        second = index.startswith(_SECOND)
        start = len(_SECOND) if second else 0
        fanout = _numbers(index[start : start + _FANOUT], 4)
        count = fanout[-1] if fanout else 0
        size = self._id_size
        if len(fanout) != 256 or fanout != sorted(fanout) or count * (size + 4) > len(index):
            raise PackError("its index is malformed")
        self._fanout = fanout
        self._names = index
        start += _FANOUT
        if not second:
            self._step = size + 4
            self._names_at = start + 4
            rows = range(start, start + count * self._step, self._step)
            self._offsets = [int.from_bytes(index[row : row + 4], "big") for row in rows]
            return
        self._step = size
        self._names_at = start
        offsets_at = start + count * (size + 4)
        offsets = _numbers(index[offsets_at : offsets_at + 4 * count], 4)
        large = _numbers(index[offsets_at + 4 * count : -2 * size], 8)
        if len(offsets) != count:
            raise PackError("its index is malformed")
        try:
            self._offsets = [
                large[each - _LARGE_OFFSET] if each >= _LARGE_OFFSET else each for each in offsets
            ]
        except IndexError as error:
            raise PackError("its index is malformed") from error

    def _head(self, offset: int) -> tuple[int, int, int, int | None]:
        """Kind, size, where its bytes begin, and where its base is."""
        try:
            return self._parsed_head(offset)
        except IndexError as error:
            raise PackError("it ends too early") from error

    def _parsed_head(self, offset: int) -> tuple[int, int, int, int | None]:
        data, at = self._data, offset
        byte = data[at]
        at += 1
        kind, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 0x80:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if shift > 60:
                raise PackError("it says no size")
        if size > self._largest:
            raise PackError(f"it has more than {self._largest} bytes")
        if kind in _KINDS:
            return kind, size, at, None
        if kind == _BY_OFFSET:
            back, at = _distance(data, at, offset)
            return kind, size, at, offset - back
        if kind == _BY_NAME:
            base = self.find(bytes(data[at : at + self._id_size]).hex())
            if base is None:
                raise PackError("the object that it is a delta of is not in its pack")
            return kind, size, at + self._id_size, base
        raise PackError("it is of an unknown kind")

    def _inflate(self, offset: int, start: int, size: int) -> bytes:
        after = bisect_right(self._ends, offset)
        end = self._ends[after] if after < len(self._ends) else len(self._data) - self._id_size
        stream = zlib.decompressobj()
        try:
            content = stream.decompress(self._data[start:end], size + 1)
        except zlib.error as error:
            raise PackError("it is damaged in its pack") from error
        if len(content) != size or not stream.eof:
            raise PackError("it is damaged in its pack")
        return content

    def _patched(self, base: bytes, delta: bytes, spend: Spend) -> bytes:
        try:
            size, at = _varint(delta, 0)
            target, at = _varint(delta, at)
            if size != len(base):
                raise PackError("its delta is another object's")
            if target > self._largest:
                raise PackError(f"it has more than {self._largest} bytes")
            spend(target)
            return _apply(base, delta, at, target)
        except IndexError as error:
            raise PackError("its delta is damaged") from error

    def _hold(self, offset: int, kind: str, content: bytes) -> None:
        """Keeps what others may be deltas of; the one in hand always stays."""
        self._bases[offset] = (kind, content)
        self._held += len(content)
        while self._held > _CACHED and len(self._bases) > 1:
            _, (_, dropped) = self._bases.popitem(last=False)
            self._held -= len(dropped)


def _distance(data: memoryview, at: int, most: int) -> tuple[int, int]:
    """How far back an object's base is, and where that number ends."""
    byte = data[at]
    at += 1
    back = byte & 0x7F
    while byte & 0x80 and back <= most:
        byte = data[at]
        at += 1
        back = ((back + 1) << 7) | (byte & 0x7F)
    if not 0 < back <= most:
        raise PackError("its deltas lead nowhere")
    return back, at


def _apply(base: bytes, delta: bytes, at: int, target: int) -> bytes:
    made = bytearray()
    while at < len(delta):
        code = delta[at]
        at += 1
        if code & 0x80:
            source = base
            start, at = _little(delta, at, code & 0x0F)
            count, at = _little(delta, at, code >> 4 & 0x07)
            count = count or 0x10000
        else:
            source, start, count = delta, at, code
            at += count
        if not count or start + count > len(source) or len(made) + count > target:
            raise PackError("its delta is damaged")
        made += source[start : start + count]
    if len(made) != target:
        raise PackError("its delta is damaged")
    return bytes(made)


def _little(data: bytes, at: int, present: int) -> tuple[int, int]:
    """A number of which only the bytes are written that a bit says, and where it ends."""
    value = shift = 0
    while present:
        if present & 1:
            value |= data[at] << shift
            at += 1
        present >>= 1
        shift += 8
    return value, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at
        if shift > 60:
            raise PackError("its delta is damaged")


def _numbers(data: bytes, size: int) -> list[int]:
    count = len(data) // size
    return list(struct.unpack_from(f">{count}{_LETTERS[size]}", data))
