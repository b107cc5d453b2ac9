"""Follows what a commit reaches, and says what of it is missing or broken."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from harness.trees.git.objects import BrokenError, GitObject, Objects, TooMuchError

FOLDER: Final = 0o040000
SUBMODULE: Final = 0o160000
MISSING: Final = "missing"
_PERMISSIONS: Final = re.compile(rb"[0-7]{5,6}")
_MOST_TAGS: Final = 32
_MOST_WAITING: Final = 1_000_000
_MOST_NAMES: Final = 128 * 1024 * 1024  # bytes of all paths together
_LARGEST_TREE: Final = 16 * 1024 * 1024

Row = tuple[int, bytes, str]
"""An entry of a tree: its mode, its name and the id of what is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What some commits reach.

    Attributes:
        lost: Why an object that is reached is unavailable, by its id.
        unread: How the limit cut this short, as a phrase; empty where all was read.
    """

    lost: Mapping[str, str]
    unread: str = ""


def reach(
    heads: Iterable[str],
    objects: Objects,
    *,
    shallow: frozenset[str] = frozenset(),
    promised: bool = False,
    sparse: bool = False,
) -> Reached:
    """Reads all that commits reach: first their own files, then the history behind them.

    Args:
        heads: The commits.
        objects: The repository's.
        shallow: Commits whose parents are meant to be absent.
        promised: Whether a remote has promised what is missing of the history (a partial clone):
            files and folders of earlier commits, not the commits themselves.
        sparse: Whether files of the commits themselves may be missing as well, where promised.
    """
    walk = _Walk(objects, promised=promised)
    try:
        roots = [walk.commit(head) for head in heads]
    except TooMuchError:
        return Reached(lost=walk.lost, unread="no commit could be read within the limits")
    try:
        for commit in roots:
            walk.files(commit, may_be_promised=promised and sparse)
    except TooMuchError:
        return Reached(lost=walk.lost, unread="its files are more than is read of a repository")
    try:
        walk.history(roots, shallow)
    except TooMuchError:
        return Reached(lost=walk.lost, unread="its history is more than is read of a repository")
    return Reached(lost=walk.lost)


def files(commit: str, objects: Objects, *, most: int = 500_000) -> dict[bytes, tuple[int, str]]:
    """Mode and id of each file of a commit, by its path; submodules count as files.

    Raises:
        BrokenError: Something is missing or damaged.
        TooMuchError: There are more than is read.
    """
    found: dict[bytes, tuple[int, str]] = {}
    size = 0
    waiting = [(b"", _Commit.of(_had(objects, commit, "commit")).tree)]
    while waiting:
        folder, tree = waiting.pop()
        for mode, name, child in rows(_had(objects, tree, "tree"), id_size=len(tree) // 2):
            path = folder + name
            if mode == FOLDER:
                waiting.append((path + b"/", child))
            else:
                found[path] = (mode, child)
            size += len(path)
            if len(found) + len(waiting) > most or size > _MOST_NAMES:
                raise TooMuchError
    return found


def rows(tree: GitObject, *, id_size: int) -> Iterator[Row]:
    """The entries of a tree.

    Raises:
        BrokenError: It is malformed.
    """
    data, at = tree.data, 0
    if len(data) > _LARGEST_TREE:
        raise BrokenError(f"it is a tree of more than {_LARGEST_TREE} bytes")
    while at < len(data):
        space = data.find(b" ", at, at + 8)
        null = data.find(b"\0", space + 1) if space > 0 else -1
        end = null + 1 + id_size
        mode = data[at:space]
        if null <= space + 1 or end > len(data) or not _PERMISSIONS.fullmatch(mode):
            raise BrokenError("it is a malformed tree")
        yield int(mode, 8), data[space + 1 : null], data[null + 1 : end].hex()
        at = end


@dataclass(frozen=True, slots=True)
class _Commit:
    name: str
    tree: str
    parents: tuple[str, ...]

    @classmethod
    def of(cls, found: GitObject, name: str = "") -> "_Commit":
        tree, parents = "", []
        for line in found.data.split(b"\n\n", 1)[0].split(b"\n"):
            key, _, value = line.partition(b" ")
            if key == b"tree" and not tree:
                tree = _id(value)
            elif key == b"parent" and tree:
                parents.append(_id(value))
            else:
                break
        if not tree:
            raise BrokenError("it is a malformed commit")
        return cls(name, tree, tuple(parents))


def _id(value: bytes) -> str:
    if len(value) not in {40, 64} or value.strip(b"0123456789abcdef"):
        raise BrokenError("it is malformed")
    return value.decode()


def _had(objects: Objects, name: str, kind: str) -> GitObject:
    return _of_kind(objects.read(name), kind)


def _of_kind(found: GitObject | None, kind: str) -> GitObject:
    if found is None:
        raise BrokenError(MISSING)
    if found.kind != kind:
        raise BrokenError(f"it is a {found.kind} where a {kind} belongs")
    return found


@dataclass(slots=True)
class _Walk:
    objects: Objects
    promised: bool
    lost: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)

    def commit(self, name: str) -> _Commit | None:
        """The commit at a name, which may be a tag's; None where it is lost."""
        try:
            return self._peeled(name)
        except BrokenError as error:
            self.lost[name] = str(error)
            return None

    def _peeled(self, name: str) -> _Commit:
        at = name
        for _ in range(_MOST_TAGS):
            found = self.objects.read(at)
            if found is None or found.kind != "tag":
                self.seen[at] = "commit"
                return _Commit.of(_of_kind(found, "commit"), at)
            at = _id(found.data.partition(b"\n")[0].removeprefix(b"object "))
        raise BrokenError("it is a tag of tags without end")

    def files(self, commit: _Commit | None, *, may_be_promised: bool) -> None:
        """Reads what a commit holds: each file and folder once, wherever it stands."""
        if commit is None:
            return
        waiting = [(commit.tree, "tree")]
        while waiting:
            name, kind = waiting.pop()
            if self._is_done(name, kind):
                continue
            try:
                found = _had(self.objects, name, kind)
                if kind == "tree":
                    waiting += self._inside(found, id_size=len(name) // 2)
            except BrokenError as error:
                if not (may_be_promised and str(error) == MISSING):
                    self.lost[name] = str(error)
            if len(waiting) > _MOST_WAITING:
                raise TooMuchError

    def _inside(self, tree: GitObject, *, id_size: int) -> list[tuple[str, str]]:
        """What a folder holds that was not read yet, each with its kind."""
        found = (
            (child, "tree" if mode == FOLDER else "blob")
            for mode, _, child in rows(tree, id_size=id_size)
            if mode != SUBMODULE
        )
        return [(child, kind) for child, kind in found if self.seen.get(child) != kind]

    def history(self, heads: Iterable[_Commit | None], shallow: frozenset[str]) -> None:
        """Reads the commits behind some, and what each of them holds."""
        waiting = [parent for head in heads if head for parent in _behind(head, shallow)]
        while waiting:
            name = waiting.pop()
            if self._is_done(name, "commit"):
                continue
            try:
                commit = _Commit.of(_had(self.objects, name, "commit"), name)
            except BrokenError as error:
                self.lost[name] = str(error)
                continue
            self.files(commit, may_be_promised=self.promised)
            waiting += _behind(commit, shallow)

    def _is_done(self, name: str, kind: str) -> bool:
        before = self.seen.get(name)
        if before is None:
            self.seen[name] = kind
            return False
        if before != kind:
            self.lost[name] = f"it is both a {before} and a {kind}"
        return True


def _behind(commit: _Commit, shallow: frozenset[str]) -> tuple[str, ...]:
    return () if commit.name in shallow else commit.parents
