"""The contents of a tree's files, packed by digest: to be judged, a tree need not be kept."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

import zstandard

from harness.errors import ManifestError
from harness.manifest import EntryKind, Manifest

_LEVEL = 1  # packing must not cost a build's time


def pack(manifest: Manifest, read: Callable[[str], bytes], into: Path, *, largest: int) -> None:
    """Writes the contents of a manifest's regular files, each once.

    Args:
        manifest: The tree's manifest.
        read: Gives a file's content by its path.
        into: The file to write.
        largest: Files of more bytes are left out.

    Raises:
        ManifestError: `read` raised it.
        OSError: The file cannot be written.
    """
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    packed: set[str] = set()
    with zipfile.ZipFile(into, "x", zipfile.ZIP_STORED) as archive:
        for path, entry in manifest.entries.items():
            if entry.kind is not EntryKind.FILE or entry.size > largest or entry.digest in packed:
                continue
            packed.add(entry.digest)
            archive.writestr(zipfile.ZipInfo(entry.digest), compressor.compress(read(path)))


class Contents:
    """A pack that is open for reading; a context manager."""

    def __init__(self, path: Path) -> None:
        """Opens what `pack` wrote.

        Raises:
            ManifestError: It is not there or damaged.
        """
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise _damaged(path, error) from error
        self._path = path

    def read(self, digest: str, *, size: int) -> bytes:
        """A file's content.

        Args:
            digest: Its digest, as in the manifest.
            size: Its length in bytes.

        Raises:
            ManifestError: It is not in the pack, or damaged.
        """
        try:
            packed = self._archive.read(digest)
            # Before anything is unpacked: a damaged length must not ask for all memory.
            length = zstandard.frame_content_size(packed)
            data = zstandard.ZstdDecompressor().decompress(packed) if length == size else None
        except (KeyError, OSError, zipfile.BadZipFile, zstandard.ZstdError) as error:
            raise _damaged(self._path, error) from error
        if data is None:
            raise _damaged(self._path, ValueError(f"{length} bytes where {size} were packed"))
        return data

    def close(self) -> None:
        """Closes the file."""
        self._archive.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _damaged(path: Path, error: Exception) -> ManifestError:
    return ManifestError(
        f"the stored contents at {path} are damaged: {error}",
        hint="`cache-harness store verify` removes damaged builds, which are then built again",
    )
