"""The edit language: how a commit changes a tree."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from harness.errors import HarnessError
from harness.scenarios.tree import File, Leaf, Link, Tree, ancestors, blocking_ancestor, path_fault

Path = Annotated[
    str,
    Field(
        description="A file's or folder's path, relative to the root; never `..`, never through a "
        "symbolic link, never inside `.git`."
    ),
]
STRICT = ConfigDict(extra="forbid", strict=True)
ROOT = "."


class EditError(HarnessError):
    """An edit does not apply to the tree it meets.

    Attributes:
        key: The key of the edit that is at fault.
        expected: What the edit needs.
    """

    def __init__(self, key: str, message: str, expected: str) -> None:
        super().__init__(message, hint=f"expected {expected}")
        self.key = key
        self.expected = expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Makes a file, or gives an existing one other content; its mode stays."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    do: Literal["write"]
    path: Path
    text: Annotated[str, Field(description="The file's whole content.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBytes:
    """Makes a file that is not text, or gives an existing one other content; its mode stays."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    do: Literal["write-bytes"]
    path: Path
    base64: Annotated[str, Field(description="The file's whole content, in base64.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Adds text at a file's end."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    do: Literal["append"]
    path: Path
    text: Annotated[str, Field(min_length=1, description="What is added, verbatim.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """Replaces text wherever it stands in a file."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    do: Literal["replace"]
    path: Path
    old: Annotated[str, Field(min_length=1, description="The text to replace.")]
    new: Annotated[str, Field(description="The replacement; it may be empty.")]
    count: Annotated[
        int, Field(ge=1, description="How often `old` occurs in the file; all are replaced.")
    ] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveLines:
    """Removes whole lines from a file."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    do: Literal["remove-lines"]
    path: Path
    lines: Annotated[
        tuple[str, ...],
        Field(
            min_length=1,
            description="Whole lines, without their line ends; each must be there, and is removed "
            "wherever it occurs.",
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Deletes a file, a symbolic link, or a folder with all that it holds."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    do: Literal["delete"]
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Moves a file, a symbolic link or a folder to a place where nothing is."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    do: Literal["move"]
    path: Path
    to: Annotated[str, Field(description="The new path.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Copies in a fixture's files, over what is there."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    do: Literal["copy"]
    source: Annotated[
        str,
        Field(
            alias="from",
            description="`FIXTURE[@REVISION][/PATH]`: a folder under `fixtures/repos/`, a fork's "
            "revision, and a file or folder in it.",
        ),
    ]
    path: Annotated[
        str, Field(description="The path that the copied file or folder gets; `.` is the root.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chmod:
    """Makes a file executable, or no longer so."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    do: Literal["chmod"]
    path: Path
    executable: Annotated[bool, Field(description="True for mode 0755, false for 0644.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Symlink:
    """Makes a symbolic link where nothing is."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    do: Literal["symlink"]
    path: Path
    target: Annotated[
        str,
        Field(
            min_length=1,
            description="What it points to, verbatim; it may dangle or leave the app, since "
            "nothing in the harness follows it.",
        ),
    ]


Edit = Annotated[
    Write | WriteBytes | Append | Replace | RemoveLines | Delete | Move | Copy | Chmod | Symlink,
    Field(discriminator="do"),
]
Fixture = Callable[[str], Tree]
"""The tree that a fixture is, given `FIXTURE[@REVISION]`."""


def edit_paths(edit: Edit) -> Mapping[str, str]:
    """The paths in a tree that an edit names, by the edit's key; the root is not among them."""
    paths = {"path": edit.path}
    if isinstance(edit, Move):
        paths["to"] = edit.to
    return {
        key: path for key, path in paths.items() if not (isinstance(edit, Copy) and path == ROOT)
    }


def edit_texts(edit: Edit) -> Mapping[str, tuple[str, ...]]:
    """The texts of an edit in which references are replaced, by the edit's key."""
    match edit:
        case Write() | Append():
            return {"text": (edit.text,)}
        case Replace():
            return {"old": (edit.old,), "new": (edit.new,)}
        case RemoveLines():
            return {"lines": edit.lines}
        case _:
            return {}


def interpolated(edit: Edit, substitute: Callable[[str], str]) -> Edit:
    """The edit with each of its texts passed through `substitute`."""
    match edit:
        case Write():
            return replace(edit, text=substitute(edit.text))
        case Append():
            return replace(edit, text=substitute(edit.text))
        case Replace():
            return replace(edit, old=substitute(edit.old), new=substitute(edit.new))
        case RemoveLines():
            return replace(edit, lines=tuple(map(substitute, edit.lines)))
        case _:
            return edit


def interpolated_tree(tree: Tree, substitute: Callable[[str], str]) -> Tree:
    """The tree with each file that is UTF-8 text passed through `substitute`."""
    return Tree(
        entries={path: _interpolated_leaf(leaf, substitute) for path, leaf in tree.entries.items()}
    )


def _interpolated_leaf(leaf: Leaf, substitute: Callable[[str], str]) -> Leaf:
    if isinstance(leaf, Link):
        return leaf
    try:
        text = leaf.data.decode()
    except UnicodeDecodeError:
        return leaf
    return replace(leaf, data=substitute(text).encode())


def apply(tree: Tree, edit: Edit, fixture: Fixture) -> Tree:
    """The tree after an edit.

    Args:
        tree: The tree before; it stays as it is.
        edit: The edit, its references replaced.
        fixture: Gives the trees that `copy` copies from.

    Raises:
        EditError: A path may not stand in a tree, what the edit needs is not there, or it would
            change nothing.
    """
    for key, path in edit_paths(edit).items():
        _check_path(tree, key, path)
    entries = dict(tree.entries)
    match edit:
        case Delete():
            for path in _held(tree, edit.path):
                del entries[path]
        case Move():
            _move(tree, entries, edit)
        case Copy():
            _copy(tree, entries, edit, fixture)
        case Symlink():
            _check_free(tree, "path", edit.path)
            if "\0" in edit.target:
                raise EditError("target", "`target` holds a NUL", "a path")
            entries[edit.path] = Link(target=edit.target)
        case _:
            entries[edit.path] = _edited_file(tree, edit)
    return Tree(entries=entries)


def split_source(source: str) -> tuple[str, str]:
    """`FIXTURE[@REVISION]` and the path in it; the path is empty where the whole is meant."""
    name, _, path = source.partition("/")
    return name, path


def _check_path(tree: Tree, key: str, path: str) -> None:
    fault = path_fault(path)
    if fault:
        raise EditError(key, f"`{path}` {fault}", "a path relative to the root, inside it")
    above = blocking_ancestor(tree.entries, path)
    if above:
        kind = "a symbolic link" if isinstance(tree.entries[above], Link) else "a file"
        raise EditError(
            key, f"`{path}` goes through `{above}`, which is {kind}", "a path through folders only"
        )


def _check_free(tree: Tree, key: str, path: str) -> None:
    if path in tree or tree.below(path):
        raise EditError(key, f"`{path}` already exists", "a path where nothing is")


def _file(tree: Tree, path: str) -> File:
    leaf = tree.entries.get(path)
    if isinstance(leaf, File):
        return leaf
    if isinstance(leaf, Link):
        found = f"`{path}` is a symbolic link to `{leaf.target}`"
    elif tree.below(path):
        found = f"`{path}` is a folder"
    else:
        found = f"there is no `{path}`"
    raise EditError("path", found, f"a file{_nearby(tree, path)}")


def _nearby(tree: Tree, path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    same = [other for other in tree if other.rsplit("/", 1)[-1] == name and other != path]
    return f", such as `{same[0]}`" if same else ""


def _held(tree: Tree, path: str) -> tuple[str, ...]:
    held = (path,) if path in tree else tree.below(path)
    if not held:
        raise EditError("path", f"there is no `{path}`", f"a file or folder{_nearby(tree, path)}")
    return held


def _edited_file(
    tree: Tree, edit: Write | WriteBytes | Append | Replace | RemoveLines | Chmod
) -> File:
    """The file that an edit of one file leaves."""
    match edit:
        case Write():
            return _written(tree, edit.path, edit.text.encode())
        case WriteBytes():
            return _written(tree, edit.path, _decoded(edit))
        case _:
            old = _file(tree, edit.path)
    match edit:
        case Append():
            return replace(old, data=old.data + edit.text.encode())
        case Replace():
            return replace(old, data=_replaced(edit, old.data))
        case RemoveLines():
            return replace(old, data=_without_lines(edit, old.data))
        case Chmod():
            if old.executable == edit.executable:
                raise _unchanged("executable", f"`{edit.path}` already has mode 0{old.mode:o}")
            return replace(old, executable=edit.executable)


def _written(tree: Tree, path: str, data: bytes) -> File:
    if path not in tree and not tree.below(path):
        return File(data=data)
    old = _file(tree, path)
    if old.data == data:
        raise _unchanged("path", f"`{path}` already has this content")
    return replace(old, data=data)


def _decoded(edit: WriteBytes) -> bytes:
    try:
        return base64.b64decode("".join(edit.base64.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EditError("base64", f"`base64` cannot be decoded: {error}", "base64") from error


def _replaced(edit: Replace, data: bytes) -> bytes:
    old, new = edit.old.encode(), edit.new.encode()
    found = data.count(old)
    if found != edit.count:
        times = {0: "is not in", 1: "occurs once in"}.get(found, f"occurs {found} times in")
        need = "to occur once" if edit.count == 1 else f"to occur {edit.count} times"
        more = "" if found == 0 or edit.count > 1 else f", or `count = {found}`"
        raise EditError("old", f"`old` {times} `{edit.path}`: {_quoted(edit.old)}", need + more)
    if old == new:
        raise _unchanged("new", "`new` is the same as `old`")
    return data.replace(old, new)


def _without_lines(edit: RemoveLines, data: bytes) -> bytes:
    kept = data.splitlines(keepends=True)
    for line in edit.lines:
        if "\n" in line or "\r" in line:
            raise EditError("lines", f"{_quoted(line)} is more than a line", "one line a string")
        bare = line.encode()
        left = [other for other in kept if other.rstrip(b"\r\n") != bare]
        if len(left) == len(kept):
            raise EditError(
                "lines", f"`{edit.path}` has no line {_quoted(line)}", _lines_of(edit.path, data)
            )
        kept = left
    return b"".join(kept)


def _lines_of(path: str, data: bytes) -> str:
    shown = [_quoted(line.decode(errors="replace")) for line in data.splitlines()[:8]]
    return f"one of the lines of `{path}`: {', '.join(shown)}" if shown else "a file with lines"


def _move(tree: Tree, entries: dict[str, Leaf], edit: Move) -> None:
    held = _held(tree, edit.path)
    _check_free(tree, "to", edit.to)
    if edit.path in ancestors(edit.to):
        raise EditError("to", f"`{edit.to}` is inside `{edit.path}`", "a path outside it")
    for path in held:
        to = edit.to + path.removeprefix(edit.path)
        fault = path_fault(to)
        if fault:
            raise EditError("to", f"`{to}` {fault}", "a shorter path")
        entries[to] = entries.pop(path)


def _copy(tree: Tree, entries: dict[str, Leaf], edit: Copy, fixture: Fixture) -> None:
    name, inside = split_source(edit.source)
    source = fixture(name)
    whole = {inside: source.entries[inside]} if inside in source else source.entries
    prefix = f"{inside}/" if inside and inside not in source else inside
    taken = {path: leaf for path, leaf in whole.items() if path.startswith(prefix)}
    if not taken:
        raise EditError("from", f"`{name}` has no `{inside}`", "a file or folder of the fixture")
    if edit.path == ROOT and inside in source:
        raise EditError("path", "`.` is the root, and a file is copied", "the path of a file")
    for path, leaf in taken.items():
        rest = path.removeprefix(prefix)
        to = "/".join(part for part in (edit.path if edit.path != ROOT else "", rest) if part)
        _check_path(tree, "path", to)
        if tree.below(to):
            raise EditError("path", f"`{to}` is a folder", "a path where no folder is")
        entries[to] = leaf
    if entries == dict(tree.entries):
        raise _unchanged("from", f"everything in `{edit.source}` already exists")


def _unchanged(key: str, found: str) -> EditError:
    return EditError(key, f"the edit changes nothing: {found}", "an edit that changes the tree")


def _quoted(text: str) -> str:
    """The text as a TOML string on one line, cut where it is long."""
    shown = text if len(text) <= 60 else text[:57] + "..."
    escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'
