"""Archives with the same bytes on every machine: nothing in them depends on who packs them."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass

EPOCH = 1577836800  # 2020-01-01T00:00:00Z; a zip cannot hold a time before 1980


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A regular file or a symlink of an archive; a symlink's `data` is its target."""

    path: str
    data: bytes
    executable: bool = False
    symlink: bool = False


def stored_gzip(data: bytes) -> bytes:
    """Returns `data` in gzip's format, stored: deflated bytes differ between zlib's versions."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=0, fileobj=packed, mtime=0) as stream:
        stream.write(data)
    return packed.getvalue()


def tar_gz(members: Iterable[Member]) -> bytes:
    """Returns a gzipped tar of the members, in the order given."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            info = tarfile.TarInfo(member.path)
            info.mtime = EPOCH
            info.mode = 0o755 if member.executable or member.symlink else 0o644
            if member.symlink:
                info.type = tarfile.SYMTYPE
                info.linkname = member.data.decode()
                archive.addfile(info)
            else:
                info.size = len(member.data)
                archive.addfile(info, io.BytesIO(member.data))
    return stored_gzip(plain.getvalue())


def zip_stored(members: Iterable[Member]) -> bytes:
    """Returns a zip of the members' files, in the order given, none compressed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            info = zipfile.ZipInfo(member.path, date_time=(2020, 1, 1, 0, 0, 0))
            info.create_system = 3  # Unix, so that modes are read
            info.external_attr = (0o100755 if member.executable else 0o100644) << 16
            archive.writestr(info, member.data)
    return packed.getvalue()
