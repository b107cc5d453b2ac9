"""Finds the compared roots of a tree."""

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from harness.errors import ManifestError
from harness.trees.directory import Directory, native, reading, text
from harness.trees.manifest import HERE, EntryKind, parents

WHOLE_TREE: Final = (HERE,)
"""The pattern that compares a tree as a whole."""


def find_roots(top: Directory, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The paths that patterns match in an open tree, sorted, none inside another.

    Args:
        top: The tree's folder.
        patterns: Globs, relative to it and matched part by part: `*`, `?` and `[...]` stay within
            one part and match names that start with a dot. A symlink where a folder on the way is
            wanted is matched itself, not followed.

    Raises:
        ManifestError: A folder cannot be read, or a pattern is absolute, empty, or holds `..` or
            `**`.
    """
    parts = tuple(_parts(pattern) for pattern in patterns)
    return _outermost({found for wanted in parts for found in _matches(top, "", wanted)})


def _matches(folder: Directory, prefix: str, parts: tuple[str, ...]) -> Iterator[str]:
    """Paths that a pattern's parts match from an open directory on."""
    if not parts:
        yield HERE
        return
    pattern, rest = parts[0], parts[1:]
    for name in _named(folder, pattern):
        path = prefix + text(name)
        kind = folder.kind(name)
        if not rest or kind is EntryKind.SYMLINK:
            yield path
        elif kind is EntryKind.DIRECTORY:
            with folder.enter(name) as inner:
                yield from _matches(inner, f"{path}/", rest)


def _named(folder: Directory, pattern: str) -> list[str]:
    with reading(folder.path):
        if any(mark in pattern for mark in "*?["):
            with os.scandir(folder.fd) as found:
                return [item.name for item in found if fnmatchcase(text(item.name), pattern)]
        name = native(pattern)
        try:
            os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
        except FileNotFoundError:
            return []
        return [name]


def _outermost(paths: set[str]) -> tuple[str, ...]:
    if HERE in paths:
        return WHOLE_TREE
    return tuple(path for path in sorted(paths) if paths.isdisjoint(parents(path)))


def _parts(pattern: str) -> tuple[str, ...]:
    if pattern == HERE:
        return ()
    parts = tuple(pattern.rstrip("/").split("/"))
    if not all(parts) or "\0" in pattern or {"..", HERE, "**"} & set(parts):
        raise ManifestError(
            f"the compared root {pattern!r} is not a pattern of paths inside the build",
            hint="write it relative to the build dir, with * within one part, as in lib/python*/x",
        )
    return parts
