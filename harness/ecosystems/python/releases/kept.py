"""Stored releases: their files, and a record of them beside."""

import hashlib
import io
import json
import tarfile
import zipfile
from email.parser import BytesParser
from pathlib import Path

from packaging.utils import canonicalize_name

from harness.ecosystems.python.releases.repack import repack_sdist, repack_wheel
from harness.errors import ReleaseError
from harness.internet import Release, ReleaseFile


def keep_release(out: Path, staging: Path, label: str) -> None:
    """Repacks what was built, and writes `release.json` beside it.

    Args:
        out: The folder with the wheel and the sdist as they were built.
        staging: An existing folder, the release's own.
        label: What an error calls the project.

    Raises:
        ReleaseError: There is not one of each, or one cannot be read.
    """
    wheels, sdists = sorted(out.glob("*.whl")), sorted(out.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        raise ReleaseError(
            f"the build of {label} left {len(wheels)} wheels and {len(sdists)} sdists",
            hint="its backend must build one of each",
        )
    try:
        wheel = repack_wheel(wheels[0].read_bytes())
        sdist = repack_sdist(sdists[0].read_bytes())
        project, version = _identity(wheel)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, KeyError, ValueError, OSError) as error:
        raise ReleaseError(
            f"the result of the build of {label} cannot be read: {error}",
            hint="correct the fixture",
        ) from error
    files = {wheels[0].name: wheel, sdists[0].name: sdist}
    for name, data in files.items():
        (staging / name).write_bytes(data)
    record = {
        "project": project,
        "version": version,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    (staging / "release.json").write_text(json.dumps(record, indent=1))


def kept_release(folder: Path) -> Release:
    """The release that `keep_release` wrote.

    Raises:
        ReleaseError: It cannot be read.
    """
    try:
        record = json.loads((folder / "release.json").read_text())
        return Release(
            project=record["project"],
            version=record["version"],
            files=tuple(
                ReleaseFile(name=name, path=folder / name, sha256=sha256)
                for name, sha256 in sorted(record["files"].items())
            ),
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ReleaseError(
            f"cannot read the stored release {folder}: {error}", hint="remove it and try again"
        ) from error


def _identity(wheel: bytes) -> tuple[str, str]:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        name = next(
            (name for name in archive.namelist() if name.endswith(".dist-info/METADATA")), None
        )
        if name is None:
            raise ValueError("the wheel has no METADATA")
        metadata = BytesParser().parsebytes(archive.read(name), headersonly=True)
    if not metadata["Name"] or not metadata["Version"]:
        raise ValueError("the wheel's METADATA names no project and version")
    return canonicalize_name(metadata["Name"]), str(metadata["Version"])
