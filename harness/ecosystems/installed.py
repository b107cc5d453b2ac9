"""What all ecosystems together say of what is installed in a tree."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from harness.ecosystems import BuiltTree, Ecosystem, Owner, OwnerOf
from harness.trees.manifest import Manifest
from harness.trees.scan import read_file, read_times

Installed = Mapping[str, str]
"""What ecosystems described of one tree, by their names; those that found nothing are left out."""

InstalledByTree = Mapping[str, Mapping[str, str]]
"""The same of all trees of a build, by the trees' names."""

INSTALLED: Final = "installed"
"""Under which name that is stored with a build."""


def built_tree(manifest: Manifest, folder: Path, *, began: float) -> BuiltTree:
    """A tree on disk, as ecosystems may look at it.

    Args:
        manifest: What it holds.
        folder: Its folder.
        began: When the build that left it began, in seconds since the epoch.
    """
    return BuiltTree(
        manifest=manifest,
        began=began,
        read=lambda path, limit: read_file(folder, path, limit=limit),
        times=lambda paths: read_times(folder, paths),
    )


def describe(ecosystems: Iterable[Ecosystem], tree: BuiltTree) -> Installed:
    """What is installed in a tree, as it is stored with its build.

    Raises:
        ManifestError: The tree is no longer as its manifest says.
    """
    texts = {each.name: each.describe(tree) for each in ecosystems}
    return {name: text for name, text in texts.items() if text}


def owner_of(ecosystems: Iterable[Ecosystem], installed: Installed) -> OwnerOf:
    """Who owns the paths of a tree: the nearest claim of all, the first where two are as near.

    Raises:
        StoreError: What is stored of it is damaged.
    """
    asked = [each.owners(installed[each.name]) for each in ecosystems if each.name in installed]

    def nearest(path: str) -> Owner | None:
        claims = [owner for of in asked if (owner := of(path)) is not None]
        return max(claims, key=lambda owner: len(owner.by), default=None)

    return nearest


def findings(ecosystems: Sequence[Ecosystem], cached: Installed, clean: Installed) -> Iterator[str]:
    """Which packages two trees do not both have alike, as sentences, ecosystem by ecosystem.

    Raises:
        StoreError: What is stored of a tree is damaged.
    """
    for each in ecosystems:
        yield from each.findings(cached.get(each.name, ""), clean.get(each.name, ""))
