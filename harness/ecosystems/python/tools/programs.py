"""The archive that a tool's maker publishes of its programs, made from the tool's wheel."""

import hashlib
import zipfile
from pathlib import Path

from harness.errors import ReleaseError
from harness.internet import ReleaseFile
from harness.internet.archives import Member, tar_gz
from harness.storage.store import Store


def programs_archive(wheel: Path, *, folder: str, store: Store) -> ReleaseFile:
    """Returns a `.tar.gz` of a wheel's programs (its `.data/scripts`), making it if it is not kept.

    Args:
        wheel: The wheel.
        folder: The archive's only folder, in which the programs lie; also the archive's name.
        store: Where it is kept, by the wheel's name.

    Raises:
        ReleaseError: The wheel cannot be read, or has no programs.
    """
    final = store.tools / f"{wheel.stem}-programs"
    if not final.is_dir():
        with store.staged(final) as staging:
            (staging / f"{folder}.tar.gz").write_bytes(_archive(wheel, folder))
    path = final / f"{folder}.tar.gz"
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ReleaseError(
            f"cannot read the stored archive {path}: {error.strerror}",
            hint=f"remove {final} and try again",
        ) from error
    return ReleaseFile(name=path.name, path=path, sha256=sha256)


def _archive(wheel: Path, folder: str) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as packed:
            members = [
                Member(path=f"{folder}/{Path(name).name}", data=packed.read(name), executable=True)
                for name in packed.namelist()
                if ".data/scripts/" in name and not name.endswith("/")
            ]
    except (OSError, zipfile.BadZipFile) as error:
        raise ReleaseError(
            f"cannot read the stored wheel {wheel}: {error}", hint="remove it and try again"
        ) from error
    if not members:
        raise ReleaseError(f"{wheel.name} holds no programs", hint="choose another release of it")
    return tar_gz(members)
