"""Trees: what may stand in one, reading, writing and naming by content."""

import os
import socket
from pathlib import Path

import pytest

from harness.scenarios.tree import (
    File,
    Leaf,
    Link,
    Tree,
    TreeError,
    digest,
    path_fault,
    read_tree,
    write_tree,
)


def tree(**files: str) -> Tree:
    return Tree(entries={name: File(data=text.encode()) for name, text in files.items()})


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "..",
        "../x",
        "a/../b",
        "a/..",
        ".",
        "./a",
        "a//b",
        "a/",
        "a\0b",
        ".git/hooks/x",
        "sub/.GIT/config",
        "git~1/x",
        "x" * 256,
        "/".join(["abcdefgh"] * 500),
        "\ud800",
    ],
)
def test_path_that_may_not_stand_in_a_tree(path: str) -> None:
    assert path_fault(path)
    with pytest.raises(TreeError):
        Tree(entries={path: File(data=b"")})


@pytest.mark.parametrize("path", ["a", "a/b", "..a", "a..", ".gitignore", "a b\n", "é", "\udcff"])
def test_path_that_may_stand_in_a_tree(path: str) -> None:
    assert not path_fault(path)


@pytest.mark.parametrize("above", [File(data=b""), Link(target="b")])
def test_nothing_lies_below_a_file_or_link(above: Leaf) -> None:
    with pytest.raises(TreeError, match="below `a`"):
        Tree(entries={"a": above, "a/x": File(data=b"")})


def test_written_tree_is_read_back(tmp_path: Path) -> None:
    written = Tree(
        entries={
            "bin/run": File(data=b"#!/bin/sh\n", executable=True),
            "crlf": File(data=b"a\r\n\xff\0"),
            "dangling": Link(target="../../nowhere"),
            "deep/er/still": File(data=b""),
            "\udcff": File(data=b"not UTF-8"),
        }
    )
    write_tree(written, tmp_path / "to")
    assert read_tree(tmp_path / "to") == written


def test_modes_are_exact_whatever_the_umask(tmp_path: Path) -> None:
    written = Tree(entries={"d/f": File(data=b""), "d/x": File(data=b"", executable=True)})
    before = os.umask(0o077)
    try:
        write_tree(written, tmp_path / "to")
    finally:
        os.umask(before)
    modes = {p.name: p.lstat().st_mode & 0o7777 for p in (tmp_path / "to").rglob("*")}
    assert modes == {"d": 0o755, "f": 0o644, "x": 0o755}


def test_time_is_given_to_files_links_and_folders(tmp_path: Path) -> None:
    written = Tree(entries={"d/e/f": File(data=b""), "d/l": Link(target="f")})
    write_tree(written, tmp_path / "to", mtime=1_000_000_000)
    root = tmp_path / "to"
    assert {p.lstat().st_mtime for p in (root, *root.rglob("*"))} == {1_000_000_000}


def test_write_refuses_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("kept")
    with pytest.raises(TreeError, match="not empty"):
        write_tree(tree(x="lost"), tmp_path)
    assert (tmp_path / "x").read_text() == "kept"


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub" / "secret").write_text("secret")
    root.mkdir()
    (root / "link").symlink_to(outside)
    assert read_tree(root).entries == {"link": Link(target=str(outside))}


def test_what_interpreters_leave_behind_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "pkg" / "__pycache__").mkdir(parents=True)
    (tmp_path / "pkg" / "__pycache__" / "m.pyc").write_bytes(b"")
    (tmp_path / "pkg" / "m.py").write_text("")
    assert list(read_tree(tmp_path)) == ["pkg/m.py"]


def test_only_the_root_is_skipped_by_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for place in (tmp_path, tmp_path / "sub"):
        (place / "repo.toml").write_text("")
    assert list(read_tree(tmp_path, skip=frozenset({"repo.toml"}))) == ["sub/repo.toml"]


def test_nested_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sub" / ".git").mkdir(parents=True)
    with pytest.raises(TreeError, match=r"is inside a `\.git`"):
        read_tree(tmp_path)


def test_fifo_and_socket_are_refused_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(TreeError, match="fifo is neither"):
        read_tree(tmp_path)
    (tmp_path / "fifo").unlink()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        with pytest.raises(TreeError, match="socket is neither"):
            read_tree(tmp_path)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="nowhere"):
        read_tree(tmp_path / "nowhere")


def test_digest_tells_every_difference_apart() -> None:
    variants: list[Tree] = [
        Tree(),
        tree(a="x"),
        tree(a="y"),
        tree(b="x"),
        tree(a="x", b=""),
        tree(a="", b="x"),
        Tree(entries={"a": File(data=b"x", executable=True)}),
        Tree(entries={"a": Link(target="x")}),
    ]
    assert len({digest(variant) for variant in variants}) == len(variants)


def test_digest_does_not_hang_on_order() -> None:
    assert digest(tree(a="1", b="2")) == digest(tree(b="2", a="1"))
