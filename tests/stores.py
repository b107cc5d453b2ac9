"""Stores for tests that build: what is long in the making is made once on a machine."""

from pathlib import Path

from harness.storage.store import Store, default_root

MADE_ONCE = ("images", "runtimes", "tools", "releases")
"""The folders of a store that hold what no test needs to see made again."""


def machine_store() -> Store:
    """The store of whoever runs the tests; it outlives them."""
    return Store(root=default_root().resolve())


def store_without_builds(root: Path, *, linked: tuple[str, ...] = MADE_ONCE) -> Store:
    """A new store that shares folders with the machine's.

    Args:
        root: Where it is; it may be there already.
        linked: The folders that it shares.
    """
    root.mkdir(exist_ok=True)
    for name in linked:
        shared = machine_store().root / name
        shared.mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink():
            (root / name).symlink_to(shared)
    return Store(root=root)
