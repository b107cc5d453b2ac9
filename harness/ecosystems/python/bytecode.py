"""Reads compiled Python files without loading them, to tell whether two hold equal code."""

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

HEADER: Final = 16
"""Bytes before the code: magic number, flags, and source time and size or source hash (PEP 552)."""

# Final magic numbers; between them lie alphas, whose layout nobody compares.
# Source: Include/internal/pycore_magic_number.h of CPython.
_UP_TO_310 = {3413, 3425, 3439}
_FROM_311 = {3495, 3531, 3571, 3627}

# Magic numbers that a version's alphas may have taken before its final one.
_ALPHAS = 45

_ONES = 0xFFFF_FFFF_FFFF_FFFF
_V3 = 0x7465646279746573  # SipHash's constant; the key's upper half is zero

_FLAG_REF = 0x80
_DEEPEST = 150

_CONSTANTS = b"NTFS."
_FIXED = {ord("i"): 4, ord("g"): 8, ord("y"): 16}
_SHORT_TEXT = b"zZ"
_LONG_TEXT = b"aAut"
_ONE_BYTE = b"zZaA"
_SEQUENCES = b"([<>"
_TRUTHS = {ord("T"): 1, ord("F"): 0}
_NUMBERS = {ord("i"): "<i", ord("g"): "<d", ord("y"): "<dd"}


class MalformedError(ValueError):
    """The bytes are no compiled file of a known layout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What stands before the code (PEP 552).

    Attributes:
        magic: The magic number, which names the bytecode's version.
        flags: 0 for a file checked by time and size; bit 0 is set for one checked by hash.
        stamp: The 4 bytes of the source's modification time, or the hash's first half.
        size: The 4 bytes of the source's size, or the hash's second half.
    """

    magic: int
    flags: int
    stamp: bytes
    size: bytes

    @property
    def timed(self) -> bool:
        """Whether `stamp` is a modification time."""
        return self.flags == 0


def header(data: bytes) -> Header:
    """Reads a compiled file's first 16 bytes.

    Raises:
        MalformedError: It is too short, or no compiled file.
    """
    if len(data) < HEADER or data[2:4] != b"\r\n":
        raise MalformedError("no compiled Python file")
    magic, flags = struct.unpack_from("<H2xI", data)
    return Header(magic=magic, flags=flags, stamp=data[8:12], size=data[12:16])


def source_hash(source: bytes, *, magic: int) -> bytes:
    """The 8 bytes by which a compiled file names its source, where it names a hash (PEP 552).

    It is SipHash keyed by the magic number: 2-4 up to CPython 3.10, 1-3 from 3.11 on. Time is
    linear in the source's size, about half a second for a megabyte.

    Args:
        source: The source's content.
        magic: The compiled file's magic number.
    """
    each, last = (2, 4) if magic < min(_FROM_311) - _ALPHAS else (1, 3)
    key = struct.unpack("<I", struct.pack("<H", magic) + b"\r\n")[0]
    v0, v1, v2, v3 = key ^ 0x736F6D6570736575, 0x646F72616E646F6D, key ^ 0x6C7967656E657261, _V3
    whole = len(source) - len(source) % 8
    tail = (len(source) & 0xFF) << 56 | int.from_bytes(source[whole:], "little")
    for (word,) in (*struct.iter_unpack("<Q", source[:whole]), (tail,)):
        v0, v1, v2, v3 = _rounds(each, v0, v1, v2, v3 ^ word)
        v0 ^= word
    v0, v1, v2, v3 = _rounds(last, v0, v1, v2 ^ 0xFF, v3)
    return struct.pack("<Q", v0 ^ v1 ^ v2 ^ v3)


def _rounds(count: int, v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    for _ in range(count):
        v0 = (v0 + v1) & _ONES
        v1 = _turned(v1, 13) ^ v0
        v0 = _turned(v0, 32)
        v2 = (v2 + v3) & _ONES
        v3 = _turned(v3, 16) ^ v2
        v0 = (v0 + v3) & _ONES
        v3 = _turned(v3, 21) ^ v0
        v2 = (v2 + v1) & _ONES
        v1 = _turned(v1, 17) ^ v2
        v2 = _turned(v2, 32)
    return v0, v1, v2, v3


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & _ONES


def code_digest(data: bytes, *, build_paths: tuple[str, ...] = (), nameless: bool = False) -> bytes:
    """A digest that two compiled files share when their code is equal.

    The marshalled stream is walked, never loaded. Which objects are shared by reference, and which
    strings are interned, depends on what else was compiled before, and is left out; so is the
    order of a set's members, which depends on the hash seed. Known are the layouts of CPython 3.8
    to 3.14. Time and memory are linear in the file's size.

    Args:
        data: The compiled file.
        build_paths: Absolute paths; where one leads a code object's file name it is left out.
        nameless: Leave out the module's own file name, in each code object that has it: where
            there is a source the import system puts its path there (`_fix_co_filename`).

    Raises:
        MalformedError: The file is damaged, or of a layout that is not known.
    """
    magic = header(data).magic
    if magic not in _UP_TO_310 | _FROM_311:
        raise MalformedError(f"no known layout has the magic number {magic}")
    modern = magic in _FROM_311
    paths = tuple(path.encode("utf-8", "surrogateescape") for path in build_paths)
    walk = _Walk(data=data, modern=modern, build_paths=paths)
    digest = walk.part(0)
    if walk.position != len(data):
        raise MalformedError("bytes follow the code")
    if nameless and walk.filename is not None:
        # The module's code ends last, and its name stands behind the code inside.
        return _Walk(data=data, modern=modern, build_paths=paths, own=walk.filename).part(0)
    return digest


@dataclass(frozen=True, slots=True)
class _Value:
    """A marshalled object: its digest; its text where it is a string; a number's value."""

    digest: bytes
    text: bytes | None = None
    number: complex | None = None


_END = _Value(b"")


class _Walk:
    """One pass over a marshalled stream.

    Each object becomes a digest made of its kind and of its parts' digests, so a reference costs
    no more than a copy of 32 bytes however large its object is.
    """

    __slots__ = ("_build_paths", "_data", "_modern", "_own", "_refs", "filename", "position")

    def __init__(
        self,
        *,
        data: bytes,
        modern: bool,
        build_paths: tuple[bytes, ...],
        own: bytes | None = None,
    ) -> None:
        self._data = data
        self._modern = modern
        self._build_paths = build_paths
        self._own = own
        self.filename: bytes | None = None
        self._refs: list[_Value | None] = []
        self.position = HEADER

    def part(self, depth: int) -> bytes:
        """Reads the next object's digest."""
        return self._member(depth).digest

    def _member(self, depth: int) -> _Value:
        read = self._value(depth)
        if read is _END:
            raise MalformedError("an object is missing")
        return read

    def _value(self, depth: int) -> _Value:
        if depth > _DEEPEST:
            raise MalformedError("the code is nested too deep")
        first = self._take(1)[0]
        kind = first & ~_FLAG_REF
        if kind == ord("0"):
            return _END
        if kind in _CONSTANTS:
            return _Value(_digest(kind), number=_TRUTHS.get(kind))
        if kind == ord("r"):
            return self._referred(self._long())
        # CPython numbers an object before it reads what is inside.
        index = len(self._refs)
        if first & _FLAG_REF:
            self._refs.append(None)
        read = self._atom(kind) or self._compound(kind, depth + 1)
        if first & _FLAG_REF:
            self._refs[index] = read
        return read

    def _atom(self, kind: int) -> _Value | None:
        if (size := _FIXED.get(kind)) is not None:
            data = self._take(size)
            parts = struct.unpack(_NUMBERS[kind], data)
            number = complex(*parts) if len(parts) > 1 else parts[0]
            return _Value(_digest(kind, data), number=number)
        if kind == ord("l"):
            size_of_digits = self._take(4)
            (digits,) = struct.unpack("<i", size_of_digits)
            return _Value(_digest(kind, size_of_digits, self._take(2 * abs(digits))))
        if kind == ord("s"):
            return _Value(_digest(kind, self._take(self._long())))
        if kind in _SHORT_TEXT:
            return self._text(kind, self._take(self._take(1)[0]))
        if kind in _LONG_TEXT:
            return self._text(kind, self._take(self._long()))
        return None

    def _compound(self, kind: int, depth: int) -> _Value:
        if kind == ord("c"):
            return self._code(depth)
        if kind == ord("{"):
            return self._pairs(depth)
        if kind == ord(":"):
            return _Value(_digest(kind, *(self.part(depth) for _ in range(3))))
        if kind == ord(")"):
            kind, count = ord("("), self._take(1)[0]
        elif kind in _SEQUENCES:
            count = self._long()
        else:
            raise MalformedError(f"no object starts with {bytes([kind])!r}")
        members = [self._member(depth) for _ in range(count)]
        parts = [member.digest for member in members]
        # Of members that Python holds to be equal, as 1 and True, the first stays.
        numbers = [member.number for member in members if member.number is not None]
        if kind in b"<>" and len(set(numbers)) == len(numbers):
            parts.sort()
        return _Value(_digest(kind, *parts))

    def _code(self, depth: int) -> _Value:
        # Counts and flags, then objects up to the file name, then names, then line numbers.
        numbers, before, after, tables = (5, 5, 2, 2) if self._modern else (6, 6, 1, 1)
        parts = [self._take(4 * numbers)]
        parts += [self.part(depth) for _ in range(before)]
        filename = self._value(depth)
        if filename.text is None:
            raise MalformedError("a code object has no file name")
        parts.append(self._shown(filename.text))
        parts += [self.part(depth) for _ in range(after)]
        parts.append(self._take(4))
        parts += [self.part(depth) for _ in range(tables)]
        self.filename = filename.text
        return _Value(_digest(ord("c"), *parts))

    def _pairs(self, depth: int) -> _Value:
        parts: list[bytes] = []
        while (key := self._value(depth)) is not _END:
            parts += [key.digest, self.part(depth)]
        return _Value(_digest(ord("{"), *parts))

    def _text(self, kind: int, text: bytes) -> _Value:
        if kind in _ONE_BYTE and not text.isascii():
            # Each byte is a character, which it is not in UTF-8.
            return _Value(_digest(ord("a"), text), text)
        return _Value(_digest(ord("u"), text), text)

    def _shown(self, text: bytes) -> bytes:
        """The digest of a file name, or of what follows a build path in it."""
        if text == self._own:
            return _digest(ord("n"))
        for path in self._build_paths:
            if text.startswith(path) and text[len(path) : len(path) + 1] in {b"", b"/"}:
                return _digest(ord("p"), text[len(path) :])
        return _digest(ord("u"), text)

    def _referred(self, index: int) -> _Value:
        if index >= len(self._refs) or (found := self._refs[index]) is None:
            raise MalformedError("a reference leads nowhere")
        return found

    def _take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._data):
            raise MalformedError("the file ends before its code does")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def _long(self) -> int:
        (number,) = struct.unpack("<i", self._take(4))
        if number < 0:
            raise MalformedError("a size is negative")
        return int(number)


def _digest(kind: int, *parts: bytes) -> bytes:
    # For each kind every part but the last has a known length, so none passes for another's end.
    return sha256(b"".join((bytes([kind]), *parts))).digest()
