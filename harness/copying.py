"""Gives a build a copy of its own of a stored cache."""

import os
import shutil
import subprocess
from pathlib import Path

from harness.errors import StoreError

_ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def copy_tree(source: Path, target: Path) -> None:
    """Copies a folder to a place of its own, with times, modes, links and hard links.

    Blocks are shared where the file system can (ioctl_ficlonerange(2)), else copied. An overlay
    would be quicker for a large cache, but a build can tell it from a folder: it cannot rename or
    link from there to its build dir, as it can where the two are on one mount.

    Args:
        source: The folder.
        target: The copy's path; nothing is there yet.

    Raises:
        StoreError: Something cannot be read or written.
    """
    command = ("cp", "-a", "--reflink=auto", "--", str(source), str(target))
    done = subprocess.run(command, capture_output=True, check=False, env=_ENVIRONMENT)
    if done.returncode:
        shutil.rmtree(target, ignore_errors=True)
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise StoreError(
            f"a stored cache cannot be copied: {said}",
            hint="free some room, or build without what is stored: --fresh",
        )
