"""Edits: what each does, and what each needs."""

import pytest

from harness.scenarios.edits import (
    Append,
    Chmod,
    Copy,
    Delete,
    Edit,
    EditError,
    Move,
    RemoveLines,
    Replace,
    Symlink,
    Write,
    WriteBytes,
    apply,
    edit_paths,
    interpolated,
)
from harness.scenarios.tree import File, Leaf, Link, Tree

APP = Tree(
    entries={
        "app.py": File(data=b"one\ntwo\ntwo\n"),
        "bin/run": File(data=b"#!/bin/sh\n", executable=True),
        "crlf.txt": File(data=b"one\r\ntwo\r\nthree"),
        "link": Link(target="bin"),
        "pkg/__init__.py": File(data=b""),
        "pkg/data.bin": File(data=b"\xff\0two"),
        "spaced.txt": File(data=b" x\nx\nx \n"),
    }
)
FIXTURE = Tree(
    entries={
        "forms/a.py": File(data=b"a"),
        "forms/b/c.py": File(data=b"c", executable=True),
        "formsx": File(data=b"not below forms"),
        "to": Link(target="forms"),
    }
)


def fixture(name: str) -> Tree:
    if name != "forms@v1":
        raise EditError("from", f"there is no `{name}`", "forms@v1")
    return FIXTURE


def after(edit: Edit) -> dict[str, Leaf]:
    return dict(apply(APP, edit, fixture).entries)


CHANGED: list[tuple[Edit, dict[str, Leaf | None]]] = [
    (Write(do="write", path="new/x", text="é"), {"new/x": File(data="é".encode())}),
    (Write(do="write", path="bin/run", text="x"), {"bin/run": File(data=b"x", executable=True)}),
    (WriteBytes(do="write-bytes", path="n", base64="/w\nA="), {"n": File(data=b"\xff\0")}),
    (Append(do="append", path="crlf.txt", text="x\n"), {
        "crlf.txt": File(data=b"one\r\ntwo\r\nthreex\n")}),
    (Replace(do="replace", path="app.py", old="one\n", new=""), {
        "app.py": File(data=b"two\ntwo\n")}),
    (Replace(do="replace", path="app.py", old="two", new="2", count=2), {
        "app.py": File(data=b"one\n2\n2\n")}),
    (Replace(do="replace", path="pkg/data.bin", old="two", new="2"), {
        "pkg/data.bin": File(data=b"\xff\x002")}),
    (RemoveLines(do="remove-lines", path="app.py", lines=("two",)), {
        "app.py": File(data=b"one\n")}),
    (RemoveLines(do="remove-lines", path="crlf.txt", lines=("three", "one")), {
        "crlf.txt": File(data=b"two\r\n")}),
    (
        RemoveLines(do="remove-lines", path="spaced.txt", lines=("x",)),
        {"spaced.txt": File(data=b" x\nx \n")},
    ),
    (Delete(do="delete", path="app.py"), {"app.py": None}),
    (Delete(do="delete", path="link"), {"link": None}),
    (Delete(do="delete", path="pkg"), {"pkg/__init__.py": None, "pkg/data.bin": None}),
    (Move(do="move", path="bin/run", to="run"), {
        "bin/run": None, "run": APP.entries["bin/run"]}),
    (Move(do="move", path="pkg", to="a/b"), {
        "pkg/__init__.py": None, "pkg/data.bin": None,
        "a/b/__init__.py": File(data=b""), "a/b/data.bin": File(data=b"\xff\0two")}),
    (Copy(do="copy", source="forms@v1", path="."), dict(FIXTURE.entries)),
    (Copy(do="copy", source="forms@v1/forms", path="pkg"), {
        "pkg/a.py": File(data=b"a"), "pkg/b/c.py": File(data=b"c", executable=True)}),
    (Copy(do="copy", source="forms@v1/forms/a.py", path="app.py"), {"app.py": File(data=b"a")}),
    (Chmod(do="chmod", path="bin/run", executable=False), {
        "bin/run": File(data=b"#!/bin/sh\n")}),
    (Symlink(do="symlink", path="out", target="../../etc"), {"out": Link(target="../../etc")}),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "expected"), CHANGED, ids=lambda v: getattr(v, "do", ""))
def test_edit_changes_this_and_nothing_else(edit: Edit, expected: dict[str, Leaf | None]) -> None:
    wanted = {**APP.entries, **expected}
    assert after(edit) == {path: leaf for path, leaf in wanted.items() if leaf is not None}


REFUSED: list[tuple[Edit, str, str]] = [
    (Write(do="write", path="../x", text=""), "path", "leaves the tree"),
    (Write(do="write", path="/x", text=""), "path", "is absolute"),
    (Write(do="write", path=".git/config", text=""), "path", "inside a `.git`"),
    (Write(do="write", path="link/x", text=""), "path", "which is a symbolic link"),
    (Write(do="write", path="app.py/x", text=""), "path", "which is a file"),
    (Write(do="write", path="link", text=""), "path", "is a symbolic link to `bin`"),
    (Write(do="write", path="pkg", text=""), "path", "is a folder"),
    (Write(do="write", path="pkg/__init__.py", text=""), "path", "changes nothing"),
    (WriteBytes(do="write-bytes", path="n", base64="a"), "base64", "cannot be decoded"),
    (Append(do="append", path="nope", text="x"), "path", "there is no `nope`"),
    (Append(do="append", path="link", text="x"), "path", "is a symbolic link"),
    (Replace(do="replace", path="app.py", old="three", new="x"), "old", "is not in `app.py`"),
    (Replace(do="replace", path="app.py", old="two", new="x"), "old", "occurs 2 times"),
    (Replace(do="replace", path="app.py", old="one", new="x", count=2), "old", "occurs once"),
    (Replace(do="replace", path="app.py", old="one", new="one"), "new", "changes nothing"),
    (RemoveLines(do="remove-lines", path="app.py", lines=("tw",)), "lines", 'no line "tw"'),
    (RemoveLines(do="remove-lines", path="app.py", lines=("one", "one")), "lines", "no line"),
    (RemoveLines(do="remove-lines", path="app.py", lines=("one\ntwo",)), "lines", "more than a"),
    (RemoveLines(do="remove-lines", path="app.py", lines=(" one",)), "lines", 'no line " one"'),
    (RemoveLines(do="remove-lines", path="bin/run", lines=("#!/bin/sh ",)), "lines", "no line"),
    (Delete(do="delete", path="pk"), "path", "there is no `pk`"),
    (Delete(do="delete", path="link/run"), "path", "goes through `link`"),
    (Move(do="move", path="pk", to="x"), "path", "there is no `pk`"),
    (Move(do="move", path="pkg", to="app.py"), "to", "already exists"),
    (Move(do="move", path="app.py", to="bin"), "to", "already exists"),
    (Move(do="move", path="pkg", to="pkg/sub"), "to", "is inside `pkg`"),
    (Move(do="move", path="pkg", to="../x"), "to", "leaves the tree"),
    (Move(do="move", path="pkg", to="link/x"), "to", "goes through `link`"),
    (Copy(do="copy", source="other", path="x"), "from", "there is no `other`"),
    (Copy(do="copy", source="forms@v1/for", path="x"), "from", "has no `for`"),
    (Copy(do="copy", source="forms@v1/to", path="."), "path", "is the root"),
    (Copy(do="copy", source="forms@v1/to", path="pkg"), "path", "is a folder"),
    (Copy(do="copy", source="forms@v1", path="app.py"), "path", "which is a file"),
    (Copy(do="copy", source="forms@v1", path="link"), "path", "which is a symbolic link"),
    (Copy(do="copy", source="forms@v1", path="../x"), "path", "leaves the tree"),
    (Chmod(do="chmod", path="app.py", executable=False), "executable", "already has mode 0644"),
    (Chmod(do="chmod", path="link", executable=True), "path", "is a symbolic link"),
    (Symlink(do="symlink", path="app.py", target="x"), "path", "already exists"),
    (Symlink(do="symlink", path="pkg", target="x"), "path", "already exists"),
    (Symlink(do="symlink", path="x", target="a\0"), "target", "NUL"),
]


@pytest.mark.parametrize(("edit", "key", "message"), REFUSED, ids=lambda v: getattr(v, "do", ""))
def test_edit_that_does_not_apply(edit: Edit, key: str, message: str) -> None:
    with pytest.raises(EditError) as caught:
        after(edit)
    assert caught.value.key == key
    assert message in caught.value.message
    assert caught.value.expected


def test_copy_of_what_is_there_already_changes_nothing() -> None:
    copy = Copy(do="copy", source="forms@v1/forms", path="pkg")
    once = apply(APP, copy, fixture)
    with pytest.raises(EditError, match="changes nothing"):
        apply(once, copy, fixture)


def test_missing_file_names_one_of_the_same_name_elsewhere() -> None:
    with pytest.raises(EditError) as caught:
        after(Append(do="append", path="run", text="x"))
    assert "bin/run" in caught.value.expected


def test_tree_before_stays_as_it_is() -> None:
    before = dict(APP.entries)
    after(Delete(do="delete", path="pkg"))
    assert dict(APP.entries) == before


def test_references_are_replaced_in_texts_and_not_in_paths() -> None:
    edits: list[Edit] = [
        Write(do="write", path="a", text="a"),
        Append(do="append", path="a", text="a"),
        Replace(do="replace", path="a", old="a", new="a"),
        RemoveLines(do="remove-lines", path="a", lines=("a", "a")),
    ]
    upper = [interpolated(edit, str.upper) for edit in edits]
    assert upper == [
        Write(do="write", path="a", text="A"),
        Append(do="append", path="a", text="A"),
        Replace(do="replace", path="a", old="A", new="A"),
        RemoveLines(do="remove-lines", path="a", lines=("A", "A")),
    ]


def test_root_is_no_path_of_a_copy() -> None:
    assert edit_paths(Copy(do="copy", source="forms", path=".")) == {}
    assert edit_paths(Move(do="move", path="a", to="b")) == {"path": "a", "to": "b"}
