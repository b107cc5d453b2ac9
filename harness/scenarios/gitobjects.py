"""Git's objects as values, so that a SHA is known before there is a repository."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from harness.scenarios.tree import File, Link, Tree

AUTHOR = "Cache Harness <harness@example.invalid>"
FIRST_COMMIT = 1_646_136_000
"""Seconds since 1970 of a history's first commit: 2022-03-01 12:00 UTC."""
COMMIT_SPACING = 3600
"""Seconds from a commit to its child."""
NO_GITLINKS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class GitObject:
    """A blob, tree or commit: its kind and the bytes that its SHA is made of."""

    kind: Literal["blob", "tree", "commit"]
    data: bytes

    @property
    def sha(self) -> str:
        """The SHA-1, in 40 hex digits, by which git knows it."""
        return _sha(self.kind, self.data)


@lru_cache(maxsize=65_536)  # the files that a commit leaves alone come again with the next
def _sha(kind: str, data: bytes) -> str:
    head = f"{kind} {len(data)}\0".encode()
    return hashlib.sha1(head + data, usedforsecurity=False).hexdigest()


def tree_objects(tree: Tree, gitlinks: Mapping[str, str] = NO_GITLINKS) -> tuple[GitObject, ...]:
    """Every object that a tree is made of; the last is the root.

    Args:
        tree: Files and links.
        gitlinks: Paths of submodules, where the tree has nothing, and the SHAs of their commits.
    """
    found: list[GitObject] = []
    paths = sorted((*tree.entries, *gitlinks), key=os.fsencode)
    _folder(tree, gitlinks, tuple(paths), 0, found)
    return tuple(found)


def commit_time(depth: int) -> int:
    """Seconds since 1970 of a commit with `depth` ancestors in its first-parent line."""
    return FIRST_COMMIT + depth * COMMIT_SPACING


def commit_object(*, root: str, parent: str | None, message: str, time: int) -> GitObject:
    """A commit by the fixed author.

    Args:
        root: The SHA of its tree.
        parent: The SHA of its parent, or None for a first commit.
        message: Its message, with or without a newline at the end.
        time: Seconds since 1970, for author and committer alike.
    """
    lines = [f"tree {root}"]
    if parent:
        lines.append(f"parent {parent}")
    lines += [f"{role} {AUTHOR} {time} +0000" for role in ("author", "committer")]
    text = "\n".join(lines) + "\n\n" + message.rstrip("\n") + "\n"
    return GitObject(kind="commit", data=text.encode())


def commit_shas(commits: Iterable[tuple[Tree, str, int]]) -> tuple[str, ...]:
    """The SHAs of a line of commits, told by files, message and time, the oldest first."""
    shas: list[str] = []
    for tree, message, time in commits:
        commit = commit_object(
            root=tree_objects(tree)[-1].sha,
            parent=shas[-1] if shas else None,
            message=message,
            time=time,
        )
        shas.append(commit.sha)
    return tuple(shas)


def _folder(
    tree: Tree,
    gitlinks: Mapping[str, str],
    paths: tuple[str, ...],
    depth: int,
    found: list[GitObject],
) -> str:
    """Adds a folder's objects, innermost first, and returns its SHA.

    `paths` are the sorted paths of all that it holds, and `depth` counts the parts of its own.
    """
    children: dict[str, list[str]] = {}
    for path in paths:
        children.setdefault(path.split("/")[depth], []).append(path)
    rows: list[tuple[bytes, bytes]] = []
    for name, below in children.items():
        raw = os.fsencode(name)
        is_here = below[0].count("/") == depth
        if is_here and below[0] in gitlinks:
            # Unlike a folder, git sorts it by its bare name.
            rows.append((raw, _row(b"160000", raw, gitlinks[below[0]])))
            continue
        leaf = tree.entries.get(below[0]) if is_here else None
        match leaf:
            case File():
                blob = GitObject(kind="blob", data=leaf.data)
                found.append(blob)
                rows.append((raw, _row(b"100%o" % leaf.mode, raw, blob.sha)))
            case Link():
                blob = GitObject(kind="blob", data=os.fsencode(leaf.target))
                found.append(blob)
                rows.append((raw, _row(b"120000", raw, blob.sha)))
            case None:
                sha = _folder(tree, gitlinks, tuple(below), depth + 1, found)
                # Git sorts a folder as if its name ended in a slash.
                rows.append((raw + b"/", _row(b"40000", raw, sha)))
    folder = GitObject(kind="tree", data=b"".join(row for _, row in sorted(rows)))
    found.append(folder)
    return folder.sha


def _row(mode: bytes, name: bytes, sha: str) -> bytes:
    return mode + b" " + name + b"\0" + bytes.fromhex(sha)
