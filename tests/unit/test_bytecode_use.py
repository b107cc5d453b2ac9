"""Which compiled files Python would use is compared, whatever their headers say."""

import importlib.util
import marshal
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from comparing import compare_folders

from benchmarks.lockstep import compare_trees
from harness.ecosystems.python.bytecode import source_hash
from harness.ecosystems.python.bytecode_use import Contents, Use, source_of, use
from harness.trees.difference import Side
from harness.trees.manifest import HERE
from harness.trees.scan import read_file, scan
from harness.verdicts.compare import Comparison, gather
from harness.verdicts.divergence import DivergenceKind

TAG = sys.implementation.cache_tag
COMPILED = f"__pycache__/m.{TAG}.pyc"
MAGIC = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")
LIMIT = 1 << 20


def compiled(source: str, flags: int, first: bytes) -> bytes:
    code = marshal.dumps(compile(source, "m.py", "exec", dont_inherit=True))
    return importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + first + code


def timed(source: str, time: int = 9, *, size: int | None = None) -> bytes:
    size = len(source) if size is None else size
    return compiled(source, 0, time.to_bytes(4, "little") + size.to_bytes(4, "little"))


def hashed(source: str, *, checked: bool, of: str | None = None) -> bytes:
    digest = source_hash((source if of is None else of).encode(), magic=MAGIC)
    return compiled(source, 0b11 if checked else 0b01, digest)


@dataclass(kw_only=True)
class Tree:
    """A tree on disk with a module `m`; `time` is its source's."""

    root: Path

    def module(self, pyc: bytes | None, source: str | None = "x = 1\n", *, time: int = 9) -> "Tree":
        (self.root / "__pycache__").mkdir(parents=True, exist_ok=True)
        if source is not None:
            (self.root / "m.py").write_text(source)
            os.utime(self.root / "m.py", (time, time))
        if pyc is not None:
            (self.root / COMPILED).write_bytes(pyc)
        return self

    def use(self, path: str = COMPILED) -> Use:
        def read(path: str) -> bytes:
            return read_file(self.root, path, limit=LIMIT)

        return use(path, scan(self.root, (HERE,)), Contents(head=read, read=read))

    def imports(self) -> bool:
        """Whether the interpreter itself takes the compiled file: told by what it reports."""
        script = "import m"
        done = subprocess.run(
            [sys.executable, "-B", "-v", "-c", script],
            cwd=self.root,
            env={"PYTHONPATH": str(self.root)},
            capture_output=True,
            text=True,
            check=True,
        )
        return f"matches {self.root}/m.py" in done.stderr or (
            "code object from" in done.stderr and f"'{self.root}/__pycache__/m." in done.stderr
        )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(root=tmp_path / "tree")


USES = {
    "time and size fit": (timed("x = 1\n"), Use.USED),
    "another time": (timed("x = 1\n", 8), Use.OUTDATED),
    "another size": (timed("x = 1\n", size=7), Use.OUTDATED),
    "its hash": (hashed("x = 1\n", checked=True), Use.USED),
    "another hash": (hashed("x = 2\n", checked=True), Use.OUTDATED),
    "its hash, unchecked": (hashed("x = 1\n", checked=False), Use.USED),
    "another hash, unchecked": (hashed("x = 2\n", checked=False), Use.WRONG),
    "another version": (b"\x0d\x0d\r\n" + timed("x = 1\n")[4:], Use.OUTDATED),
    "unknown flags": (compiled("x = 1\n", 0b100, bytes(8)), Use.OUTDATED),
    "no header": (b"nothing of the kind", Use.OUTDATED),
}


@pytest.mark.parametrize(("pyc", "expected"), USES.values(), ids=USES)
def test_use_of_a_compiled_file(tree: Tree, pyc: bytes, expected: Use) -> None:
    assert tree.module(pyc).use() is expected


@pytest.mark.parametrize(
    ("pyc", "expected"),
    [(pyc, expected) for name, (pyc, expected) in USES.items() if name != "unknown flags"],
    ids=[name for name in USES if name != "unknown flags"],
)
def test_the_interpreter_does_the_same(tree: Tree, pyc: bytes, expected: Use) -> None:
    assert tree.module(pyc).imports() is (expected in {Use.USED, Use.WRONG})


def test_a_compiled_file_without_its_source_is_unused_in_a_cache_folder(tree: Tree) -> None:
    assert tree.module(timed("x = 1\n"), None).use() is Use.UNUSED


def test_a_compiled_file_in_place_of_a_source_is_used(tree: Tree) -> None:
    tree.module(None, None)
    (tree.root / "m.pyc").write_bytes(timed("x = 1\n", 1))
    assert tree.use("m.pyc") is Use.USED
    tree.module(None)
    assert tree.use("m.pyc") is Use.UNUSED


def test_a_source_that_is_a_link_is_followed_in_the_tree(tree: Tree) -> None:
    tree.module(timed("x = 1\n"))
    (tree.root / "m.py").rename(tree.root / "n.py")
    (tree.root / "m.py").symlink_to("n.py")
    assert tree.use() is Use.USED
    for target in ("/etc/passwd", "m.py", "../../outside.py"):
        (tree.root / "m.py").unlink()
        (tree.root / "m.py").symlink_to(target)
        assert tree.use() is Use.OUTDATED


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("a/__pycache__/m.cpython-311.pyc", "a/m.py"),
        ("__pycache__/m.cpython-311.opt-2.pyc", "m.py"),
        ("a/m.pyc", "a/m.py"),
        ("a/__pycache__/m.pyc", ""),
        ("a/m.py", ""),
    ],
)
def test_the_source_of_a_compiled_file(path: str, source: str) -> None:
    assert source_of(path) == source


def against(ours: Tree, theirs: Tree) -> Comparison:
    found = compare_folders(ours.root, theirs.root)
    alone = compare_trees(ours.root, theirs.root, (HERE,))
    assert [(one.kind, one.path, one.why) for one in alone.divergences] == [
        (one.kind, one.path, one.why) for one in found.divergences
    ]
    assert (alone.notes, alone.set_aside) == (found.notes, found.set_aside)
    return found


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Tree, Tree]:
    return Tree(root=tmp_path / "cached"), Tree(root=tmp_path / "clean")


def kinds(comparison: Comparison) -> list[tuple[str, str]]:
    return [(one.kind.value, one.path) for one in comparison.divergences]


def test_bytecode_whose_source_lost_its_time_diverges(trees: tuple[Tree, Tree]) -> None:
    """The two trees hold the same bytes: only the time of a source differs."""
    ours, theirs = trees
    ours.module(timed("x = 1\n"), time=10)
    theirs.module(timed("x = 1\n"), time=9)
    assert kinds(against(ours, theirs)) == [("bytecode", COMPILED)]


def test_bytecode_that_the_clean_build_alone_would_not_use_is_noted(
    trees: tuple[Tree, Tree],
) -> None:
    ours, theirs = trees
    ours.module(timed("x = 1\n", 9), time=9)
    theirs.module(timed("x = 1\n", 9), time=10)
    comparison = against(ours, theirs)
    assert kinds(comparison) == []
    assert [(note.rule, note.paths) for note in comparison.notes] == [("pyc-clean", (COMPILED,))]


def test_bytecode_that_neither_or_both_would_use_agrees(trees: tuple[Tree, Tree]) -> None:
    ours, theirs = trees
    ours.module(timed("x = 1\n", 5), time=5)
    theirs.module(timed("x = 1\n", 6), time=6)
    assert kinds(against(ours, theirs)) == []
    ours.module(timed("x = 1\n", 5), time=1)
    theirs.module(timed("x = 1\n", 6), time=2)
    assert kinds(against(ours, theirs)) == []


def test_bytecode_of_another_source_with_its_time_and_size_diverges(
    trees: tuple[Tree, Tree],
) -> None:
    ours, theirs = trees
    ours.module(timed("x = 2\n"))
    theirs.module(timed("x = 1\n"))
    comparison = against(ours, theirs)
    assert kinds(comparison) == [("content", COMPILED)]
    assert "other code than the source" in comparison.divergences[0].why


def test_unchecked_bytecode_of_another_source_diverges(trees: tuple[Tree, Tree]) -> None:
    ours, theirs = trees
    ours.module(hashed("x = 1\n", checked=False, of="x = 2\n"))
    theirs.module(hashed("x = 1\n", checked=False))
    found = against(ours, theirs).divergences
    assert {one.kind for one in found} == {DivergenceKind.BYTECODE, DivergenceKind.CONTENT}
    assert any("unchecked" in one.why for one in found)


def test_many_outdated_files_are_one_finding(tmp_path: Path) -> None:
    roots = {side: tmp_path / side for side in Side}
    for side, root in roots.items():
        for number in range(40):
            Tree(root=root / f"p{number}").module(
                timed("x = 1\n"), time=9 if side is Side.CLEAN or number < 3 else 10
            )
    found = compare_folders(roots[Side.CACHED], roots[Side.CLEAN])
    assert len(found.divergences) == 37
    (one,) = gather(found.divergences)
    assert (one.kind, one.path, len(one.paths)) == (DivergenceKind.BYTECODE, HERE, 37)
    assert one.why.startswith("37 compiled files: ")
    assert gather((one,)) == (one,)


def test_an_import_puts_the_path_of_the_source_right(tree: Tree) -> None:
    """What the rule `pyc-name` rests on."""
    source = "def where():\n    return where.__code__.co_filename\nprint(where())\n"
    code = marshal.dumps(compile(source, "/elsewhere/m.py", "exec", dont_inherit=True))
    header = timed(source)[:16]
    tree.module(header + code, source)
    done = subprocess.run(
        [sys.executable, "-B", "-c", "import m"],
        cwd=tree.root, env={"PYTHONPATH": str(tree.root)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{tree.root}/m.py\n"


@pytest.mark.parametrize(("compiled_at", "told"), [(90, ["bytecode"]), (101, [])])
def test_bytecode_that_the_cached_build_outdated_itself_is_noted(
    trees: tuple[Tree, Tree], compiled_at: int, told: list[str]
) -> None:
    """It began at 100: what names an earlier time was restored, what names a later one is its."""
    ours, theirs = trees
    ours.module(timed("x = 1\n", compiled_at), time=103)
    theirs.module(timed("x = 1\n", 101), time=101)
    found = compare_folders(ours.root, theirs.root, began=100.0)
    assert [one.kind for one in found.divergences] == told
    assert [note.rule for note in found.notes] == ([] if told else ["pyc-own"])
