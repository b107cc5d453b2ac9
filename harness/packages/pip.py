"""The operator's own pip, with the operator's own configuration: it fetches wheels."""

import shutil
import subprocess
import sys
from pathlib import Path

from harness.errors import ReleaseError

SECONDS = 600


def download(requirements: tuple[str, ...], folder: Path, *options: str) -> None:
    """Fetches wheels into a folder.

    Args:
        requirements: What is asked for.
        folder: An existing folder.
        options: More options of `pip download`.

    Raises:
        ReleaseError: pip could not fetch them. pip is the one of this Python, else the first on
            PATH.
    """
    wanted = ", ".join(requirements)
    argv = [
        *_pip(),
        "download",
        "--only-binary=:all:",
        "--no-input",
        "--disable-pip-version-check",
        f"--dest={folder}",
        *options,
        *requirements,
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
            f"fetching {wanted} took more than {SECONDS} seconds",
            hint=f"see why `{' '.join(argv)}` hangs",
        ) from error
    if done.returncode:
        last = "\n".join(f"  {line}" for line in done.stdout.strip().splitlines()[-5:])
        raise ReleaseError(
            f"cannot fetch the build tool {wanted}; pip says:\n{last}",
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
