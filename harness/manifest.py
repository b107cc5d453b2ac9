"""What a tree holds: one entry per path, as plain data."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from harness.errors import ManifestError

FORMAT: Final = 1
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One directory entry.

    Modification times, owners, link counts and the sizes of directories are left out: two correct
    builds differ in them.

    Attributes:
        kind: What it is.
        mode: Permission bits with set-uid, set-gid and sticky; 0 for a symlink, which has none.
        size: Bytes of a regular file, else 0.
        digest: sha256 of a regular file's content in hex, else empty.
        target: Where a symlink points, as written, else empty.
        device: Major and minor number of a device, else `(0, 0)`.
    """

    kind: EntryKind
    mode: int = 0
    size: int = 0
    digest: str = ""
    target: str = ""
    device: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The entries under a tree's compared roots.

    Attributes:
        roots: The paths that the root patterns matched, sorted, none inside another.
        entries: Path to entry, sorted by path. A path is relative to the tree, with `/` between
            its parts; bytes that are not UTF-8 are lone surrogates (PEP 383). A root is an entry
            too; the tree itself is `.`.
    """

    roots: tuple[str, ...]
    entries: Mapping[str, Entry]

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
    """A manifest as one line of ASCII JSON, from which `from_json` makes an equal manifest."""
    return json.dumps(
        {
            "format": FORMAT,
            "roots": [escape(root) for root in manifest.roots],
            "entries": {
                escape(path): [
                    entry.kind.value,
                    entry.mode,
                    entry.size,
                    entry.digest,
                    escape(entry.target),
                    *entry.device,
                ]
                for path, entry in manifest.entries.items()
            },
        },
        separators=(",", ":"),
    )


def from_json(text: str) -> Manifest:
    """The manifest that `to_json` wrote.

    Raises:
        ManifestError: The text is no manifest, or one of another format.
    """
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise ManifestError(
                f"a stored manifest has format {document['format']!r}, this version reads {FORMAT}",
                hint="remove the stored result, so that the build is run again",
            )
        return Manifest(
            roots=tuple(unescape(root) for root in document["roots"]),
            entries={unescape(path): _entry(row) for path, row in document["entries"].items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ManifestError(
            f"a stored manifest is damaged: {error}",
            hint="remove the stored result, so that the build is run again",
        ) from error


def _entry(row: list[Any]) -> Entry:
    kind, mode, size, digest, target, major, minor = row
    return Entry(
        kind=EntryKind(kind),
        mode=mode,
        size=size,
        digest=digest,
        target=unescape(target),
        device=(major, minor),
    )


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
            hint="remove the stored result, so that the build is run again",
        )
    return text
