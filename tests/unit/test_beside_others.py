"""Reading folders in which others are at work meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.sandboxes.bubblewrap import limits
from harness.storage.store import Store


@contextmanager
def coming_and_going(folder: Path) -> Iterator[None]:
    """Folders are made in one and removed again all the while, as an engine does with groups."""
    over = threading.Event()

    def churn() -> None:
        while not over.is_set():
            for number in range(30):
                (folder / f"docker/{number}/inner").mkdir(parents=True, exist_ok=True)
                (folder / f"docker/{number}/inner/file").touch()
            for number in range(30):
                (folder / f"docker/{number}/inner/file").unlink()
                (folder / f"docker/{number}/inner").rmdir()
                (folder / f"docker/{number}").rmdir()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_dead_run_s_groups_are_found_among_others_that_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_mounts", lambda: {"memory": tmp_path, "pids": tmp_path})
    with coming_and_going(tmp_path):
        for number in range(100):
            dead = tmp_path / f"below/cache-harness-dead-{number}"
            living = tmp_path / "below/cache-harness-living-0"
            dead.mkdir(parents=True)
            living.mkdir(exist_ok=True)
            limits.sweep_groups("dead")
            assert not dead.exists()
            assert living.exists()


def test_the_store_s_size_is_told_while_a_run_works_in_it(tmp_path: Path) -> None:
    store = Store(root=tmp_path)
    (store.images / "one").mkdir(parents=True)
    (store.images / "one/rootfs.tar").write_bytes(b"x" * 1000)
    with coming_and_going(store.images / "one"):
        assert {store.room_of(store.images) for _ in range(100)} == {(1, 1000)}
