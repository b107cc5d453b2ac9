"""Names the earlier commit whose content a cached tree still holds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from harness.trees.manifest import Entry, Manifest
from harness.verdicts.divergence import Divergence, DivergenceKind

_HELD = {
    DivergenceKind.LEFTOVER: "left over from",
    DivergenceKind.MISSING: "absent as at",
    DivergenceKind.CONTENT: "still holds the content of",
    DivergenceKind.MODE: "still has the mode of",
    DivergenceKind.TYPE: "still is what it was at",
    DivergenceKind.TARGET: "still points where it did at",
    DivergenceKind.ATTRIBUTES: "still has the attributes of",
    DivergenceKind.BYTECODE: "still is the file of",
}
_SHORT = 7


def origin(
    divergence: Divergence,
    clean: Sequence[Manifest | None],
    cached: Sequence[Manifest | None] = (),
) -> int | None:
    """The index of the earlier commit that a divergence comes from, or None.

    That is the latest commit whose clean tree holds at the same path what the cached tree holds
    now. Where no clean tree ever held it (compiled files name the time of the build that wrote
    them), it is the commit since which every cached tree has held it.

    Args:
        divergence: Where the cached tree of the commit after these differs from its clean one.
        clean: The clean trees of the earlier commits, oldest first; None where a build failed.
        cached: The cached trees of the same commits.
    """
    if divergence.kind in {DivergenceKind.OUTCOME, DivergenceKind.RELEASE, DivergenceKind.RUN}:
        return None
    wanted = _held(divergence, divergence.cached)
    if divergence.cached is not None and wanted == _held(divergence, divergence.clean):
        # It is said here of what other paths hold, as of a branch in `packed-refs`.
        return None
    for index in reversed(range(len(clean))):
        if _holds(divergence, clean[index], wanted):
            return index
    since = None
    for index in reversed(range(len(cached))):
        if not _holds(divergence, cached[index], wanted):
            break
        since = index
    return since


def with_origins(
    divergences: Iterable[Divergence],
    clean: Sequence[Manifest | None],
    cached: Sequence[Manifest | None],
    *,
    commits: Sequence[str],
) -> tuple[Divergence, ...]:
    """The divergences, each with its origin and a reason in words where one was found.

    Args:
        divergences: Where the cached tree of the commit after these differs from its clean one.
        clean: The clean trees of the earlier commits, oldest first; None where a build failed.
        cached: The cached trees of the same commits.
        commits: These commits' SHAs.
    """
    return tuple(_with_origin(one, origin(one, clean, cached), commits) for one in divergences)


def with_origins_by_tree(
    divergences: Iterable[Divergence],
    *,
    clean: Callable[[str], Sequence[Manifest | None]],
    cached: Callable[[str], Sequence[Manifest | None]],
    commits: Sequence[str],
) -> tuple[Divergence, ...]:
    """The divergences of several trees, as `with_origins` gives those of one.

    Args:
        divergences: Those of one tree stand together; what is of no tree has no origin.
        clean: Gives the clean trees of a name of the earlier commits, oldest first.
        cached: The same of the cached ones.
        commits: These commits' SHAs.
    """
    found: list[Divergence] = []
    for tree, mine in groupby(divergences, key=lambda one: one.tree):
        if tree:
            found += with_origins(mine, clean(tree), cached(tree), commits=commits)
        else:
            found += mine
    return tuple(found)


def _with_origin(one: Divergence, index: int | None, commits: Sequence[str]) -> Divergence:
    if index is None:
        return one
    commit = commits[index]
    told = f"commit {index + 1} ({commit[:_SHORT]})"
    return replace(one, origin=commit, why=f"{one.why}; {_HELD[one.kind]} {told}")


def _holds(divergence: Divergence, manifest: Manifest | None, wanted: object) -> bool:
    # A tree with nothing in it (a build that stopped early) does not lack one file in particular.
    if manifest is None or not manifest.entries:
        return False
    return _held(divergence, manifest.entries.get(divergence.path)) == wanted


def _held(divergence: Divergence, entry: Entry | None) -> object:
    """What of an entry a kind of divergence is about; None where there is no entry."""
    if entry is None:
        return None
    match divergence.kind:
        case DivergenceKind.CONTENT:
            return entry.kind, entry.size, entry.digest, entry.device
        case DivergenceKind.MODE:
            return entry.kind, entry.mode
        case DivergenceKind.ATTRIBUTES:
            return entry.kind, entry.attributes
        case _:
            return entry
