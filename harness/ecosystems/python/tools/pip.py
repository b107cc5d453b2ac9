"""The operator's own pip, with the operator's own configuration: it fetches wheels."""

import ast
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path

from harness.errors import ReleaseError
from harness.internet.package_index import IndexUrls

SECONDS = 600
_NOTHING_FITS = "No matching distribution found"
_PAUSE = 0.2  # seconds between checks whether to go on

_DEFAULT_INDEX = re.compile(r"--index-url <url> [^(]*\(default (https?://[^)\s]+)\)")
_SETTING = re.compile(r"^(?P<scope>:env:|global|install)\.index-url=(?P<value>.+)$", re.MULTILINE)
_SCOPES = (":env:", "install", "global")


class NoSuchWheelError(ReleaseError):
    """The index has nothing that is asked for in a form that was asked for."""


def download(
    requirements: tuple[str, ...],
    folder: Path,
    *options: str,
    stop: threading.Event | None = None,
) -> None:
    """Fetches wheels into a folder.

    Args:
        requirements: What is asked for.
        folder: An existing folder.
        options: More options of `pip download`.
        stop: Ends pip once it is set.

    Raises:
        NoSuchWheelError: There is none that fits.
        ReleaseError: pip could not fetch them, or was ended. pip is the one of this Python, else
            the first on PATH.
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
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
    ) as process:
        try:
            output = _output_of(process, stop)
        except BaseException:
            process.kill()
            raise
    if output is None:
        raise ReleaseError(
            f"fetching {wanted} took more than {SECONDS} seconds",
            hint=f"find out why `{' '.join(argv)}` hangs",
        )
    if process.returncode:
        last = "\n".join(f"  {line}" for line in output.strip().splitlines()[-5:])
        kind = NoSuchWheelError if _NOTHING_FITS in output else ReleaseError
        raise kind(
            f"cannot fetch the build tool {wanted}; pip says:\n{last}",
            hint="check the network, and that pip's own configuration names an index that has it"
            " (`pip config list`)",
        )


def _output_of(process: subprocess.Popen[str], stop: threading.Event | None) -> str | None:
    """What a process prints until it ends; None where it does not end in time."""
    for _ in range(int(SECONDS / _PAUSE)):
        if stop is not None and stop.is_set():
            raise ReleaseError("stopped")
        try:
            return process.communicate(timeout=_PAUSE)[0]
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    return None


def index_urls() -> IndexUrls | None:
    """The index that pip asks unless configured, and the one that the operator's pip asks.

    None where pip does not say which is its own: then none can stand for it.
    """
    pip = _pip()
    default = _DEFAULT_INDEX.search(" ".join(_printed(*pip, "help", "install").split()))
    if default is None:
        return None
    settings = {
        match["scope"]: match["value"]
        for match in _SETTING.finditer(_printed(*pip, "config", "list"))
    }
    chosen = next((settings[scope] for scope in _SCOPES if scope in settings), "")
    try:
        own = str(ast.literal_eval(chosen)) if chosen else default[1]
    except (ValueError, SyntaxError):
        own = default[1]
    return IndexUrls(default=f"{default[1].rstrip('/')}/", own=f"{own.rstrip('/')}/")


def _printed(*argv: str) -> str:
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.stdout


def _pip() -> list[str]:
    """Returns the command that runs pip: an environment may be made without one (uv, pipx)."""
    return [*_pip_of(sys.executable, os.environ.get("PATH"))]


@cache
def _pip_of(python: str, path: str | None) -> tuple[str, ...]:
    own = (python, "-m", "pip")
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:
        return own
    found = shutil.which("pip3", path=path) or shutil.which("pip", path=path)
    if found is None:
        raise ReleaseError(
            f"{python} has no pip, and there is none on PATH",
            hint=f"run `{python} -m ensurepip`, or install python3-pip",
        )
    return (found,)
