"""What an index says of a file beyond its name, read from the file without running it."""

import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from email.parser import BytesParser
from functools import lru_cache
from pathlib import Path

_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMetadata:
    """A file's Requires-Python, and its METADATA's bytes.

    `metadata` is None where the file is not a wheel: only a wheel's may be trusted (PEP 658).
    """

    requires_python: str | None = None
    metadata: bytes | None = None


@lru_cache(maxsize=1024)
def read_metadata(path: Path, sha256: str) -> FileMetadata:  # noqa: ARG001 - the cache's key
    """Reads a wheel's METADATA or an sdist's PKG-INFO.

    A file that cannot be read has no metadata: what a client makes of it is the client's affair.
    """
    try:
        if path.name.endswith(".whl"):
            with zipfile.ZipFile(path) as wheel:
                metadata = wheel.read(
                    next(
                        name
                        for name in wheel.namelist()
                        if name.count("/") == 1 and name.endswith(".dist-info/METADATA")
                    )
                )
            return FileMetadata(requires_python=_requires_python(metadata), metadata=metadata)
        if path.name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(path) as sdist:
                for member in sdist:
                    if member.name.count("/") == 1 and member.name.endswith("/PKG-INFO"):
                        stream = sdist.extractfile(member)
                        data = stream.read() if stream else b""
                        return FileMetadata(requires_python=_requires_python(data))
    except (OSError, StopIteration, RuntimeError, EOFError, *_BROKEN):
        pass
    return FileMetadata()


def _requires_python(metadata: bytes) -> str | None:
    value = BytesParser().parsebytes(metadata, headersonly=True)["Requires-Python"]
    return None if value is None else str(value)
