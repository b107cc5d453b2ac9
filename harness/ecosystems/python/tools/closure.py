"""A release with all that it needs: the wheels that an installation of it takes."""

import platform
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from email.parser import BytesParser
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from harness.ecosystems.python.tools.kept import kept, kept_release
from harness.ecosystems.python.tools.pin import pinned
from harness.ecosystems.python.tools.pip import NoSuchWheelError, download
from harness.errors import ReleaseError
from harness.internet import Release
from harness.internet.tape import Toolbox
from harness.storage.store import Store

# glibc's minor versions whose wheels every image that the harness makes can use (PEP 600).
_GLIBC = range(34, 4, -1)
_LEGACY = ("manylinux2014", "manylinux2010", "manylinux1", "linux")
_ROUNDS = 8


def fetch_closure(
    requirement: str,
    pythons: Iterable[str],
    *,
    some: bool = False,
    store: Store,
    toolbox: Toolbox | None = None,
    stop: threading.Event | None = None,
) -> tuple[Release, ...]:
    """Returns a release for each wheel that some of the Pythons needs to install a tool.

    What is newest when it is fetched is kept, and served ever after.

    Args:
        requirement: The tool's exact pin, `name==version`.
        pythons: Full versions of Python, such as `3.11.2`.
        some: Whether it is enough that some of these can have it, as where a release has wheels for
            the newer ones alone.
        store: Where wheels are kept; several processes may fetch at once.
        toolbox: What is asked first, and notified of what is taken from elsewhere.
        stop: Ends the fetching once it is set.

    Raises:
        ReleaseError: The requirement is not an exact pin, or pip could not fetch what it needs.
    """
    name, version = pinned(requirement)
    versions = {".".join(each.split(".")[:2]): each for each in sorted(pythons)}

    def fetch(staging: Path) -> None:
        failed = 0
        for full in versions.values():
            try:
                _fetch(f"{name}=={version}", full, staging, stop)
            except NoSuchWheelError:
                failed += 1
                if not some or failed == len(versions):
                    raise

    called = f"{name}-{version}-for-{'some-of-' if some else ''}{'-'.join(versions)}"
    return tuple(_releases(kept(called, fetch, store=store, toolbox=toolbox)))


def _fetch(pin: str, python: str, folder: Path, stop: threading.Event | None) -> None:
    """Adds to a folder what one Python needs.

    pip chooses by the Python that is named, but evaluates markers for the one that it runs on; what
    is left out by that is asked for by name.
    """
    options = ["--quiet", f"--python-version={python}", "--implementation=cp"]
    options += [f"--platform={each}" for each in _platforms()]
    asked = [pin]
    for _ in range(_ROUNDS):
        download(tuple(asked), folder, *options, stop=stop)
        missing = _missing(Requirement(pin), python, folder)
        if not missing:
            return
        asked += missing
    raise ReleaseError(
        f"{pin} keeps needing more for Python {python}: {', '.join(missing)}",
        hint="choose another release of it in the buildpack",
    )


def _platforms() -> Iterator[str]:
    machine = platform.machine()
    yield from (f"manylinux_2_{minor}_{machine}" for minor in _GLIBC)
    yield from (f"{name}_{machine}" for name in _LEGACY)


def _missing(root: Requirement, python: str, folder: Path) -> list[str]:
    """The requirements of what a tool needs for which the folder has no wheel."""
    wheels = _by_name(folder)
    environment = _environment(python)
    seen: set[tuple[str, str]] = set()
    missing: dict[str, None] = {}
    ahead = deque([root])
    while ahead:
        wanted = ahead.popleft()
        name = canonicalize_name(wanted.name)
        if name not in wheels:
            missing[f"{wanted.name}{wanted.specifier}"] = None
            continue
        for extra in ("", *sorted(wanted.extras)):
            if (name, extra) not in seen:
                seen.add((name, extra))
                ahead += [
                    each for wheel in wheels[name] for each in _needs(wheel, environment, extra)
                ]
    return list(missing)


def _environment(python: str) -> dict[str, str]:
    here = {name: str(value) for name, value in default_environment().items()}
    here["python_version"] = ".".join(python.split(".")[:2])
    here["python_full_version"] = python
    return here


def _needs(wheel: Path, environment: dict[str, str], extra: str) -> Iterator[Requirement]:
    for line in _requirements(wheel):
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        if marker is None:
            if not extra:
                yield requirement
        elif marker.evaluate({**environment, "extra": extra}, context="metadata"):
            yield requirement


def _requirements(wheel: Path) -> list[str]:
    try:
        with ZipFile(wheel) as archive:
            names = [n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n)]
            message = BytesParser().parsebytes(archive.read(names[0]), headersonly=True)
    except (OSError, BadZipFile, IndexError) as error:
        raise ReleaseError(
            f"cannot read the fetched wheel {wheel.name}: {error}", hint="try again"
        ) from error
    return [str(line) for line in message.get_all("Requires-Dist", [])]


def _by_name(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for wheel in sorted(folder.glob("*.whl")):
        found.setdefault(parse_wheel_filename(wheel.name)[0], []).append(wheel)
    return found


def _releases(folder: Path) -> Iterator[Release]:
    for wheel in sorted(folder.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        yield kept_release(name, str(version), wheel)
