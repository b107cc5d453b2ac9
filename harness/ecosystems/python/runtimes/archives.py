"""The archives of a runtime: the same tree gives the same bytes, whoever packs it, and when."""

import gzip
import hashlib
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

import zstandard

from harness.stack.bootstrap import EPOCH


def write_archives(tree: Path, gz: Path, zst: Path) -> str:
    """Writes a tree as two archives, its contents at their root.

    Returns:
        The sha256 of the tar that both compress, in hex.
    """
    with (
        _tar(tree, gz.with_suffix(".plain")) as source,
        gz.open("wb") as gz_file,
        gzip.GzipFile("", "wb", compresslevel=4, fileobj=gz_file, mtime=0) as gzipped,
    ):
        _compress(source, zst)
        source.seek(0)
        shutil.copyfileobj(source, gzipped, 1 << 20)
        source.seek(0)
        return hashlib.file_digest(source, "sha256").hexdigest()


def write_zst(tree: Path, zst: Path) -> None:
    """Writes a tree as one archive, its contents at its root."""
    with _tar(tree, zst.with_suffix(".plain")) as source:
        _compress(source, zst)


def _compress(source: BufferedReader, zst: Path) -> None:
    with zst.open("wb") as file:
        zstandard.ZstdCompressor(level=3, threads=-1).copy_stream(source, file)


@contextmanager
def _tar(tree: Path, path: Path) -> Iterator[BufferedReader]:
    """A tree as a tar, at a path where it lies until the block ends."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for each in sorted(tree.rglob("*"), key=lambda p: p.relative_to(tree).parts):
            archive.add(each, each.relative_to(tree).as_posix(), recursive=False, filter=_plain)
    with path.open("rb") as source:
        yield source
    path.unlink()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = EPOCH
    executable = member.isdir() or member.mode & 0o100
    member.mode = 0o777 if member.issym() else 0o755 if executable else 0o644
    return member
