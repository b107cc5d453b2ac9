"""Which files of an installation's metadata are older than the build that left them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from harness.ecosystems import BuiltTree
from harness.ecosystems.python.distributions import Distribution
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


def read_ages(tree: BuiltTree, distributions: Iterable[Distribution]) -> Ages:
    """Looks at the metadata of each distribution, and at what every Python has.

    Args:
        tree: The tree.
        distributions: What is installed in it.

    Raises:
        ManifestError: The tree is no longer as its manifest says.
    """
    times = tree.times(_looked_at(tree.manifest, distributions))
    return Ages(
        old=tuple(sorted(path for path, time in times.items() if time < tree.began)),
        new=tuple(sorted(path for path, time in times.items() if time >= tree.began)),
    )


def _looked_at(manifest: Manifest, distributions: Iterable[Distribution]) -> Iterator[str]:
    """The regular files whose times are looked at."""
    described = {one.metadata for one in distributions}
    for path, entry in manifest.entries.items():
        if entry.kind is EntryKind.FILE and (
            path in described or _folder(path) in described or _LANDMARKS.search(path)
        ):
            yield path


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
