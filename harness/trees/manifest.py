"""What a tree holds: one entry per path, as plain data."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from blake3 import blake3

from harness.errors import ManifestError
from harness.trees.file_reader import Attributes

FORMAT: Final = 3
ALGORITHM: Final = "blake3"
"""What an entry's digest is; of large files it is computed four times as fast as sha256."""
HERE: Final = "."
"""The path of a compared root itself, relative to that root."""

_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U(00(?:0[1-9a-f]|10)[0-9a-f]{4})|(\\))")


class EntryKind(StrEnum):
    """What a directory entry is; never what a link leads to."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    FIFO = "fifo"
    SOCKET = "socket"
    CHARACTER_DEVICE = "char"
    BLOCK_DEVICE = "block"


_LETTERS: Final = {
    EntryKind.FILE: "f",
    EntryKind.DIRECTORY: "d",
    EntryKind.SYMLINK: "l",
    EntryKind.FIFO: "p",
    EntryKind.SOCKET: "s",
    EntryKind.CHARACTER_DEVICE: "c",
    EntryKind.BLOCK_DEVICE: "b",
}
_KINDS: Final = {letter: kind for kind, letter in _LETTERS.items()}
_DEVICES: Final = {EntryKind.CHARACTER_DEVICE, EntryKind.BLOCK_DEVICE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One directory entry.

    Modification times, owners, link counts and the sizes of directories are left out: two correct
    builds differ in them. (Whether a time lets Python use what it compiled is judged elsewhere.)

    Attributes:
        kind: What it is.
        mode: Permission bits with set-uid, set-gid and sticky; 0 for a symlink, which has none.
        size: Bytes of a regular file, else 0.
        digest: The BLAKE3 of a regular file's content in hex, else empty.
        target: Where a symlink points, as written, else empty.
        device: Major and minor number of a device, else `(0, 0)`.
        attributes: Extended attributes of a regular file or directory that are part of what is
            deployed (capabilities, access lists, `user.` ones), by name, with their values in hex.
    """

    kind: EntryKind
    mode: int = 0
    size: int = 0
    digest: str = ""
    target: str = ""
    device: tuple[int, int] = (0, 0)
    attributes: Attributes = ()


def file_entry(mode: int, size: int, digest: str, attributes: Attributes = ()) -> Entry:
    """The entry of a regular file: what `Entry` makes, in less than half of the time."""
    # A frozen dataclass sets its attributes by their names; a large tree has 100,000 entries.
    entry = object.__new__(Entry)
    _SET_KIND(entry, EntryKind.FILE)
    _SET_MODE(entry, mode)
    _SET_SIZE(entry, size)
    _SET_DIGEST(entry, digest)
    _SET_TARGET(entry, "")
    _SET_DEVICE(entry, _NO_DEVICE)
    _SET_ATTRIBUTES(entry, attributes)
    return entry


_SET_KIND, _SET_MODE, _SET_SIZE, _SET_DIGEST, _SET_TARGET, _SET_DEVICE, _SET_ATTRIBUTES = (
    vars(Entry)[name].__set__
    for name in ("kind", "mode", "size", "digest", "target", "device", "attributes")
)
_NO_DEVICE = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The entries under a tree's compared roots.

    Attributes:
        roots: The paths that the root patterns matched, sorted, none inside another.
        entries: Path to entry, sorted by path. A path is relative to the tree, with `/` between
            its parts; bytes that are not UTF-8 are lone surrogates (PEP 383). A root is an entry
            too; the tree itself is `.`.
        times: When regular files were modified, in whole seconds since the epoch, by path. They
            are not compared: they tell which compiled files are used, and what was restored.
    """

    roots: tuple[str, ...]
    entries: Mapping[str, Entry]
    times: Mapping[str, int] = field(default_factory=dict, compare=False)

    def split(self, path: str) -> tuple[str, str]:
        """The compared root that holds a path, and the path relative to that root.

        A root itself is `.` there. A path under no root of this manifest gives `("", path)`.
        """
        if path in self.roots:
            return path, HERE
        head = path
        while head:
            head = head.rpartition("/")[0]
            if head in self.roots:
                return head, path[len(head) + 1 :]
        return (HERE, path) if HERE in self.roots else ("", path)


def content_digest(data: bytes) -> str:
    """The digest, as in an entry, of a regular file's content."""
    return blake3(data).hexdigest()


def parents(path: str) -> Iterator[str]:
    """The folders that hold a path, the outermost first; not the tree itself."""
    return (path[:place] for place, character in enumerate(path) if character == "/")


def escape(text: str) -> str:
    r"""A path or link target as text that any terminal, JSON reader or page can take.

    Undecodable bytes and ASCII control characters become `\xNN`, other unprintable characters
    `\uNNNN` or `\UNNNNNNNN`, and a backslash is doubled: different texts stay different.
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(map(_escaped, text))


def unescape(text: str) -> str:
    """The text that `escape` was given.

    Raises:
        ManifestError: A backslash starts no escape that `escape` writes.
    """
    if "\\" not in text:
        return text
    parts: list[str] = []
    position = 0
    for found in _ESCAPE.finditer(text):
        parts += [_plain(text[position : found.start()]), _unescaped(found)]
        position = found.end()
    return "".join([*parts, _plain(text[position:])])


def to_json(manifest: Manifest) -> str:
    """A manifest as one line of ASCII JSON, from which `from_json` makes an equal manifest.

    It holds a list for each attribute, which is read in a fraction of the time that a list for
    each entry takes, and a digest of itself.
    """
    entries = manifest.entries.values()
    files = [entry for entry in entries if entry.kind is EntryKind.FILE]
    rest = json.dumps(
        {
            "roots": [escape(root) for root in manifest.roots],
            "paths": [escape(path) for path in manifest.entries],
            "kinds": "".join([_LETTERS[entry.kind] for entry in entries]),
            "modes": [entry.mode for entry in entries],
            "sizes": [entry.size for entry in files],
            "digests": [entry.digest for entry in files],
            "targets": [escape(each.target) for each in entries if each.kind is EntryKind.SYMLINK],
            "devices": [entry.device for entry in entries if entry.kind in _DEVICES],
            "attributes": [
                [place, entry.attributes] for place, entry in enumerate(entries) if entry.attributes
            ],
            "times": _times(manifest),
        },
        separators=(",", ":"),
    )
    return _head(rest) + rest[1:]


def from_json(text: str) -> Manifest:
    """The manifest that `to_json` wrote.

    Raises:
        ManifestError: The text is not a manifest, one that was damaged, or one of another format.
    """
    rest = "{" + text[_HEAD_LENGTH:]
    if not text.startswith(_head(rest)):
        raise ManifestError(
            f"a stored manifest is damaged, or not of format {FORMAT}, which this version reads",
            hint="remove the stored result, so that the build runs again",
        )
    document = json.loads(rest)
    paths = [unescape(path) for path in document["paths"]]
    entries = dict(zip(paths, _entries(document), strict=True))
    for place, attributes in document["attributes"]:
        path = paths[place]
        pairs = tuple((name, value) for name, value in attributes)
        entries[path] = replace(entries[path], attributes=pairs)
    files = (path for path, entry in entries.items() if entry.kind is EntryKind.FILE)
    return Manifest(
        roots=tuple(unescape(root) for root in document["roots"]),
        entries=entries,
        times=dict(zip(files, document["times"], strict=True)) if document["times"] else {},
    )


def digests_in(text: str) -> list[str]:
    """The digests that a manifest holds, from what `to_json` wrote: much quicker than reading it.

    Of a damaged text some may be missing, or be none.
    """
    return _DIGEST.findall(text.partition(_DIGESTS)[2].partition("]")[0])


def _times(manifest: Manifest) -> list[int]:
    """A time for each regular file, in their order; none where they are not known."""
    if not manifest.times:
        return []
    files = (path for path, entry in manifest.entries.items() if entry.kind is EntryKind.FILE)
    return [manifest.times[path] for path in files]


def _head(rest: str) -> str:
    digest = blake3(rest.encode("ascii", "backslashreplace")).hexdigest()
    return f'{{"format":{FORMAT},"blake3":"{digest}",'


_HEAD_LENGTH = len(_head(""))
# In a path each quotation mark has a backslash before it.
_DIGESTS = ',"digests":['
_DIGEST = re.compile("[0-9a-f]{64}")


def _entries(document: dict[str, Any]) -> Iterator[Entry]:
    sizes, digests = iter(document["sizes"]), iter(document["digests"])
    targets, devices = iter(document["targets"]), iter(document["devices"])
    for letter, mode in zip(document["kinds"], document["modes"], strict=True):
        kind = _KINDS[letter]
        if kind is EntryKind.FILE:
            yield file_entry(mode, next(sizes), next(digests))
        elif kind is EntryKind.SYMLINK:
            yield Entry(kind=kind, target=unescape(next(targets)))
        elif kind in _DEVICES:
            major, minor = next(devices)
            yield Entry(kind=kind, mode=mode, device=(major, minor))
        else:
            yield Entry(kind=kind, mode=mode)


def _escaped(character: str) -> str:
    code = ord(character)
    if character == "\\":
        return "\\\\"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return character
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _unescaped(found: re.Match[str]) -> str:
    byte, short, long, backslash = found.groups()
    if backslash:
        return backslash
    if byte:
        code = int(byte, 16)
        return chr(code if code < 0x80 else code + 0xDC00)
    return chr(int(short or long, 16))


def _plain(text: str) -> str:
    if "\\" in text:
        raise ManifestError(
            f"a stored manifest is damaged: no escape in {text!r}",
            hint="remove the stored result, so that the build runs again",
        )
    return text
