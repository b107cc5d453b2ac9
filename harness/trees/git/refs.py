"""References of a repository, resolved as git resolves them: loose ones count before packed."""

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_MOST_HOPS: Final = 5
"""So many symbolic references git follows, one after the other."""
_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.IGNORECASE)
_LOOSE = re.compile(r"(?P<id>[0-9a-f]{40}(?:[0-9a-f]{24})?)(?=\s|\0|$)", re.IGNORECASE)
_NO_NAME = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^/|/$|\.$")

ReadText = Callable[[str], str]
"""Gives a file's text by its path; empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a HEAD is.

    Attributes:
        commit: The full id that it comes to; empty where it comes to none.
        branch: The reference that it names, such as `refs/heads/main`; empty where it is detached.
        fault: Why it comes to no commit, as a phrase; empty for a branch without any commit yet.
    """

    commit: str = ""
    branch: str = ""
    fault: str = ""

    @property
    def unborn(self) -> bool:
        """Whether it names a branch that has no commit yet."""
        return not self.commit and not self.fault


def is_id(text: str) -> bool:
    """Whether a text is an object's full id."""
    return _ID.fullmatch(text) is not None


def is_name(name: str) -> bool:
    """Whether git takes a name for that of a reference below `refs/`."""
    return (
        name.startswith("refs/")
        and not _NO_NAME.search(name)
        and not any(part.startswith(".") or part.endswith(".lock") for part in name.split("/"))
    )


def loose(text: str) -> str:
    """What the file of a reference says: an id, `ref: NAME`, or nothing that git understands."""
    text = text.rstrip()
    if text.startswith("ref:"):
        return f"ref: {text.removeprefix('ref:').strip()}"
    found = _LOOSE.match(text)
    return found["id"].lower() if found else ""


def packed(text: str) -> tuple[Mapping[str, str], str]:
    """The references in a `packed-refs` file by name, and what is wrong with it, as a phrase."""
    found: dict[str, str] = {}
    fault = ""
    lines = text.split("\n")
    last = len(lines)
    for number, line in enumerate(lines, start=1):
        value, _, name = line.partition(" ")
        if number == last and not line:
            continue
        if line.startswith("#") or (line[:1] == "^" and _ID.fullmatch(line[1:])):
            continue
        if not (_ID.fullmatch(value) and is_name(name)):
            fault = fault or f"line {number} of it is malformed"
        found.setdefault(name, value.lower())
    if text and not text.endswith("\n"):
        fault = fault or f"line {last} of it does not end"
    return found, fault


def resolve(head: str, read: ReadText, packed_refs: Mapping[str, str]) -> Head:
    """Where a HEAD is.

    Args:
        head: What its file holds.
        read: Gives the text of the file of a loose reference, by its name.
        packed_refs: The packed ones.
    """
    value = loose(head)
    branch = ""
    for _ in range(_MOST_HOPS):
        if not value.startswith("ref: "):
            break
        name = value.removeprefix("ref: ")
        branch = branch or name
        if not is_name(name):
            return Head(branch=branch, fault="it names no reference")
        text = read(name)
        value = loose(text) if text else packed_refs.get(name, "")
        if not value:
            fault = f"{name} holds no id" if text else ""
            return Head(branch=branch, fault=fault)
    if value.startswith("ref: "):
        return Head(branch=branch, fault="it names references that name one another")
    if not value:
        return Head(fault="it holds neither an id nor the name of a reference")
    return Head(commit=value, branch=branch)


def checked_out(folder: str, read: ReadText) -> str:
    """The commit that a checkout's HEAD is at, or empty.

    Args:
        folder: The checkout's path in a tree.
        read: Gives the text of a file of the tree by its path; empty where there is none.
    """
    own = _git_folder(folder, read)
    if not own:
        return ""
    shared = read(posixpath.join(own, "commondir")).strip()
    common = _within(own, shared) if shared else own
    if not common:
        return ""
    return resolve(
        read(posixpath.join(own, "HEAD")),
        lambda name: read(posixpath.join(common, name)),
        packed(read(posixpath.join(common, "packed-refs")))[0],
    ).commit


def names_below(names: Iterable[str]) -> Iterable[str]:
    """Those of some paths in a repository's folder that are names of loose references."""
    return (name for name in names if name.startswith("refs/") and is_name(name))


def _git_folder(folder: str, read: ReadText) -> str:
    """The path of a checkout's repository: of a submodule it is elsewhere."""
    own = posixpath.join(folder, ".git")
    link = read(own)
    if not link:
        return own
    if not link.startswith("gitdir:"):
        return ""
    return _within(folder, link.removeprefix("gitdir:").strip())


def _within(folder: str, way: str) -> str:
    """Where a relative path leads from a folder; empty where that is outside of the tree."""
    path = posixpath.normpath(posixpath.join(folder, way))
    return "" if path.startswith(("..", "/")) else path
