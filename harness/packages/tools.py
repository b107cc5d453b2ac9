"""Build tools for the sealed index: exact wheels, fetched once from the operator's own index."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from harness.errors import ReleaseError
from harness.internet import Release, ReleaseFile
from harness.store import Store

# The newest that still run on every Python from 3.8 to 3.13: one set serves every build.
BASE_TOOLS = (
    "flit-core==3.12.0",
    "pip==25.0.1",
    "setuptools==75.3.2",
    "wheel==0.45.1",
)

SECONDS = 600


def fetch_tools(requirements: tuple[str, ...], *, store: Store) -> tuple[Release, ...]:
    """Returns a release for each requirement, fetching the wheels that are not kept yet.

    Args:
        requirements: Exact pins, `name==version`; nothing that they need is added.
        store: Where wheels are kept; several processes may fetch at once.

    Raises:
        ReleaseError: A requirement is no exact pin, or pip could not fetch its wheel. pip is the
            one of this Python (else the first on PATH), with the operator's own configuration.
    """
    return tuple(_fetch(requirement, store) for requirement in dict.fromkeys(requirements))


def _fetch(requirement: str, store: Store) -> Release:
    name, version = _pin(requirement)
    final = store.tools / f"{name}-{version}"
    if not final.is_dir():
        with store.staged(final) as staging:
            _download(f"{name}=={version}", staging)
            _only_wheel(staging, requirement)
    return _release(name, version, _only_wheel(final, requirement))


def _pin(requirement: str) -> tuple[str, str]:
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


def _download(requirement: str, folder: Path) -> None:
    argv = [
        *_pip(),
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
        "--disable-pip-version-check",
        f"--dest={folder}",
        requirement,
    ]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ReleaseError(
            f"fetching {requirement} took more than {SECONDS} seconds",
            hint=f"see why `{' '.join(argv)}` hangs",
        ) from error
    if done.returncode:
        last = "\n".join(f"  {line}" for line in done.stdout.strip().splitlines()[-5:])
        raise ReleaseError(
            f"cannot fetch the build tool {requirement}; pip says:\n{last}",
            hint="check the network, and that pip's own configuration names an index that has it"
            " (`pip config list`)",
        )


def _pip() -> list[str]:
    """Returns the command that runs pip: an environment may be made without one (uv, pipx)."""
    own = [sys.executable, "-m", "pip"]
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:
        return own
    found = shutil.which("pip3") or shutil.which("pip")
    if found is None:
        raise ReleaseError(
            f"{sys.executable} has no pip, and there is none on PATH",
            hint=f"run `{sys.executable} -m ensurepip`, or install python3-pip",
        )
    return [found]


def _only_wheel(folder: Path, requirement: str) -> Path:
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise ReleaseError(
            f"{folder} should hold one wheel of {requirement} and holds {len(wheels)}",
            hint=f"remove {folder} and try again",
        )
    return wheels[0]


def _release(name: str, version: str, wheel: Path) -> Release:
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
