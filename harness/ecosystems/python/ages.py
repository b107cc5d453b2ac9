"""Which files that tell of an installation were there before the build that left them began."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from harness.ecosystems.python.distributions import Distribution
from harness.trees.directory import Folder, native, reading
from harness.trees.manifest import EntryKind, Manifest

_LANDMARKS: Final = re.compile(
    r"(?:^|/)(?:bin/python\d+\.\d+|lib/python\d+\.\d+/os\.py|pyvenv\.cfg)$"
)
"""Files that every Python or virtual environment has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """Files by their modification times, as paths in the tree, sorted.

    Attributes:
        old: Those that are older than the build: nothing in it wrote them.
        new: Those that it wrote, or restored without their times.
    """

    old: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


def read_ages(
    manifest: Manifest, distributions: Iterable[Distribution], tree: Path, *, began: float
) -> Ages:
    """Looks at the metadata of each distribution, and at what every Python has.

    Args:
        manifest: The tree's.
        distributions: What is installed in it.
        tree: Its folder.
        began: When the build began, in seconds since the epoch.

    Raises:
        ManifestError: The tree is no longer as the manifest says.
    """
    ages: dict[bool, list[str]] = {True: [], False: []}
    with Folder.top(tree) as top:
        for _, paths in groupby(sorted(_telling(manifest, distributions)), key=_folder):
            siblings = list(paths)
            with top.parent_of(siblings[0]) as (folder, _):
                for path in siblings:
                    name = native(path.rpartition("/")[2])
                    with reading(path):
                        status = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
                    ages[status.st_mtime < began].append(path)
    return Ages(old=tuple(sorted(ages[True])), new=tuple(sorted(ages[False])))


def _telling(manifest: Manifest, distributions: Iterable[Distribution]) -> Iterator[str]:
    """The regular files whose times are looked at."""
    described = {one.metadata for one in distributions}
    for path, entry in manifest.entries.items():
        if entry.kind is EntryKind.FILE and (
            path in described or _folder(path) in described or _LANDMARKS.search(path)
        ):
            yield path


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
