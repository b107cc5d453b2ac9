import json
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ordinary_users import ordinary_user

from harness.errors import ManifestError
from harness.trees.manifest import Entry, EntryKind, Manifest, escape, from_json, to_json, unescape
from harness.trees.scan import WHOLE_TREE, read_file, scan


def paths(root: Path, *patterns: str) -> set[str]:
    return set(scan(root, patterns).entries)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    site = root / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    (site / "a.py").write_text("a")
    (root / "lib" / "python3.11" / "os.py").write_text("stdlib")
    (root / "bin").mkdir()
    (root / "bin" / "tool").write_text("#!")
    return root


def test_only_what_the_patterns_match_is_read(tree: Path) -> None:
    found = scan(tree, ("lib/python*/site-packages", "bin", "absent/*"))
    assert found.roots == ("bin", "lib/python3.11/site-packages")
    assert set(found.entries) == {
        "bin",
        "bin/tool",
        "lib/python3.11/site-packages",
        "lib/python3.11/site-packages/a.py",
    }


def test_a_root_may_be_a_file(tree: Path) -> None:
    found = scan(tree, ("bin/t*",))
    assert found.roots == ("bin/tool",)
    assert found.entries["bin/tool"].size == 2


def test_a_root_inside_another_is_read_once(tree: Path) -> None:
    assert scan(tree, ("lib/python3.11", "lib", "lib/*/site-packages")).roots == ("lib",)
    assert scan(tree, ("bin", ".")).roots == (".",)
    # A name that another root's name starts is not inside it.
    (tree / "bin-extra").mkdir()
    assert scan(tree, ("bin", "bin-extra")).roots == ("bin", "bin-extra")


def test_nothing_matched_is_an_empty_manifest(tree: Path) -> None:
    assert scan(tree, ("nowhere/at/all",)) == Manifest(roots=(), entries={})


def test_names_with_a_dot_in_front_are_matched(tree: Path) -> None:
    (tree / ".hidden").mkdir()
    assert ".hidden" in paths(tree, "*")


@pytest.mark.parametrize("pattern", ["/etc", "../x", "a/../b", "", "a//b", "a/**/b", "./a", "a\0b"])
def test_a_pattern_that_leaves_the_tree_is_refused(tree: Path, pattern: str) -> None:
    with pytest.raises(ManifestError, match="compared root"):
        scan(tree, (pattern,))


def test_a_link_on_the_way_to_a_root_is_an_entry_and_not_followed(
    tree: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "python3.12" / "site-packages").mkdir(parents=True)
    (outside / "python3.12" / "site-packages" / "secret.py").write_text("secret")
    (tree / "lib64").symlink_to(outside)
    found = scan(tree, ("lib*/python*/site-packages",))
    assert found.roots == ("lib/python3.11/site-packages", "lib64")
    assert found.entries["lib64"] == Entry(kind=EntryKind.SYMLINK, target=str(outside))
    assert not any("secret" in path for path in found.entries)


def test_a_root_that_is_a_link_is_an_entry_and_not_followed(tree: Path) -> None:
    (tree / "src").symlink_to("lib")
    assert scan(tree, ("src",)).entries == {"src": Entry(kind=EntryKind.SYMLINK, target="lib")}


def test_a_tree_that_is_a_link_or_absent_is_an_error(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree)
    for root in (tmp_path / "link", tmp_path / "absent", tree / "bin" / "tool"):
        with pytest.raises(ManifestError, match="cannot read the tree") as caught:
            scan(root, WHOLE_TREE)
        assert caught.value.hint


def test_a_fifo_is_not_opened(tree: Path) -> None:
    """Whoever opens the other end of a FIFO is let through once a reader has opened this one."""
    fifo = tree / "bin" / "fifo"
    os.mkfifo(fifo)
    found = scan(tree, WHOLE_TREE)
    with pytest.raises(OSError, match="No such device"):
        os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    assert found.entries["bin/fifo"].kind is EntryKind.FIFO


def test_a_device_is_its_numbers() -> None:
    null = scan(Path("/dev"), ("null",)).entries["null"]
    assert (null.kind, null.device) == (EntryKind.CHARACTER_DEVICE, (1, 3))


def test_a_large_sparse_file_is_read_in_parts(tree: Path) -> None:
    with (tree / "bin" / "huge").open("wb") as stream:
        stream.truncate(64 * 1024 * 1024)
    # head -c of as many bytes of /dev/zero into b3sum.
    zeros = "ea7b156fc9a810c181984f9e2da433feeeb2bf88ffa4d1f0dc1a92154b5bdc8b"
    assert scan(tree, ("bin/huge",)).entries["bin/huge"] == Entry(
        kind=EntryKind.FILE,
        mode=stat.S_IMODE((tree / "bin" / "huge").stat().st_mode),
        size=64 * 1024 * 1024,
        digest=zeros,
    )


def test_a_tree_deeper_than_the_recursion_limit_is_read(tmp_path: Path) -> None:
    depth = 600
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    assert len(scan(tmp_path, ("d",)).entries) == depth


def test_no_descriptor_is_left_open(tree: Path) -> None:
    (tree / "bin" / "large").write_bytes(bytes(600 * 1024))
    before = len(list(Path("/proc/self/fd").iterdir()))
    scan(tree, WHOLE_TREE)
    read_file(tree, "bin/tool", limit=1)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("scan")]


def test_what_its_owner_may_not_read_is_read_and_given_its_mode_back() -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for number, mode in enumerate((0o000, 0o100, 0o400, 0o300)):
            inner = root / f"folder{number}"
            inner.mkdir()
            (inner / "file").write_text("text")
            (inner / "large").write_bytes(bytes(600 * 1024))
            (inner / "inner").mkdir()
            (inner / "file").chmod(0o200)
            (inner / "large").chmod(0o000)
            inner.chmod(mode)
        modes = {path: path.lstat().st_mode for path in root.rglob("*")}
        with ordinary_user(root, *modes):
            entries = scan(root, WHOLE_TREE).entries
            assert read_file(root, "folder0/file", limit=9) == b"text"
        assert len(entries) == 1 + 4 * 4
        for path, mode in modes.items():
            assert path.lstat().st_mode == mode
            assert entries[str(path.relative_to(root))].mode == stat.S_IMODE(mode)


def test_what_belongs_to_somebody_else_is_an_error_with_a_hint() -> None:
    with ordinary_user(), pytest.raises(ManifestError, match="cannot read shadow") as caught:
        scan(Path("/etc"), ("shadow",))
    assert "owns" in caught.value.hint


def test_a_file_that_grows_while_it_is_read_is_an_error() -> None:
    """A file of the kernel's says it has no bytes and then has some."""
    with pytest.raises(ManifestError, match="version: it changed while it was read") as caught:
        scan(Path("/proc"), ("version",))
    assert "writes" in caught.value.hint


def test_modes_count_and_times_do_not(tree: Path) -> None:
    before = scan(tree, WHOLE_TREE)
    os.utime(tree / "bin" / "tool", (0, 0))
    assert scan(tree, WHOLE_TREE) == before
    (tree / "bin" / "tool").chmod(0o4711)
    assert scan(tree, WHOLE_TREE).entries["bin/tool"].mode == 0o4711


def test_reading_a_file_follows_no_link(tree: Path) -> None:
    (tree / "bin" / "link").symlink_to("tool")
    (tree / "lib64").symlink_to("lib")
    assert read_file(tree, "bin/tool", limit=1) == b"#"
    for path in ("bin/link", "lib64/python3.11/os.py", "bin", "absent", "../tree/bin/tool"):
        with pytest.raises(ManifestError, match="cannot read"):
            read_file(tree, path, limit=10)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é", "plain é"),
        ("a\\b", "a\\\\b"),
        ("\udcff", "\\xff"),
        ("\\xff", "\\\\xff"),
        ("a\nb\x1b", "a\\x0ab\\x1b"),
        ("\x85\u202e", "\\u0085\\u202e"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_escaping_shows_what_cannot_be_printed(text: str, shown: str) -> None:
    assert escape(text) == shown
    assert unescape(shown) == text


@pytest.mark.parametrize("damaged", ["\\", "\\q", "a\\x1", "\\u12", "\\Uffffffff", "\\U00110000"])
def test_what_escape_never_writes_is_damaged(damaged: str) -> None:
    with pytest.raises(ManifestError, match="damaged"):
        unescape(damaged)


STORED = to_json(
    Manifest(
        roots=("a", "b"),
        entries={
            "a": Entry(kind=EntryKind.FILE, mode=0o644, size=9, digest="ab" * 32),
            "b": Entry(kind=EntryKind.SYMLINK, target="a"),
        },
    )
)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "é", STORED[:-1], STORED + "\n", STORED.replace('"format":3', '"format":2'),
     STORED.replace("[9]", "[8]"), STORED.replace('"fl"', '"lf"'), STORED.replace("420", "421"),
     STORED.replace("abab", "abac", 1)],
)  # fmt: skip
def test_a_damaged_manifest_is_an_error_with_a_hint(text: str) -> None:
    with pytest.raises(ManifestError, match="damaged") as caught:
        from_json(text)
    assert caught.value.hint


def test_a_stored_manifest_is_plain_json() -> None:
    document = json.loads(STORED)
    assert document["format"] == 3
    assert document["paths"] == ["a", "b"]


def test_a_stored_manifest_keeps_devices() -> None:
    entry = Entry(kind=EntryKind.BLOCK_DEVICE, mode=0o660, device=(8, 1))
    stored = Manifest(roots=("dev",), entries={"dev/\udcffa\\": entry})
    assert from_json(to_json(stored)) == stored


def test_a_stored_manifest_keeps_times_and_attributes() -> None:
    marked = Entry(
        kind=EntryKind.FILE, mode=0o644, size=1, digest="ab", attributes=(("user.a", "00"),)
    )
    entries = {"a": Entry(kind=EntryKind.DIRECTORY), "a/b": marked, "c": replace(marked, size=2)}
    stored = Manifest(roots=(".",), entries=entries, times={"a/b": 3, "c": -1})
    again = from_json(to_json(stored))
    assert (again, again.times) == (stored, stored.times)


def test_when_files_were_modified_is_scanned_and_not_compared(tree: Path) -> None:
    file = "bin/tool"
    os.utime(tree / file, (5, 5))
    before = scan(tree, WHOLE_TREE)
    os.utime(tree / file, (6, 6))
    after = scan(tree, WHOLE_TREE)
    assert (before.times[file], after.times[file]) == (5, 6)
    assert before == after
    assert before.times.keys() == {
        path for path, entry in before.entries.items() if entry.kind is EntryKind.FILE
    }


def test_attributes_of_what_is_deployed_are_scanned(tree: Path) -> None:
    os.setxattr(tree / "bin/tool", "user.mark", b"\xff")
    os.setxattr(tree / "bin", "user.mark", b"")
    found = scan(tree, WHOLE_TREE, worth=1).entries
    assert found["bin/tool"].attributes == (("user.mark", "ff"),)
    assert found["bin"].attributes == (("user.mark", ""),)
    assert found["lib"].attributes == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may set capabilities")
def test_a_capability_is_scanned(tree: Path) -> None:
    # As setcap(8) writes cap_net_bind_service+ep: version 2 of struct vfs_cap_data.
    value = (0x0200_0001).to_bytes(4, "little") + (1 << 10).to_bytes(4, "little") + bytes(12)
    os.setxattr(tree / "bin/tool", "security.capability", value)
    found = scan(tree, WHOLE_TREE).entries["bin/tool"]
    assert found.attributes == (("security.capability", value.hex()),)


def test_what_is_not_deployed_is_passed_over(tree: Path) -> None:
    found = scan(tree, WHOLE_TREE, without=("bin", "lib/*/os.py", "nowhere"))
    assert set(found.entries) == {
        ".",
        "lib",
        "lib/python3.11",
        "lib/python3.11/site-packages",
        "lib/python3.11/site-packages/a.py",
    }


def test_a_path_is_split_at_its_root() -> None:
    found = Manifest(roots=("bin", "lib/x"), entries={})
    assert found.split("lib/x/a/b") == ("lib/x", "a/b")
    assert found.split("lib/x") == ("lib/x", ".")
    assert found.split("lib/xy") == ("", "lib/xy")
    assert Manifest(roots=(".",), entries={}).split("a/b") == (".", "a/b")
    assert Manifest(roots=(".",), entries={}).split(".") == (".", ".")
