"""A build's folders on the host, laid out as the sandbox will see them."""

import shutil
from collections.abc import Callable
from pathlib import Path

from harness.buildpacks.preparation import Content, Copy, Place, Preparation
from harness.builds.inputs import Inputs
from harness.sandboxes import Mount
from harness.scenarios.tree import write_tree

_TEMPORARY = "/tmp"  # noqa: S108 - inside the sandbox

LayOutCache = Callable[[str, Path], None]
"""Makes the folder of a cache, by its name, at a path where nothing is yet."""


def host_path(path: str, folder: Path) -> Path:
    """Where on the host, below a build's folder, a path inside the sandbox is."""
    return folder / path.removeprefix("/")


def lay_out(inputs: Inputs, *, caches: LayOutCache | None, folder: Path) -> None:
    """Makes all folders that a build finds.

    Args:
        inputs: What goes in.
        caches: Restores the caches that the build is given; None where they are empty.
        folder: The build's folder on the host; it is made.

    Raises:
        StoreError: A cache cannot be restored.
        CacheError: A cache is not stored, or is damaged.
    """
    preparation = inputs.preparation
    for mount in preparation.mounts:
        host_path(mount, folder).mkdir(parents=True)
        if mount == _TEMPORARY:
            host_path(mount, folder).chmod(0o1777)
    for place in preparation.places:
        _fill(place, inputs, host_path(place.path, folder))
    for cache in preparation.caches:
        here = host_path(cache.path, folder)
        here.parent.mkdir(parents=True, exist_ok=True)
        if caches is None:
            here.mkdir()
        else:
            caches(cache.name, here)


def mounts(preparation: Preparation, folder: Path) -> tuple[Mount, ...]:
    """The folders of a build that its sandbox shows."""
    return tuple(
        Mount(source=host_path(target, folder), target=target, writable=True)
        for target in preparation.mounts
    )


def _fill(place: Place, inputs: Inputs, here: Path) -> None:
    here.parent.mkdir(parents=True, exist_ok=True)
    match place.holds:
        case Copy(folder=original):
            # A buildpack may write beside its own programs, so each build has a copy.
            shutil.copytree(original, here, symlinks=True)
        case Content.APP:
            write_tree(inputs.app, here, mtime=inputs.mtime)
        case Content.CONFIG_VARS:
            here.mkdir()
            for name, value in inputs.config_vars:
                (here / name).write_text(value, encoding="utf-8")
        case Content.NOTHING:
            here.mkdir(exist_ok=True)
