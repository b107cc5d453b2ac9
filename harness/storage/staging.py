"""Files and folders that are made beside their place, and are whole once they are in it."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

from harness.errors import StoreError
from harness.storage.locks import locked
from harness.trees.removal import remove_tree

STAGED: Final = ".staged-"
"""How the name of what is not finished begins."""

AGE: Final = 60.0
"""Seconds after which an unlocked folder is a dead process's: it is locked a moment after it is
made."""


@contextmanager
def staged_file(final: Path) -> Iterator[Path]:
    """Yields a path in the same folder, whose file replaces `final` when the block ends well.

    A block that raises leaves `final` as it was and nothing beside it.

    Raises:
        OSError: The file was not made, or cannot be put in place.
    """
    staged = final.with_name(f"{STAGED}{token_hex(6)}")
    try:
        yield staged
        staged.replace(final)
    except BaseException:
        with suppress(OSError):
            staged.unlink(missing_ok=True)
        raise


@contextmanager
def staged_folder(final: Path) -> Iterator[Path]:
    """Yields an empty folder that becomes `final` when the block ends well.

    A block that raises, or a process that is killed, leaves no `final`. Where another process was
    first, its `final` stands and this one's work is dropped.

    Raises:
        OSError: The folder cannot be made or put in place.
    """
    with scratch_folder(final.parent) as staging:
        yield staging
        try:
            staging.rename(final)
        except OSError:
            if not final.exists():
                raise


@contextmanager
def scratch_folder(within: Path) -> Iterator[Path]:
    """Yields an empty folder that is removed, with all in it, when the block ends.

    Raises:
        OSError: It cannot be made.
    """
    within.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=STAGED, dir=within))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        # Held until the work is done, so that a sweep can tell a dead process's work.
        stack.enter_context(locked(folder))
        yield folder


def sweep_staged(folder: Path) -> None:
    """Removes the folders that dead processes left unfinished in a folder."""
    for staging in folder.glob(f"{STAGED}*"):
        with suppress(OSError, StoreError):
            if time.time() - staging.lstat().st_mtime > AGE:
                with locked(staging, wait=False):
                    remove_tree(staging)
