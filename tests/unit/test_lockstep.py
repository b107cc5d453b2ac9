"""What a comparison of two trees on disk must see, and what it may not do."""

import importlib.util
import marshal
import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from comparing import plainly
from ordinary_users import ordinary_user

from benchmarks import lockstep
from benchmarks.lockstep import Differences, compare_trees, differences, everyone_installed
from harness.errors import ManifestError
from harness.trees.directory import Directory
from harness.trees.file_reader import LARGE, OTHER, SAME, UNSURE
from harness.trees.scan import WHOLE_TREE, scan


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    cached = tmp_path / "cached"
    (cached / "lib" / "empty").mkdir(parents=True)
    (cached / "lib" / "a.py").write_text("text")
    (cached / "lib" / "large").write_bytes(bytes(3 * LARGE))
    (cached / "lib" / "link").symlink_to("a.py")
    os.mkfifo(cached / "lib" / "fifo")
    clean = tmp_path / "clean"
    shutil.copytree(cached / "lib" / "empty", clean / "lib" / "empty")
    for name in ("a.py", "large", "link"):
        shutil.copy2(cached / "lib" / name, clean / "lib" / name, follow_symlinks=False)
    os.mkfifo(clean / "lib" / "fifo")
    return cached, clean


def found(trees: tuple[Path, Path], *patterns: str) -> tuple[str, ...]:
    return differences(*trees, patterns or WHOLE_TREE).paths


def test_equal_trees_do_not_differ(trees: tuple[Path, Path]) -> None:
    assert found(trees) == ()
    comparison = compare_trees(*trees, WHOLE_TREE)
    assert comparison.divergences == ()
    # Two files, a link and a FIFO.
    assert comparison.compared == 4


def test_another_content_of_one_size_and_time_is_seen(trees: tuple[Path, Path]) -> None:
    file = trees[1] / "lib" / "a.py"
    times = file.stat()
    file.write_text("TEXT")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert found(trees) == ("lib/a.py",)


@pytest.mark.parametrize("place", [0, LARGE - 1, LARGE, 3 * LARGE - 1])
def test_one_byte_of_a_large_file_is_seen(trees: tuple[Path, Path], place: int) -> None:
    with (trees[1] / "lib" / "large").open("r+b") as stream:
        stream.seek(place)
        stream.write(b"x")
    assert found(trees) == ("lib/large",)


def test_times_do_not_count_and_modes_do(trees: tuple[Path, Path]) -> None:
    os.utime(trees[1] / "lib" / "a.py", (0, 0))
    os.utime(trees[1] / "lib" / "link", (0, 0), follow_symlinks=False)
    assert found(trees) == ()
    (trees[1] / "lib" / "a.py").chmod(0o4755)
    (trees[1] / "lib" / "fifo").chmod(0o600)
    (trees[1] / "lib" / "empty").chmod(0o700)
    assert found(trees) == ("lib/a.py", "lib/empty", "lib/fifo")


def test_links_are_compared_by_where_they_point(trees: tuple[Path, Path]) -> None:
    (trees[1] / "lib" / "link").unlink()
    (trees[1] / "lib" / "link").symlink_to("large")
    assert found(trees) == ("lib/link",)


def test_what_is_in_a_folder_that_one_tree_lacks_is_found_too(trees: tuple[Path, Path]) -> None:
    shutil.rmtree(trees[0] / "lib" / "empty")
    (trees[0] / "lib" / "empty").write_text("a file")
    (trees[1] / "lib" / "empty" / "deep").mkdir()
    (trees[1] / "lib" / "empty" / "deep" / "file").write_text("x")
    result = differences(*trees, WHOLE_TREE)
    assert result.cached == ("lib/empty",)
    assert result.clean == ("lib/empty", "lib/empty/deep", "lib/empty/deep/file")
    assert result.compared == 4 + 2


def test_files_that_are_one_file_are_not_read(trees: tuple[Path, Path]) -> None:
    """A file of the kernel's says it has no bytes, so reading it would be an error."""
    assert differences(Path("/proc"), Path("/proc"), ("version",)).paths == ()


def test_a_file_that_grows_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "version").touch(0o444)
    assert differences(Path("/proc"), tmp_path, ("version",)).paths == ("version",)
    with pytest.raises(ManifestError, match="version: it changed while it was read"):
        compare_trees(Path("/proc"), tmp_path, ("version",))


def test_what_its_owner_may_not_read_is_compared_and_given_its_mode_back() -> None:
    # The test's own folder is in one that only its user may enter.
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        roots = [Path(folder, name) for name in ("cached", "clean")]
        for number, root in enumerate(roots):
            (root / "inner").mkdir(parents=True)
            (root / "inner" / "same").write_text("text")
            (root / "inner" / "other").write_text(f"{number}")
            for path in (root / "inner" / "same", root / "inner" / "other", root / "inner"):
                path.chmod(0)
        modes = {path: path.lstat().st_mode for path in Path(folder).rglob("*")}
        # The other user may not read what is installed here.
        everyone_installed()
        with ordinary_user(*modes):
            compared = compare_trees(roots[0], roots[1], WHOLE_TREE)
        assert [(one.kind, one.path) for one in compared.divergences] == [
            ("content", "inner/other")
        ]
        assert {path: path.lstat().st_mode for path in modes} == modes


def test_what_a_rule_explains_is_set_aside(trees: tuple[Path, Path]) -> None:
    for stamp, root in enumerate(trees):
        head = b"".join(number.to_bytes(4, "little") for number in (0, stamp, 1))
        code = marshal.dumps(compile("x = 1", "m.py", "exec"))
        (root / "lib" / "m.pyc").write_bytes(importlib.util.MAGIC_NUMBER + head + code)
    comparison = compare_trees(*trees, ("lib",))
    assert comparison.divergences == ()
    assert [(one.rule, one.count) for one in comparison.set_aside] == [("pyc-mtime", 1)]


def test_only_what_the_patterns_match_is_compared(trees: tuple[Path, Path]) -> None:
    (trees[1] / "lib" / "a.py").write_text("other")
    assert found(trees, "lib/l*") == ()
    assert found(trees, "lib/*.py", "absent") == ("lib/a.py",)


def test_two_processes_find_the_same(trees: tuple[Path, Path]) -> None:
    for root in trees:
        for number in range(3000):
            folder = root / f"{number % 40}"
            folder.mkdir(exist_ok=True)
            (folder / f"{number}").write_text(f"{number}")
    for number in range(0, 3000, 50):
        (trees[1] / f"{number % 40}" / f"{number}").write_text(f"{number}"[::-1] + " ")
    expected = plainly(scan(trees[0], WHOLE_TREE), scan(trees[1], WHOLE_TREE))
    assert len(expected.divergences) == 60
    for worth in (1, sys.maxsize):
        assert compare_trees(*trees, WHOLE_TREE, worth=worth) == expected


def test_what_the_other_process_says_is_taken_name_by_name(trees: tuple[Path, Path]) -> None:
    """What it could not read is read here: `a.py` is the same, and `large` is not."""
    (trees[1] / "lib" / "large").write_bytes(b"x" * (3 * LARGE))
    found = lockstep._Found()
    with Directory.top(trees[0] / "lib") as one, Directory.top(trees[1] / "lib") as other:
        pairs = lockstep._Pairs(found)
        names = ["absent", "gone", "a.py", "large", "absent too"]
        pairs.take((one, other), names, SAME + OTHER + UNSURE + UNSURE + SAME)
        pairs.take((one, other), ["more", "and more"], SAME * 2)
    assert found.cached.paths == found.clean.paths == {"gone", "large"}


def test_trees_that_change_between_two_looks_are_an_error(trees: tuple[Path, Path]) -> None:
    seen = Differences(
        cached_roots=("lib",), clean_roots=("lib",), cached=("lib/a.py",), clean=("lib/a.py",),
        compared=1,
    )  # fmt: skip
    with pytest.raises(ManifestError, match=r"lib/a.py: it changed") as caught:
        lockstep._comparison(*trees, seen, sys.maxsize)
    assert caught.value.hint


def test_what_cannot_be_compared_is_an_error_with_a_hint(
    trees: tuple[Path, Path], tmp_path: Path
) -> None:
    for pair in ((tmp_path / "absent", trees[1]), (trees[0], trees[1] / "lib" / "link")):
        with pytest.raises(ManifestError, match="cannot read the tree") as caught:
            compare_trees(*pair, WHOLE_TREE)
        assert caught.value.hint


def test_no_descriptor_is_left_open(trees: tuple[Path, Path]) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    (trees[1] / "lib" / "more").mkdir()
    compare_trees(*trees, WHOLE_TREE)
    with pytest.raises(ManifestError):
        compare_trees(*trees, ("../x",))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
