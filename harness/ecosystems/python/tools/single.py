"""One build tool by itself: an exact wheel, fetched once from the operator's own index."""

import threading
from pathlib import Path

from harness.ecosystems.python.tools.kept import kept, kept_release
from harness.ecosystems.python.tools.pin import pinned
from harness.ecosystems.python.tools.pip import download
from harness.errors import ReleaseError
from harness.internet import Release
from harness.internet.tape import Toolbox
from harness.storage.store import Store


def fetch_tool(
    requirement: str,
    *,
    store: Store,
    toolbox: Toolbox | None = None,
    stop: threading.Event | None = None,
) -> Release:
    """Returns the release of one requirement, fetching its wheel unless it is kept.

    Args:
        requirement: An exact pin, `name==version`; nothing that it needs is added.
        store: Where wheels are kept; several processes may fetch at once.
        toolbox: What is asked first, and notified of what is taken from elsewhere.
        stop: Ends the fetching once it is set.

    Raises:
        ReleaseError: The requirement is not an exact pin, or pip could not fetch its wheel. pip is
            the one of this Python (else the first on PATH), with the operator's own configuration.
    """
    name, version = pinned(requirement)

    def fetch(staging: Path) -> None:
        download((f"{name}=={version}",), staging, "--no-deps", stop=stop)
        _only_wheel(staging, requirement)

    folder = kept(f"{name}-{version}", fetch, store=store, toolbox=toolbox)
    return kept_release(name, version, _only_wheel(folder, requirement))


def _only_wheel(folder: Path, requirement: str) -> Path:
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise ReleaseError(
            f"{folder} should hold one wheel of {requirement} and holds {len(wheels)}",
            hint=f"remove {folder} and try again",
        )
    return wheels[0]
