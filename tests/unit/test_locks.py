"""Locks exclude threads and processes, and end with whoever held them."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.storage.locks import locked

HOLD = """
import sys, time
from pathlib import Path
from harness.storage.locks import locked
with locked(Path(sys.argv[1]), shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def holding(path: Path, *, shared: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a lock."""
    argv = (sys.executable, "-c", HOLD, str(path), "shared" if shared else "alone")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.fixture(params=["file", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "place"
    if request.param == "folder":
        path.mkdir()
    return path


def test_another_process_is_kept_out_until_it_is_killed(place: Path) -> None:
    with holding(place) as process:
        with pytest.raises(BlockingIOError), locked(place, wait=False):
            pass
        with pytest.raises(BlockingIOError), locked(place, shared=True, wait=False):
            pass
        process.send_signal(signal.SIGKILL)
        with locked(place):
            pass


def test_another_thread_is_kept_out(place: Path) -> None:
    with locked(place), pytest.raises(BlockingIOError), locked(place, wait=False):
        pass
    with locked(place, wait=False):
        pass


def test_those_who_share_keep_out_who_does_not(place: Path) -> None:
    with (
        holding(place, shared=True),
        locked(place, shared=True, wait=False),
        pytest.raises(BlockingIOError),
        locked(place, wait=False),
    ):
        pass
    with locked(place, wait=False):
        pass


def test_who_waited_for_a_lock_that_was_removed_locks_the_next(place: Path) -> None:
    began = threading.Event()
    got = threading.Event()

    def wait() -> None:
        began.set()
        with locked(place):
            got.set()
            over.wait(30)

    over = threading.Event()
    thread = threading.Thread(target=wait)
    with locked(place):
        thread.start()
        began.wait(30)
        while len(waiting()) < 1:
            pass
        folder = place.is_dir()
        shutil.rmtree(place) if folder else place.unlink()
        place.mkdir() if folder else place.touch()
    assert got.wait(30)
    with pytest.raises(BlockingIOError), locked(place, wait=False):
        pass
    over.set()
    thread.join()


def waiting() -> list[str]:
    """The locks that somebody in this process waits for (proc_locks(5))."""
    lines = Path("/proc/locks").read_text().splitlines()
    return [line for line in lines if "-> FLOCK" in line and f" {os.getpid()} " in line]


def test_a_lock_whose_folder_is_gone_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), locked(tmp_path / "gone" / "lock"):
        pass


def test_a_link_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), locked(tmp_path / "lock"):
        pass
    assert not (tmp_path / "elsewhere").exists()
