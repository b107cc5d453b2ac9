"""Submodules: commits of other forks that a fork's revision pins at a path."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from harness.scenarios.tree import File, Leaf, Tree, ancestors, blocking_ancestor

GITMODULES = ".gitmodules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submodule:
    """A commit of another fork, pinned at a path.

    Attributes:
        path: The folder that it is checked out at.
        fork: The other fork's name.
        revision: The name of the fork's revision.
        url: Where git clones the fork from.
        sha: The revision's SHA.
        files: All that its checkout holds, its own submodules' files included.
    """

    path: str
    fork: str
    revision: str
    url: str
    sha: str
    files: Tree = field(repr=False)


def place_faults(tree: Tree, submodules: Iterable[Submodule]) -> Iterator[tuple[str, str]]:
    """What keeps submodules from standing in a tree: each one's path, and a sentence's rest."""
    paths = {submodule.path for submodule in submodules}
    if paths and GITMODULES in tree:
        yield min(paths), f"cannot be: `{GITMODULES}` is written from `submodules`"
    for path in sorted(paths):
        above = blocking_ancestor(tree.entries, path)
        outer = next((other for other in ancestors(path) if other in paths), "")
        if path in tree or tree.below(path):
            yield path, "already exists in the fork's own files"
        elif above:
            yield path, f"lies below `{above}`, which is not a folder"
        elif outer:
            yield path, f"lies in the submodule `{outer}`"


def with_gitmodules(tree: Tree, submodules: Iterable[Submodule]) -> Tree:
    """The tree with the `.gitmodules` that tells git of submodules; as it is where none are."""
    sections = [
        f'[submodule "{one.path}"]\n\tpath = {one.path}\n\turl = {one.url}\n' for one in submodules
    ]
    if not sections:
        return tree
    return replace(
        tree, entries={**tree.entries, GITMODULES: File(data="".join(sections).encode())}
    )


def with_checkouts(tree: Tree, submodules: Iterable[Submodule]) -> Tree:
    """The tree with the files of its submodules in their folders, as a recursive clone has it."""
    entries: dict[str, Leaf] = dict(tree.entries)
    for one in submodules:
        entries |= {f"{one.path}/{path}": leaf for path, leaf in one.files.entries.items()}
    return Tree(entries=entries)
