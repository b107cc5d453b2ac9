"""Build tools for the sealed index: exact wheels, fetched once from the operator's own index."""

import hashlib
import threading
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from harness.ecosystems.python.pip import download
from harness.errors import ReleaseError
from harness.internet import Release, ReleaseFile
from harness.internet.tape import Toolbox
from harness.storage.store import Store

# The newest that still run on every Python from 3.8 to 3.13: one set serves every build.
BASE_TOOLS = (
    "flit-core==3.12.0",
    "pip==25.0.1",
    "setuptools==75.3.2",
    "wheel==0.45.1",
)

TOOLS = frozenset({"pip", "pipenv", "poetry", "setuptools", "uv", "virtualenv", "wheel"})
"""What installs the packages of apps, whatever a buildpack pins: normalised names of projects."""


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
        toolbox: What is asked first, and told of what is taken from elsewhere.
        stop: Ends the fetching once it is set.

    Raises:
        ReleaseError: The requirement is no exact pin, or pip could not fetch its wheel. pip is the
            one of this Python (else the first on PATH), with the operator's own configuration.
    """
    name, version = pinned(requirement)

    def fetch(staging: Path) -> None:
        download((f"{name}=={version}",), staging, "--no-deps", stop=stop)
        _only_wheel(staging, requirement)

    folder = kept(f"{name}-{version}", fetch, store=store, toolbox=toolbox)
    return kept_release(name, version, _only_wheel(folder, requirement))


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


def merged(*groups: Iterable[Release]) -> tuple[Release, ...]:
    """The releases of several groups, each file once."""
    files: dict[tuple[str, str], dict[str, ReleaseFile]] = {}
    for release in chain.from_iterable(groups):
        own = files.setdefault((release.project, release.version), {})
        own.update((file.name, file) for file in release.files)
    return tuple(
        Release(project=project, version=version, files=tuple(own.values()))
        for (project, version), own in files.items()
    )


def pinned(requirement: str) -> tuple[str, str]:
    """The normalised name and the version of an exact pin.

    Raises:
        ReleaseError: It is none.
    """
    try:
        parsed = Requirement(requirement)
    except InvalidRequirement as error:
        raise ReleaseError(
            f"{requirement!r} is no requirement: {error}", hint="write name==version"
        ) from error
    specifiers = list(parsed.specifier)
    if (
        len(specifiers) != 1
        or specifiers[0].operator != "=="
        or specifiers[0].version.endswith("*")
        or parsed.extras
        or parsed.marker
        or parsed.url
    ):
        raise ReleaseError(
            f"{requirement!r} does not pin one version of a build tool",
            hint="write name==version, without extras or markers",
        )
    return canonicalize_name(parsed.name), specifiers[0].version


def _only_wheel(folder: Path, requirement: str) -> Path:
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise ReleaseError(
            f"{folder} should hold one wheel of {requirement} and holds {len(wheels)}",
            hint=f"remove {folder} and try again",
        )
    return wheels[0]


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
            f"cannot read the kept wheel {wheel}: {error}",
            hint=f"remove {wheel.parent} and try again",
        ) from error
    return Release(
        project=name,
        version=version,
        files=(ReleaseFile(name=wheel.name, path=wheel, sha256=sha256),),
    )
