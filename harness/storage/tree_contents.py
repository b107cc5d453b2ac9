"""The contents of a built tree's files: to be judged, the tree itself need not be kept."""

import struct
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from blake3 import blake3

from harness.errors import ManifestError
from harness.storage.content_store import ContentStore, Headed
from harness.trees.directory import Directory, native
from harness.trees.explainer import HEAD, ContentPolicy
from harness.trees.manifest import Entry, EntryKind, Manifest

# The digests of the whole file and of what follows its head, and the head.
_HEADED: Final = struct.Struct(f"32s32s{HEAD}s")


def keep_contents(
    manifest: Manifest,
    tree: Path,
    content_store: ContentStore,
    into: Path,
    *,
    policy: ContentPolicy,
) -> tuple[str, ...]:
    """Keeps what the regular files of a manifest hold, each content once.

    Args:
        manifest: What the tree held when it was read.
        tree: The tree's folder.
        content_store: Where contents are kept.
        into: A file to write, by which `Contents` finds them again.
        policy: Which of them are kept; the others are left out.

    Returns:
        The paths of files that were left out, sorted.

    Raises:
        ManifestError: A file cannot be read, or holds something else by now.
        OSError: Something cannot be kept.
    """
    headed = {}
    with Directory.top(tree) as top:
        for _, paths in groupby(_missing(manifest, content_store, policy), key=_folder):
            siblings = list(paths)
            with top.parent_of(siblings[0]) as (opened, _):
                for path in siblings:
                    entry, name = manifest.entries[path], path.rpartition("/")[2]
                    with opened.opened(native(name)) as file:
                        if content_store.is_headed(path, entry.size):
                            found = content_store.add_headed(file, entry.digest, entry.size)
                            headed[entry.digest] = found
                        else:
                            content_store.add(file, entry.digest, entry.size)
    known = b"".join(
        _HEADED.pack(bytes.fromhex(digest), bytes.fromhex(name), head)
        for digest, (head, name) in headed.items()
    )
    into.write_bytes(blake3(known).digest() + known)
    return tuple(
        sorted(
            path
            for path, entry in manifest.entries.items()
            if entry.kind is EntryKind.FILE and not policy.keeps(path, entry.size)
        )
    )


class Contents:
    """The contents that were kept of a tree."""

    def __init__(self, content_store: ContentStore, path: Path) -> None:
        """Args: where contents are kept, and the file that `keep_contents` wrote.

        Raises:
            ManifestError: The file is not there or damaged.
        """
        self._content_store = content_store
        self._headed: dict[str, Headed] = {}
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _damaged() from error
        known = data[blake3.digest_size :]
        if data != blake3(known).digest() + known:
            raise _damaged()
        for digest, name, head in _HEADED.iter_unpack(known):
            self._headed[digest.hex()] = Headed(head, name.hex())

    def read(self, entry: Entry) -> bytes:
        """What a regular file of the manifest holds.

        Raises:
            ManifestError: It is not kept or damaged.
        """
        head, name = self._find(entry)
        return head + self._content_store.read(name, entry.size - len(head))

    def head(self, entry: Entry) -> bytes:
        """The first bytes of a regular file whose head is kept apart; else all of it.

        Raises:
            ManifestError: It is not kept or damaged.
        """
        found = self._headed.get(entry.digest)
        return found.head if found else self.read(entry)

    def lacks(self, entry: Entry) -> bool:
        """Whether a regular file's content is not there, by its size and time."""
        head, name = self._find(entry)
        return not self._content_store.has(name, entry.size - len(head))

    def names(self) -> Iterator[str]:
        """The names in the content store of contents that have none by their files' digests."""
        return (found.name for found in self._headed.values())

    def _find(self, entry: Entry) -> Headed:
        return self._headed.get(entry.digest, Headed(b"", entry.digest))


def _missing(
    manifest: Manifest, content_store: ContentStore, policy: ContentPolicy
) -> Iterator[str]:
    """The paths of files whose contents are still to be kept, a folder's mostly side by side."""
    seen = set()
    for path, entry in manifest.entries.items():
        if entry.kind is not EntryKind.FILE or entry.digest in seen:
            continue
        if not policy.keeps(path, entry.size):
            continue
        if content_store.is_headed(path, entry.size) or not content_store.has(
            entry.digest, entry.size
        ):
            seen.add(entry.digest)
            yield path


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _damaged() -> ManifestError:
    return ManifestError(
        "what is stored of a build's files is damaged",
        hint="`cache-harness store verify` removes damaged builds, which are then rebuilt",
    )
