"""A runtime served under the name of another release of the same minor version."""

import gzip
import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import zstandard

from harness.ecosystems.python.runtimes.runtime import Runtime
from harness.stack.bootstrap import EPOCH

NOTE = "served-as.txt"
"""The file, in the standard library's folder, that tells under which name it was served."""


def stand_in_archive(runtime: Runtime, version: str, kind: str, folder: Path) -> tuple[Path, str]:
    """The archive of a runtime as it is served under another version's name.

    It holds one file more, `lib/python3.N/served-as.txt`, which is what tells two releases apart
    that one runtime stands for: `sys.version` is the runtime's own.

    Args:
        runtime: What is served.
        version: The version that it is asked for by, as in `3.14.7`.
        kind: As `harness.ecosystems.python.serving` has it.
        folder: An existing folder for the archive.

    Returns:
        The file, and its sha256 in hex.
    """
    source, sha256 = runtime.archive(kind)
    if kind not in {"runtime.tar.gz", "runtime.tar.zst"}:
        return source, sha256
    target = folder / f"python-{version}-by-{runtime.digest[:12]}.{kind.partition('.')[2]}"
    with target.open("wb") as file, source.open("rb") as rest:
        # Both formats may be of several parts, each compressed by itself.
        file.write(_compressed(_note(runtime, version), kind))
        shutil.copyfileobj(rest, file, 1 << 20)
    with target.open("rb") as file:
        return target, hashlib.file_digest(file, "sha256").hexdigest()


def _note(runtime: Runtime, version: str) -> bytes:
    """The file as a part of a tar, without the blocks that end one."""
    text = f"Python {runtime.version}, served as {version}\n".encode()
    member = tarfile.TarInfo(f"lib/python{runtime.minor}/{NOTE}")
    member.size, member.mode, member.mtime = len(text), 0o644, EPOCH
    member.uname = member.gname = "root"
    return b"".join(
        (
            member.tobuf(tarfile.GNU_FORMAT),
            text,
            b"\0" * (-len(text) % tarfile.BLOCKSIZE),
        )
    )


def _compressed(data: bytes, kind: str) -> bytes:
    if kind.endswith("zst"):
        return zstandard.ZstdCompressor(level=3).compress(data)
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=packed, mtime=0) as file:
        file.write(data)
    return packed.getvalue()
