"""What a cache holds, as a file that stands for it: folders in the order in which they are made."""

import hashlib
import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import zstandard

from harness.errors import CacheError

_LEVEL = 1  # packing must not cost a build's time
_LARGEST = 2**31


class CacheEntry(NamedTuple):
    """One entry of a folder, or a folder itself.

    Attributes:
        name: Its name there; a byte that is not UTF-8 is a lone surrogate (PEP 383).
        mode: Its kind and permission bits, as in stat(2).
        time: When it was modified, in nanoseconds since the epoch.
        owner: Its user and group.
        size: Bytes of a regular file.
        content: A regular file's, by its name in the content store; where a symlink points.
        head: A regular file's first bytes, in hex, where its stored content begins after them.
        twin: The path of the entry before that is the same file, where it has hard links.
        device: A device's number.
        attributes: Extended attributes, in hex, by name.
    """

    name: str
    mode: int
    time: int
    owner: tuple[int, int]
    size: int = 0
    content: str = ""
    head: str = ""
    twin: str = ""
    device: int = 0
    attributes: tuple[tuple[str, str], ...] = ()


class CacheFolder(NamedTuple):
    """A folder and what is in it, but for folders: these follow it, deeper by one.

    Attributes:
        depth: How many folders it lies in; the first, which is the cache itself, lies in none.
        own: Its own entry.
        entries: What else is in it.
    """

    depth: int
    own: CacheEntry
    entries: tuple[CacheEntry, ...]


@dataclass(frozen=True, slots=True)
class CacheListing:
    """A whole cache: every folder right after those that it lies in."""

    folders: tuple[CacheFolder, ...]

    def contents(self) -> Iterator[tuple[str, int]]:
        """The name in the content store and the size of each regular file that is kept there."""
        for folder in self.folders:
            for entry in folder.entries:
                if stat.S_ISREG(entry.mode) and not entry.twin:
                    yield entry.content, entry.size - len(entry.head) // 2

    @property
    def size(self) -> int:
        """Bytes that the contents of its regular files take."""
        return sum(size for _, size in self.contents())

    @property
    def count(self) -> int:
        """How many entries it has."""
        return sum(1 + len(folder.entries) for folder in self.folders) - 1

    @property
    def files(self) -> int:
        """How many entries are no folders."""
        return sum(len(folder.entries) for folder in self.folders)


def pack(listing: CacheListing) -> bytes:
    """A listing as bytes."""
    text = json.dumps(listing.folders, separators=(",", ":"))
    return zstandard.ZstdCompressor(level=_LEVEL).compress(text.encode("ascii"))


def unpack(data: bytes, *, digest: str) -> CacheListing:
    """The listing that `pack` made.

    Args:
        data: What `pack` gave.
        digest: Its sha256 in hex.

    Raises:
        CacheError: The data is damaged.
    """
    if hashlib.sha256(data).hexdigest() != digest:
        raise CacheError(
            "a stored cache's listing is damaged",
            hint="`cache-harness store verify` removes damaged builds, which are then rebuilt",
        )
    text = zstandard.ZstdDecompressor().decompress(data, max_output_size=_LARGEST)
    try:
        return CacheListing(tuple(_folder(*found) for found in json.loads(text)))
    except (TypeError, ValueError) as error:
        raise CacheError(
            "a stored cache has another version", hint="`cache-harness store prune --all`"
        ) from error


def _folder(depth: int, own: list[Any], entries: list[list[Any]]) -> CacheFolder:
    return CacheFolder(depth, _entry(*own), tuple(_entry(*entry) for entry in entries))


def _entry(name: str, mode: int, time: int, owner: list[int], *rest: Any) -> CacheEntry:
    size, content, head, twin, device, attributes = rest
    user, group = owner
    pairs = tuple((key, value) for key, value in attributes)
    return CacheEntry(name, mode, time, (user, group), size, content, head, twin, device, pairs)
