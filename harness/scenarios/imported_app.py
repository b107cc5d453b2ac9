"""Folders of apps as the text of a scenario."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError
from harness.scenarios.edits import Chmod, Delete, Edit, Symlink, Write, WriteBytes
from harness.scenarios.imported import edit_lines
from harness.scenarios.interpolation import escaped
from harness.scenarios.line_edits import line_edits
from harness.scenarios.toml_text import on_lines, on_one_line
from harness.scenarios.tree import File, Leaf, Link, Tree, TreeError, read_tree

_ADDED = "added-since.txt"


class AppError(HarnessError):
    """A folder is not an app that a scenario could hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An app as it lies in a folder, called after that."""

    name: str
    files: Tree = field(repr=False)


def read_app(folder: Path) -> App:
    """An app's files, with links and modes; its own `.git` is not part of them.

    Raises:
        AppError: The folder cannot be read, is empty, or holds what a scenario cannot.
    """
    try:
        files = read_tree(folder, skip=frozenset({".git"}))
    except TreeError as error:
        raise AppError(f"--app {folder}: {error.message}", hint=error.hint) from error
    if not files:
        raise AppError(
            f"--app {folder}: there are no files", hint="name the folder that an app's files are in"
        )
    for path in files:
        leaf = files.entries[path]
        named = (path, leaf.target) if isinstance(leaf, Link) else (path,)
        if any(_decoded(name.encode(errors="surrogateescape")) is None for name in named):
            shown = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
            raise AppError(
                f"--app {folder}: the name or the target of `{shown}` is not UTF-8",
                hint="remove it from a copy of the folder, and import that",
            )
    return App(name=folder.resolve().name, files=files)


def app_scenario_text(apps: Sequence[App]) -> str:
    """The scenario of an app that is deployed, built again as it is, and once more with a file
    added; then it becomes each further app in turn.

    Args:
        apps: The apps, at least one.
    """  # noqa: D205
    first, *others = apps
    plain = {path: text for path, leaf in _sorted(first.files) if (text := _text(leaf)) is not None}
    deployed = Tree(entries={path: File(data=text.encode()) for path, text in plain.items()})
    added = Tree(entries={**first.files.entries, _ADDED: File(data=b"added\n")})
    heads = "".join(f", then become {app.name}" for app in others)
    lines = [
        f"description = {on_one_line(f'{first.name}, built again and with a file more{heads}')}",
        "",
        "[app]",
        f"message = {on_one_line(f'Deploy {first.name}')}",
    ]
    files = [f"{on_one_line(path)} = {on_lines(escaped(text))}" for path, text in plain.items()]
    lines += ["", "[app.files]", *files] if files else []
    edits = edit_lines(_edits(deployed, first.files), table="app")
    # A key of [app] stands before the tables in it; edits that are such tables stand after.
    at = len(lines) if edits and not edits[0] else 4
    lines[at:at] = edits
    for message, before, after in (
        ("Build again", first.files, first.files),
        ("Add a file", first.files, added),
        *(
            (f"Become {app.name}", before.files if before else added, app.files)
            for before, app in zip((None, *others), others, strict=False)
        ),
    ):
        lines += ["", "[[commits]]", f"message = {on_one_line(message)}"]
        lines += edit_lines(_edits(before, after), table="commits")
    return "\n".join(lines) + "\n"


def _edits(before: Tree, after: Tree) -> Iterator[Edit]:
    """What makes one tree of another."""
    # Deletions first: a folder may come where a file was, and the other way round.
    for path, old in _sorted(before):
        if _differs_in_kind(old, after.entries.get(path)):
            yield Delete(do="delete", path=path)
    for path, new in _sorted(after):
        was = before.entries.get(path)
        same = was is not None and not _differs_in_kind(was, new)
        if isinstance(new, Link):
            if not same:
                yield Symlink(do="symlink", path=path, target=new.target)
        else:
            yield from _file_edits(path, was if same and isinstance(was, File) else None, new)


def _differs_in_kind(old: Leaf, new: Leaf | None) -> bool:
    """Whether what is there has to go for what comes."""
    return type(old) is not type(new) or (isinstance(old, Link) and old != new)


def _file_edits(path: str, old: File | None, new: File) -> Iterator[Edit]:
    if old is None or old.data != new.data:
        text, before = _decoded(new.data), _decoded(old.data) if old else None
        if text is None:
            encoded = base64.b64encode(new.data).decode("ascii")
            yield WriteBytes(do="write-bytes", path=path, base64=encoded)
        elif before is None:
            yield Write(do="write", path=path, text=text)
        else:
            yield from line_edits(path, before, text)
    if new.executable != (old is not None and old.executable):
        yield Chmod(do="chmod", path=path, executable=new.executable)


def _sorted(tree: Tree) -> Iterator[tuple[str, Leaf]]:
    return ((path, tree.entries[path]) for path in tree)


def _text(leaf: Leaf) -> str | None:
    return _decoded(leaf.data) if isinstance(leaf, File) else None


def _decoded(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
