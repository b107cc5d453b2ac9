"""Sets of wheels that are kept, and the release that a kept wheel makes."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from harness.errors import ReleaseError
from harness.internet import Release, ReleaseFile
from harness.internet.tape import Toolbox
from harness.storage.store import Store


def kept(
    name: str, fetch: Callable[[Path], None], *, store: Store, toolbox: Toolbox | None
) -> Path:
    """The folder of a set of wheels, which is fetched unless it is kept.

    Args:
        name: The set's.
        fetch: Fetches the wheels into a folder.
        store: Where they are kept.
        toolbox: Comes before the store, so that a tape's builds are offered what its recording's
            were, whatever has been fetched on this machine.
    """
    found = toolbox.tools(name) if toolbox else None
    if found is not None:
        return found
    final = store.tools / name
    if not final.is_dir():
        with store.staged(final) as staging:
            fetch(staging)
    if toolbox is not None:
        toolbox.offered(name, final)
    return final


def kept_release(name: str, version: str, wheel: Path) -> Release:
    """The release of one kept wheel.

    Raises:
        ReleaseError: The wheel cannot be read.
    """
    try:
        parse_wheel_filename(wheel.name)
        sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    except (InvalidWheelFilename, OSError) as error:
        raise ReleaseError(
            f"cannot read the stored wheel {wheel}: {error}",
            hint=f"remove {wheel.parent} and try again",
        ) from error
    return Release(
        project=name,
        version=version,
        files=(ReleaseFile(name=wheel.name, path=wheel, sha256=sha256),),
    )
