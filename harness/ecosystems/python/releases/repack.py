"""The same files in an archive of the same bytes, whoever packed it, and when."""

import io
import tarfile
import zipfile

from harness.internet.archives import Member, tar_gz, zip_stored


def repack_wheel(data: bytes) -> bytes:
    """Returns a wheel with the same files, sorted, its own metadata last, RECORD at the very end.

    Contents are untouched, so RECORD stays true; times, compression and who packed it are fixed.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
        members = [
            Member(
                path=info.filename,
                data=wheel.read(info),
                executable=bool((info.external_attr >> 16) & 0o111),
            )
            for info in wheel.infolist()
            if not info.is_dir()
        ]
    return zip_stored(sorted(members, key=lambda member: _wheel_order(member.path)))


def _wheel_order(path: str) -> tuple[bool, bool, str]:
    top = path.split("/", 1)[0]
    metadata = top.endswith(".dist-info")
    return metadata, metadata and path == f"{top}/RECORD", path


def repack_sdist(data: bytes) -> bytes:
    """Returns an sdist with the same files and symlinks, sorted, owned by nobody in particular."""
    members = []
    with tarfile.open(fileobj=io.BytesIO(data)) as sdist:
        for info in sdist:
            if info.issym():
                members.append(Member(path=info.name, data=info.linkname.encode(), symlink=True))
            elif stream := sdist.extractfile(info) if not info.isdir() else None:
                members.append(
                    Member(path=info.name, data=stream.read(), executable=bool(info.mode & 0o111))
                )
    return tar_gz(sorted(members, key=lambda member: member.path))
