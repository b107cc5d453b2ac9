"""Stores without builds, made in no time from one that holds image, runtimes and tools."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.storage.store import Store
from harness.trees.removal import remove_tree

_KEPT = ("images", "runtimes", "tools", "releases")


@contextmanager
def scratch(store: Path) -> Iterator[Path]:
    """Yields a new folder beside a store, on its file system; it is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-", dir=store.resolve().parent))
    try:
        yield folder
    finally:
        remove_tree(folder)


def cold_store(store: Path, folder: Path) -> Store:
    """A new store at `folder` that shares a store's files, by hard links, but none of its builds.

    Raises:
        CalledProcessError: The two are not on one file system.
    """
    folder.mkdir()
    for name in _KEPT:
        if (store / name).is_dir():
            subprocess.run(("cp", "-al", store / name, folder / name), check=True)
    return Store(root=folder)
