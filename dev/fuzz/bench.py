"""Two copies of a tree, of which one is changed and set right again."""

import os
import shutil
import stat
import subprocess
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random

from harness.trees.difference import Side


class Level(StrEnum):
    """How the comparison reports a change."""

    DIVERGES = "diverges"
    NOTED = "noted"
    SET_ASIDE = "set aside"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was changed, and how it must be reported.

    Attributes:
        what: In a few words, with all that is needed to do it again.
        paths: Each must be named where the change is a divergence.
        also: Others that may be.
        levels: How it may be reported.
        why: The reason where that is not as a divergence.
        side: The side on which it is to be, where that matters.
    """

    what: str
    paths: frozenset[str]
    also: frozenset[str] = frozenset()
    levels: frozenset[Level] = frozenset({Level.DIVERGES})
    why: str = ""
    side: Side | None = None


class Unfit(Exception):  # noqa: N818 - no error: another place is tried
    """The change cannot be made where it was tried, or not on this machine."""


class Bench:
    """The two trees, and what there is in them.

    Paths are relative to the trees' folders; undecodable bytes are escaped as `os.fsdecode` does.

    Attributes:
        base: The folder of the tree that stays.
        work: The folder of the tree that is changed.
        files: Paths of regular files; and so on for the other kinds.
    """

    def __init__(self, base: Path, work: Path, rng: Random) -> None:
        """Copies the tree in `base` to `work`."""
        self.base, self.work, self.rng = base, work, rng
        subprocess.run(("cp", "-a", "--", str(base), str(work)), check=True)
        self.files: list[str] = []
        self.folders: list[str] = []
        self.links: list[str] = []
        self.others: list[str] = []
        self._twins: dict[str, list[str]] = {}
        self._touched: set[str] = set()
        self._read()

    def _read(self) -> None:
        inodes: defaultdict[int, list[str]] = defaultdict(list)
        for path in self.below(""):
            status = (self.base / path).lstat()
            if stat.S_ISREG(status.st_mode):
                self.files.append(path)
                inodes[status.st_ino].append(path)
            elif stat.S_ISDIR(status.st_mode):
                self.folders.append(path)
            elif stat.S_ISLNK(status.st_mode):
                self.links.append(path)
            else:
                self.others.append(path)
        for twins in inodes.values():
            if len(twins) > 1:
                self._twins.update(dict.fromkeys(twins, twins))

    def below(self, path: str, *, of: Path | None = None) -> list[str]:
        """What lies below a folder of the base, or of another tree, sorted; no link is followed."""
        of = of or self.base
        found: list[str] = []
        if (of / path).is_symlink():
            return found  # `walk` follows a link that it begins with
        for folder, folders, names in os.walk(of / path):
            place = os.path.relpath(folder, of)
            found += [os.path.normpath(f"{place}/{name}") for name in (*folders, *names)]
        return sorted(found)

    # --- choosing ------------------------------------------------------------------------------

    def pick(self, paths: list[str]) -> str:
        """One of some paths.

        Raises:
            Unfit: There is none.
        """
        if not paths:
            raise Unfit
        return self.rng.choice(paths)

    def plain(self) -> list[str]:
        """Files to which no rule of any tool applies: they are what their bytes are."""
        return [path for path in self.files if is_plain(path)]

    def own_name(self, folder: str) -> str:
        """A path in a folder at which nothing is yet."""
        rng = self.rng
        names = (
            f"new-{rng.randrange(1000)}", f".new-{rng.randrange(1000)}", "n\xe9w", "new\nline",
            os.fsdecode(b"new-\xff"), "new.py", "NEW", "-new", "new " * 50, "sitecustomize.py",
            "new.pth", "__init__.py", "conftest.cfg", f"new.cpython-{rng.randrange(40)}.pyc",
        )  # fmt: skip
        path = join(folder, rng.choice(names))
        if os.path.lexists(self.base / path):
            raise Unfit
        return path

    # --- changing ------------------------------------------------------------------------------

    def touch(self, path: str) -> Path:
        """The place of a path in the tree that is changed; it is set right afterwards."""
        self._touched.add(path)
        self._touched.update(self._twins.get(path, ()))
        return self.work / path

    def same_file(self, path: str) -> frozenset[str]:
        """All paths of a file: itself, and its hard links."""
        return frozenset(self._twins.get(path, (path,)))

    def write(self, path: str, content: bytes, *, keep_time: bool = False) -> None:
        """Gives a file another content in place, and by default a later time."""
        place = self.touch(path)
        before = place.stat()
        place.chmod(before.st_mode | 0o200)
        place.write_bytes(content)
        place.chmod(before.st_mode)
        time = before.st_mtime_ns if keep_time else before.st_mtime_ns + 5_000_000_000
        os.utime(place, ns=(before.st_atime_ns, time))

    def content(self, path: str) -> bytes:
        """What a file holds as it is changed now."""
        return (self.work / path).read_bytes()

    def remove(self, path: str) -> Path:
        """Removes what is at a path, with all that is in it."""
        place = self.touch(path)
        if place.is_dir() and not place.is_symlink():
            place.chmod(0o700)
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        return place

    def differs(self) -> bool:
        """Whether anything of what was touched is now otherwise than in the base."""
        return any(
            facts(self.base / path) != facts(self.work / path)
            or self.below(path) != self.below(path, of=self.work)
            or any(
                facts(self.base / inside) != facts(self.work / inside)
                for inside in self.below(path)
            )
            for path in self._touched
        )

    def undo(self) -> None:
        """Sets the changed tree right again."""
        for path in sorted(self._touched):
            self.remove(path)
        for path in sorted(self._touched):
            if os.path.lexists(self.work / path) or not os.path.lexists(self.base / path):
                continue
            made = next(
                (twin for twin in self._twins.get(path, ()) if os.path.lexists(self.work / twin)),
                None,
            )
            if made is not None:
                (self.work / path).hardlink_to(self.work / made)
            else:
                _copy(self.base / path, self.work / path)
        self._touched.clear()


def join(folder: str, name: str) -> str:
    """A path in a folder; the tree's own is called `.`."""
    return name if folder == "." else f"{folder}/{name}"


def in_git(path: str) -> bool:
    """Whether a path is part of a repository, rather than of what is checked out."""
    return "/.git/" in f"/{path}" and "/templates/" not in path


def is_plain(path: str) -> bool:
    """Whether a file is what its bytes are, for every tool that reads it."""
    name = path.rpartition("/")[2]
    read = {"uv_cache.json", "direct_url.json", "pyvenv.cfg"}
    return not (in_git(path) or name.endswith(".pyc") or name in read)


def facts(path: Path) -> tuple[object, ...]:
    """All that can be told of what lies at a path by itself."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return ()
    kind = stat.S_IFMT(status.st_mode)
    inside: list[object] = []
    # Where the owner may not read any more, the mode shows it.
    with suppress(PermissionError):
        inside += [
            (name, os.getxattr(path, name, follow_symlinks=False))
            for name in os.listxattr(path, follow_symlinks=False)
        ]
        if kind == stat.S_IFREG:
            inside.append(path.read_bytes())
    target = str(path.readlink()) if kind == stat.S_IFLNK else ""
    return status.st_mode, status.st_mtime_ns, status.st_uid, status.st_nlink, target, inside


def _copy(source: Path, target: Path) -> None:
    subprocess.run(
        ("cp", "-a", "--no-target-directory", "--", str(source), str(target)), check=True
    )
