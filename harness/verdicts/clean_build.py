"""A clean build that is made in its own way, so that the cached one should equal it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from harness.scenarios.scenario import Stage
from harness.scenarios.scenario_file import SUBJECT
from harness.scenarios.tree import File, Leaf
from harness.trees.manifest import Entry, EntryKind, content_digest, parents
from harness.trees.named import APP
from harness.verdicts.compare import Comparison
from harness.verdicts.divergence import Divergence, SetAside
from harness.verdicts.result import CleanMade

CLEAN_FILES: Final = "clean-files"
"""By which rule reports count the clean build's own files."""


def made(stage: Stage) -> CleanMade | None:
    """What only the clean build of a commit has; None where both are made alike."""
    if stage.clean is None:
        return None
    world, own = stage.world, stage.clean.world
    env = dict(world.env)
    return CleanMade(
        files=tuple(sorted(_given(stage, stage.clean))),
        env=tuple(name for name, value in own.env if env.get(name) != value),
        buildpack=(own.buildpack or SUBJECT) if own.buildpack != world.buildpack else "",
    )


def without_given(found: Comparison, stage: Stage) -> Comparison:
    """A comparison in which the files that only the clean build was given count for nothing.

    A path is set aside where each build has there just what its app was given, and a folder where
    only such files are the reason for it. Whatever else lies there stays a divergence.

    Args:
        found: What comparing the two builds of the commit showed.
        stage: The commit.
    """
    if stage.clean is None:
        return found
    ours, theirs = stage.tree.entries, stage.clean.tree.entries
    given = _given(stage, stage.clean)
    folders = _folders(given) - _folders(ours)

    def is_given(one: Divergence) -> bool:
        if one.tree != APP:
            return False
        if one.path in folders:
            is_folder = one.clean is not None and one.clean.kind is EntryKind.DIRECTORY
            return one.cached is None and is_folder
        return (
            one.path in given
            and _is(one.cached, ours.get(one.path))
            and _is(one.clean, theirs[one.path])
        )

    standing = tuple(one for one in found.divergences if not is_given(one))
    count = len(found.divergences) - len(standing)
    if not count:
        return found
    aside = SetAside(rule=CLEAN_FILES, count=count)
    return replace(found, divergences=standing, set_aside=(*found.set_aside, aside))


def _given(stage: Stage, clean: Stage) -> frozenset[str]:
    """The paths of the files that the clean build's app has besides, or otherwise."""
    ours, theirs = stage.tree.entries, clean.tree.entries
    return frozenset(path for path, leaf in theirs.items() if ours.get(path) != leaf)


def _folders(paths: Iterable[str]) -> frozenset[str]:
    return frozenset(folder for path in paths for folder in parents(path))


def _is(entry: Entry | None, leaf: Leaf | None) -> bool:
    """Whether what a build left at a path is what its app had there."""
    if entry is None or leaf is None:
        return entry is None and leaf is None
    if isinstance(leaf, File):
        wanted = Entry(
            kind=EntryKind.FILE,
            mode=leaf.mode,
            size=len(leaf.data),
            digest=content_digest(leaf.data),
        )
    else:
        wanted = Entry(kind=EntryKind.SYMLINK, target=leaf.target)
    return entry == wanted
