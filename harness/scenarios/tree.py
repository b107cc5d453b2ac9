"""A tree of files as a value: what an app or a fork holds at one commit."""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from harness.errors import HarnessError

SKIPPED = frozenset({"__pycache__", ".DS_Store"})
NAME_BYTES = 255
PATH_BYTES = 4000


class TreeError(HarnessError):
    """A folder that cannot be read as a tree, or a tree that cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A regular file; git knows only whether it is executable."""

    data: bytes
    executable: bool = False

    @property
    def mode(self) -> int:
        """0o755 or 0o644."""
        return 0o755 if self.executable else 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A symbolic link; its target may be anything, and is never followed."""

    target: str


Leaf = File | Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Files and links by POSIX path, relative to the root; as in git, there is no empty folder.

    Names that are not UTF-8 hold surrogate escapes, as `os.fsdecode` gives them.

    Raises:
        TreeError: A path is not one that may stand in a tree, or lies below a file or a link.
    """

    entries: Mapping[str, Leaf] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in self.entries:
            fault = path_fault(path)
            if fault:
                raise TreeError(f"`{path}` {fault}")
            above = blocking_ancestor(self.entries, path)
            if above:
                raise TreeError(f"`{path}` lies below `{above}`, which is not a folder")

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.entries, key=os.fsencode))

    def __contains__(self, path: str) -> bool:
        return path in self.entries

    def __len__(self) -> int:
        return len(self.entries)

    def below(self, folder: str) -> tuple[str, ...]:
        """The paths of what a folder holds at any depth; empty where there is no such folder."""
        return tuple(path for path in self if path.startswith(f"{folder}/"))


@lru_cache(maxsize=65_536)  # each edit makes a tree, of the same paths but for a few
def path_fault(path: str) -> str:
    """What keeps `path` from standing in a tree, as the rest of a sentence; empty where nothing."""
    parts = path.split("/")
    faults = (
        (not path, "is empty"),
        ("\0" in path, "holds a NUL"),
        (path.startswith("/"), "is absolute"),
        (".." in parts, "leaves the tree with `..`"),
        ("" in parts or "." in parts, "has an empty or `.` part"),
        (any(part.lower() in {".git", "git~1"} for part in parts), "is inside a `.git`"),
        (not _fits(path), "is too long, or no file name"),
    )
    return next((fault for found, fault in faults if found), "")


def _fits(path: str) -> bool:
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return len(raw) <= PATH_BYTES and max(map(len, raw.split(b"/"))) <= NAME_BYTES


def ancestors(path: str) -> Iterator[str]:
    """The folders above a path, outermost first."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        yield "/".join(parts[:count])


def blocking_ancestor(entries: Mapping[str, Leaf], path: str) -> str:
    """The file or link that a path would have to pass through; empty where there is none."""
    return next((above for above in ancestors(path) if above in entries), "")


def digest(tree: Tree) -> str:
    """The sha256, in hex, of paths, kinds, modes, contents and targets."""
    sha = hashlib.sha256()
    for path in tree:
        leaf = tree.entries[path]
        match leaf:
            case File():
                kind, content = (b"x" if leaf.executable else b"f"), leaf.data
            case Link():
                kind, content = b"l", os.fsencode(leaf.target)
        name = os.fsencode(path)
        sha.update(b"%s %d %d\0" % (kind, len(name), len(content)))
        sha.update(name)
        sha.update(content)
    return sha.hexdigest()


def read_tree(folder: Path, *, skip: frozenset[str] = frozenset()) -> Tree:
    """Reads a folder; links are kept as links, and modes cut down to executable or not.

    What interpreters and desktops leave behind (`SKIPPED`) is passed over, so that a tree is the
    same on every machine.

    Args:
        folder: The tree's root.
        skip: Names at the root that are not part of the tree.

    Raises:
        TreeError: It cannot be read, or holds a nested repository, a FIFO, a socket or a device.
    """
    entries: dict[str, Leaf] = {}
    try:
        _read(folder, "", entries, skip)
    except OSError as error:
        raise TreeError(
            f"cannot read {error.filename or folder}: {error.strerror}",
            hint="check that the folder exists and is readable",
        ) from error
    return Tree(entries=entries)


def _read(folder: Path, prefix: str, entries: dict[str, Leaf], skip: frozenset[str]) -> None:
    with os.scandir(folder) as found:
        items = sorted(found, key=lambda item: os.fsencode(item.name))
    for item in items:
        if item.name in SKIPPED or item.name in skip:
            continue
        path, place = prefix + item.name, Path(item.path)
        mode = item.stat(follow_symlinks=False).st_mode
        fault = path_fault(path)
        if fault:
            raise TreeError(f"{place}: `{path}` {fault}", hint="a fixture is a plain folder")
        if stat.S_ISLNK(mode):
            entries[path] = Link(target=str(place.readlink()))
        elif stat.S_ISDIR(mode):
            _read(place, f"{path}/", entries, frozenset())
        elif stat.S_ISREG(mode):
            entries[path] = File(data=place.read_bytes(), executable=bool(mode & stat.S_IXUSR))
        else:
            raise TreeError(
                f"{place} is neither a file, a folder nor a symbolic link",
                hint="remove it: git could not hold it",
            )


def write_tree(tree: Tree, folder: Path, *, mtime: int | None = None) -> None:
    """Writes a tree into a folder that is empty or not there yet.

    Files are 0644 or 0755 and folders 0755, whatever the umask.

    Args:
        tree: What to write.
        folder: Where.
        mtime: Seconds since 1970 for every file, link and folder; None leaves the time of writing.

    Raises:
        TreeError: The folder holds something already, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise TreeError(f"{folder} is not empty", hint="choose a new folder")
        folders = sorted({above for path in tree for above in ancestors(path)}, key=os.fsencode)
        for above in folders:
            (folder / above).mkdir()
            (folder / above).chmod(0o755)
        for path in tree:
            _write(tree.entries[path], folder / path)
        if mtime is not None:
            # Innermost first: what is written in a folder moves that folder's time.
            for path in (*tree, *reversed(folders)):
                os.utime(folder / path, (mtime, mtime), follow_symlinks=False)
            os.utime(folder, (mtime, mtime))
    except OSError as error:
        raise TreeError(
            f"cannot write {error.filename or folder}: {error.strerror}",
            hint="check the free space and who owns the folder",
        ) from error


def _write(leaf: Leaf, place: Path) -> None:
    match leaf:
        case Link():
            place.symlink_to(leaf.target)
        case File():
            with place.open("xb") as file:
                file.write(leaf.data)
            place.chmod(leaf.mode)
