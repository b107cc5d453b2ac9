"""Doing things as somebody who is not root, for tests that root runs."""

import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def ordinary_user(*paths: Path) -> Iterator[None]:
    """Runs the block as somebody who owns these paths and may read only what its modes allow."""
    if os.geteuid():
        yield
        return
    for path in paths:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def as_an_ordinary_user(work: Callable[[Path], None]) -> None:
    """Does it in a process that is not root's, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.geteuid() != 0:
            work(folder)
            return
        os.chown(folder, NOBODY, NOBODY)
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                work(folder)
            except BaseException:  # noqa: BLE001 - whatever it is, pytest must not go on in here
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
