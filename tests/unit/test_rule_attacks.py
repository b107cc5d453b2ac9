"""For each rule the nastiest trees in which something stale could hide behind it: all are told."""

import json
import marshal
import os
import re
import shutil
import struct
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from comparing import compare_folders
from git_repositories import GitError, git

from harness.trees.explainer import LARGEST, BuildPaths
from harness.verdicts.compare import Comparison
from harness.verdicts.divergence import DivergenceKind

TIME = 1_700_000_000
HEADER = 16
TAG = sys.implementation.cache_tag
SITE = "site-packages"
INFO = f"{SITE}/x-1.dist-info"
OWN, EARLIER = "/tmp/build_2", "/tmp/build_1"
PATHS = BuildPaths(cached=(OWN, EARLIER), clean=OWN)


@dataclass(frozen=True, slots=True)
class Builds:
    """The trees of a cached and a clean build."""

    cached: Path
    clean: Path

    def both(self, path: str, content: str | bytes, *, time: int = TIME) -> None:
        for tree in (self.cached, self.clean):
            write(tree / path, content, time=time)

    def each(self, path: str, cached: str | bytes, clean: str | bytes) -> None:
        write(self.cached / path, cached)
        write(self.clean / path, clean)

    def compared(self) -> Comparison:
        return compare_folders(self.cached, self.clean, build_paths=PATHS)

    def told(self) -> set[tuple[str, str]]:
        return {(str(one.kind), one.path) for one in self.compared().divergences}

    def quiet(self) -> bool:
        """Whether nothing but what is set aside differs."""
        found = self.compared()
        return not found.divergences and not found.notes and bool(found.set_aside)


@pytest.fixture
def builds(tmp_path: Path) -> Builds:
    made = Builds(tmp_path / "cached", tmp_path / "clean")
    for tree in (made.cached, made.clean):
        tree.mkdir()
    return made


def write(path: Path, content: str | bytes, *, time: int = TIME) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (time, time))


def code(source: str, path: str = f"{OWN}/m.py") -> CodeType:
    return compile(source, path, "exec", dont_inherit=True)


def timed(source: str, *, time: int = TIME, compiled: CodeType | None = None) -> bytes:
    """Bytecode that names its source's time and size."""
    named = struct.pack("<III", 0, time, len(source.encode()))
    return MAGIC_NUMBER + named + marshal.dumps(compiled or code(source))


def hashed(source: str, *, checked: bool, compiled: CodeType | None = None) -> bytes:
    """Bytecode that names its source's hash."""
    flags = struct.pack("<I", 3 if checked else 1)
    named = flags + source_hash(source.encode())
    return MAGIC_NUMBER + named + marshal.dumps(compiled or code(source))


def cache_of(module: str, tag: str = TAG) -> str:
    return f"{SITE}/__pycache__/{module}.{tag}.pyc"


# --- pyc-mtime -----------------------------------------------------------------------------------


def test_bytecode_of_two_times_is_quiet_where_each_fits_its_source(builds: Builds) -> None:
    for tree, time in ((builds.cached, TIME), (builds.clean, TIME + 9)):
        write(tree / SITE / "m.py", "x = 1\n", time=time)
        write(tree / cache_of("m"), timed("x = 1\n", time=time))
    assert builds.quiet()


def test_a_cache_that_lost_its_times_is_told(builds: Builds) -> None:
    for module in ("a", "b", "c"):
        builds.both(f"{SITE}/{module}.py", f"x = '{module}'\n")
        builds.both(cache_of(module), timed(f"x = '{module}'\n"))
        os.utime(builds.cached / SITE / f"{module}.py", (TIME + 9, TIME + 9))
    assert builds.told() == {("bytecode", cache_of(module)) for module in ("a", "b", "c")}


def test_old_code_under_a_header_that_fits_the_new_source_is_told(builds: Builds) -> None:
    builds.both(f"{SITE}/m.py", "x = 2\n")
    old = timed("x = 2\n", compiled=code("x = 1\n"))
    builds.each(cache_of("m"), old, timed("x = 2\n"))
    (one,) = builds.compared().divergences
    assert (one.kind, one.path) == (DivergenceKind.CONTENT, cache_of("m"))
    assert "Python uses it, and it holds other code" in one.why


def test_old_code_under_another_time_as_well_is_told(builds: Builds) -> None:
    for tree, time, said in ((builds.cached, TIME, "x = 1\n"), (builds.clean, TIME + 9, "x = 2\n")):
        write(tree / SITE / "m.py", "x = 2\n", time=time)
        write(tree / cache_of("m"), timed("x = 2\n", time=time, compiled=code(said)))
    assert builds.told() == {("content", cache_of("m"))}


def test_a_new_source_that_has_the_old_one_s_time_and_size_is_told(builds: Builds) -> None:
    builds.each(f"{SITE}/m.py", "x = 1\n", "x = 2\n")
    builds.both(cache_of("m"), timed("x = 2\n"))
    assert ("content", f"{SITE}/m.py") in builds.told()


@pytest.mark.parametrize("checked", [True, False])
def test_bytecode_by_hash_of_an_older_source_is_told(builds: Builds, checked: bool) -> None:
    builds.both(f"{SITE}/m.py", "x = 2\n")
    builds.each(
        cache_of("m"), hashed("x = 1\n", checked=checked), hashed("x = 2\n", checked=checked)
    )
    assert ("content", cache_of("m")) in builds.told()


def test_bytecode_by_hash_that_is_used_though_its_source_is_newer_is_told(builds: Builds) -> None:
    """In both builds the same bytes: only beside the one source they are right."""
    builds.each(f"{SITE}/m.py", "x = 2\n", "x = 1\n")
    builds.both(cache_of("m"), hashed("x = 1\n", checked=False))
    assert builds.told() == {("content", f"{SITE}/m.py"), ("bytecode", cache_of("m"))}


def test_old_code_without_a_source_is_told(builds: Builds) -> None:
    ours = timed("x = 1\n", time=TIME)
    builds.each(f"{SITE}/m.pyc", ours, timed("x = 2\n", time=TIME + 9))
    assert builds.told() == {("content", f"{SITE}/m.pyc")}


def test_the_time_of_what_a_source_that_is_a_link_leads_to_is_told(builds: Builds) -> None:
    builds.both(f"{SITE}/real.txt", "x = 1\n")
    for tree in (builds.cached, builds.clean):
        (tree / SITE / "m.py").symlink_to("real.txt")
    builds.both(cache_of("m"), timed("x = 1\n"))
    os.utime(builds.cached / SITE / "real.txt", (TIME + 9, TIME + 9))
    assert builds.told() == {("bytecode", cache_of("m"))}


def test_bytecode_that_is_a_link_is_looked_at_as_well(builds: Builds) -> None:
    builds.both(f"{SITE}/m.py", "x = 1\n")
    builds.both("kept/m.bytecode", timed("x = 1\n"))
    for tree in (builds.cached, builds.clean):
        (tree / SITE / "__pycache__").mkdir()
        (tree / cache_of("m")).symlink_to("../../kept/m.bytecode")
    os.utime(builds.cached / SITE / "m.py", (TIME + 9, TIME + 9))
    assert builds.told() == {("bytecode", cache_of("m"))}


def test_a_folder_of_bytecode_that_is_a_link_is_looked_at_as_well(builds: Builds) -> None:
    builds.both(f"{SITE}/m.py", "x = 1\n")
    builds.both(f"kept/m.{TAG}.pyc", timed("x = 1\n"))
    for tree in (builds.cached, builds.clean):
        (tree / SITE / "__pycache__").symlink_to("../kept")
    os.utime(builds.cached / SITE / "m.py", (TIME + 9, TIME + 9))
    assert {kind for kind, _ in builds.told()} == {"bytecode"}


def test_the_time_of_a_very_large_source_is_told(builds: Builds) -> None:
    source = "#" * LARGEST + "\n\n"
    for tree in (builds.cached, builds.clean):
        write(tree / SITE / "m.py", source)
        write(tree / cache_of("m"), timed(source, compiled=code("")))
    os.utime(builds.cached / SITE / "m.py", (TIME + 9, TIME + 9))
    assert builds.told() == {("bytecode", cache_of("m"))}


@pytest.mark.parametrize("tag", ["cpython-313t", "pypy39", "graalpy230-310"])
def test_bytecode_of_any_interpreter_is_looked_at(builds: Builds, tag: str) -> None:
    builds.both(f"{SITE}/m.py", "x = 1\n")
    builds.both(cache_of("m", tag), timed("x = 1\n"))
    os.utime(builds.cached / SITE / "m.py", (TIME + 9, TIME + 9))
    assert builds.told() == {("bytecode", cache_of("m", tag))}


def test_bytecode_that_lost_its_source_and_one_that_gained_one_are_told(builds: Builds) -> None:
    builds.both(f"{SITE}/m.py", "x = 1\n")
    builds.both(cache_of("m"), timed("x = 1\n"))
    (builds.cached / SITE / "m.py").unlink()
    assert ("missing", f"{SITE}/m.py") in builds.told()
    builds.both(f"{SITE}/n.pyc", timed("x = 1\n"))
    write(builds.cached / SITE / "n.py", "x = 2\n")
    assert ("leftover", f"{SITE}/n.py") in builds.told()


# --- pyc-refs ------------------------------------------------------------------------------------


def told_of_code(builds: Builds, cached: bytes, clean: bytes) -> set[tuple[str, str]]:
    builds.both(f"{SITE}/m.py", "x = 1\n")
    head = MAGIC_NUMBER + struct.pack("<III", 0, TIME, 6)
    builds.each(cache_of("m"), head + cached, head + clean)
    return builds.told()


def constants(written: bytes) -> str:
    """What Python itself reads."""
    return repr(marshal.loads(written).co_consts)  # noqa: S302 - made here


EQUAL_TO_PYTHON = [
    (1, True), (0, False), (1, 1.0), (0.0, -0.0), (1, 1 + 0j), ("a", b"a"), ((1,), (True,)),
    (frozenset({1}), frozenset({True})), ("\u00e9", "e\u0301"), ((), frozenset()), (None, ...),
    (2**31 - 1, 2**31), ("", b""), (((1, 2), 3), (1, (2, 3))), ((None,), (None, None)),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), EQUAL_TO_PYTHON)
def test_constants_that_look_alike_are_told(builds: Builds, one: object, other: object) -> None:
    base = code("x = 7\n")
    ours, theirs = (
        marshal.dumps(base.replace(co_consts=(*base.co_consts, each)), version)
        for each, version in ((one, 2), (other, 4))
    )
    assert told_of_code(builds, ours, theirs) == {("content", cache_of("m"))}


def test_constants_in_another_order_are_told(builds: Builds) -> None:
    base = code("x = 7000\ny = 8000\n")
    assert base.co_consts[:2] == (7000, 8000)
    turned = base.replace(co_consts=(8000, 7000, *base.co_consts[2:]))
    ours, theirs = marshal.dumps(turned, 2), marshal.dumps(base)
    assert told_of_code(builds, ours, theirs) == {("content", cache_of("m"))}


def test_a_reference_that_leads_to_another_constant_is_told(builds: Builds) -> None:
    """The same objects in the same places; which of them comes twice is all that differs."""
    base = code("x = 7\n")
    first, second = "long enough for one", "long enough for two"
    ours, theirs = (
        marshal.dumps(base.replace(co_consts=(first, second, again))) for again in (first, second)
    )
    assert len(ours) == len(theirs)
    assert told_of_code(builds, ours, theirs) == {("content", cache_of("m"))}


def test_text_whose_bytes_are_alike_in_two_encodings_is_told(builds: Builds) -> None:
    r"""The kinds `a` and `u` give the bytes c3 a9 two meanings: two characters, or one."""
    base = code("x = '\u00e9\u00e9\u00e9'\n")
    theirs = marshal.dumps(base, 2)
    text = "\u00e9\u00e9\u00e9".encode()
    written = b"u" + struct.pack("<I", len(text)) + text
    ours = theirs.replace(written, b"a" + written[1:])
    assert ours != theirs
    assert constants(ours) != constants(theirs)
    assert told_of_code(builds, ours, theirs) == {("content", cache_of("m"))}


def test_a_set_whose_members_python_holds_to_be_equal_is_told(builds: Builds) -> None:
    """Of two members that are equal the first one stays."""
    base = code("x = 7\n").replace(co_consts=(7, frozenset({5}), None))
    theirs = marshal.dumps(base, 2)
    five, true = b"i\x05\0\0\0", b"T"
    one = b"i\x01\0\0\0"
    ours, clean = (
        theirs.replace(b">\x01\0\0\0" + five, b">\x02\0\0\0" + members)
        for members in (one + true, true + one)
    )
    assert constants(ours) != constants(clean)
    assert told_of_code(builds, ours, clean) == {("content", cache_of("m"))}


def test_bytes_after_the_code_are_told(builds: Builds) -> None:
    theirs = marshal.dumps(code("x = 1\n"))
    assert told_of_code(builds, theirs + b"\0", theirs) == {("content", cache_of("m"))}


@pytest.mark.parametrize(
    "change",
    [
        lambda _: {"co_name": "other"},
        lambda _: {"co_firstlineno": 9},
        lambda one: {"co_flags": one.co_flags ^ 0x20},
        lambda one: {"co_stacksize": one.co_stacksize + 1},
        lambda one: {"co_names": (*one.co_names, "y")},
        lambda one: {"co_linetable": one.co_linetable + b"\x80\0"},
        lambda one: {"co_code": bytes([one.co_code[0], one.co_code[1] ^ 1]) + one.co_code[2:]},
    ],
)
def test_whatever_else_code_says_is_told(
    builds: Builds, change: Callable[[CodeType], dict[str, Any]]
) -> None:
    base = code("x = 1\n")
    ours, theirs = marshal.dumps(base.replace(**change(base)), 2), marshal.dumps(base)
    assert told_of_code(builds, ours, theirs) == {("content", cache_of("m"))}


# --- record-lines --------------------------------------------------------------------------------


def line(path: str, content: bytes) -> str:
    digest = urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}\n"


@pytest.fixture
def recorded(builds: Builds) -> Builds:
    """Bytecode with a time of its own in each build, and RECORD lines that are true of it."""
    for tree, time in ((builds.cached, TIME), (builds.clean, TIME + 9)):
        write(tree / SITE / "m.py", "x = 1\n", time=time)
        compiled = timed("x = 1\n", time=time)
        write(tree / cache_of("m"), compiled)
        lines = line("m.py", b"x = 1\n") + line(PYC, compiled)
        write(tree / INFO / "RECORD", f"{lines}x-1.dist-info/RECORD,,\n")
    assert builds.quiet()
    return builds


PYC = f"__pycache__/m.{TAG}.pyc"
LIES = {
    "a hash that is not true": lambda lines: [lines[0], f"{PYC},sha256={'A' * 43},1\n", lines[2]],
    "a size that is not true": lambda lines: [lines[0], lines[1][:-1] + "0\n", lines[2]],
    "an older hash": lambda lines: [
        lines[0], line(PYC, timed("x = 0\n")), lines[2]],
    "another algorithm": lambda lines: [lines[0], f"{PYC},md5=A,1\n", lines[2]],
    "another line": lambda lines: [lines[0].replace("=", "=A"), *lines[1:]],
    "no line": lambda lines: [lines[0], lines[2]],
    "the line twice": lambda lines: [*lines, lines[1]],
    "a lie beside the truth": lambda lines: [*lines, f"{PYC},sha256=A,1\n"],
    "another order": lambda lines: [lines[1], lines[0], lines[2]],
    "the path in other words": lambda lines: [lines[0], lines[1].replace("__", "x/../__", 1),
                                              lines[2]],
    "another end": lambda lines: [lines[0], lines[1].replace("\n", "\r\n"), lines[2]],
    "a column more": lambda lines: [lines[0], lines[1].replace("\n", ",x\n"), lines[2]],
    "a file that is not there": lambda lines: [*lines, line("gone.py", b"")],
    "a quoted path with a line in it": lambda lines: [lines[0], f'"{PYC}\n",,\n', lines[2]],
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_record_that_is_not_true_is_told(recorded: Builds, lie: Callable[..., Any]) -> None:
    place = recorded.cached / INFO / "RECORD"
    lines = place.read_text().splitlines(keepends=True)
    write(place, "".join(lie(lines)))
    assert recorded.told() == {("content", f"{INFO}/RECORD")}


def test_a_record_of_bytecode_with_other_code_is_told(recorded: Builds) -> None:
    old = timed("x = 1\n", compiled=code("x = 0\n"))
    write(recorded.cached / cache_of("m"), old)
    write(
        recorded.cached / INFO / "RECORD",
        line("m.py", b"x = 1\n") + line(PYC, old) + "x-1.dist-info/RECORD,,\n",
    )
    assert recorded.told() == {("content", cache_of("m")), ("content", f"{INFO}/RECORD")}


def test_a_program_of_an_earlier_build_in_record_is_told_by_its_hash(builds: Builds) -> None:
    builds.each(f"{INFO}/RECORD", f"{EARLIER}/bin/x,sha256=A,1\n", f"{OWN}/bin/x,sha256=B,1\n")
    assert builds.told() == {("content", f"{INFO}/RECORD")}


# --- uv-times ------------------------------------------------------------------------------------


def uv(**changed: object) -> str:
    stamp = {"secs_since_epoch": 1, "nanos_since_epoch": 2}
    noted = {"timestamp": stamp, "commit": "1", "tags": False, "env": {"A": "1"},
             "directories": {"src": stamp}}  # fmt: skip
    return json.dumps({**noted, **changed})


STAMP = {"secs_since_epoch": 5, "nanos_since_epoch": 2}


def test_the_times_that_uv_notes_are_quiet(builds: Builds) -> None:
    builds.each(f"{INFO}/uv_cache.json", uv(timestamp=STAMP, directories={"src": STAMP}), uv())
    assert builds.quiet()


@pytest.mark.parametrize(
    "stale",
    [
        pytest.param(uv(commit="0"), id="a commit"),
        pytest.param(uv(env={"A": "0"}), id="a variable"),
        pytest.param(uv(directories={"old": STAMP}), id="a folder"),
        pytest.param(uv(tags=0), id="a number for a truth"),
        pytest.param(uv(timestamp={**STAMP, "commit": "0"}), id="a commit within a time"),
        pytest.param(uv(timestamp="0 of an older commit"), id="a text for a time"),
        pytest.param(uv(directories={"src": {"commit": "0"}}), id="a commit for a folder's time"),
        pytest.param(uv().replace('"commit"', '"commit": "0", "commit"'), id="a commit twice"),
        pytest.param(uv(timestamp=False), id="a truth for a time"),
    ],
)
def test_all_else_that_uv_notes_is_told(builds: Builds, stale: str) -> None:
    builds.each(f"{INFO}/uv_cache.json", stale, uv())
    assert builds.told() == {("content", f"{INFO}/uv_cache.json")}


# --- build-path ----------------------------------------------------------------------------------


def url(text: str, **more: object) -> str:
    return json.dumps({"url": f"file://{text}", **more})


def test_an_earlier_build_dir_is_noted(builds: Builds) -> None:
    builds.each(f"{INFO}/direct_url.json", url(f"{EARLIER}/x"), url(f"{OWN}/x"))
    found = builds.compared()
    assert (found.divergences, len(found.notes)) == ((), 1)


@pytest.mark.parametrize(
    ("cached", "clean"),
    [
        pytest.param(url(f"{EARLIER}/old"), url(f"{OWN}/new"), id="another folder"),
        pytest.param(url("/tmp/build_0/x"), url(f"{OWN}/x"), id="no earlier build's"),
        pytest.param(url(f"{EARLIER}0/x"), url(f"{OWN}/x"), id="one that begins alike"),
        pytest.param(url(f"{OWN}/x"), url(f"{EARLIER}/x"), id="in the clean build"),
        pytest.param(
            url(f"{EARLIER}/x", dir_info={"editable": 1}),
            url(f"{OWN}/x", dir_info={"editable": True}),
            id="a number for a truth",
        ),
        pytest.param(
            url(f"{EARLIER}/x", dir_info={"editable": True}), url(f"{OWN}/x"), id="editable"
        ),
        pytest.param(
            url(f"{EARLIER}/x", archive_info={"hash": "sha256=0"}),
            url(f"{OWN}/x", archive_info={"hash": "sha256=1"}),
            id="a hash",
        ),
        pytest.param(
            '{"url": "file:///elsewhere", ' + url(f"{EARLIER}/x")[1:],
            url(f"{OWN}/x"),
            id="two URLs",
        ),
    ],
)
def test_all_else_in_a_direct_url_is_told(builds: Builds, cached: str, clean: str) -> None:
    builds.each(f"{INFO}/direct_url.json", cached, clean)
    assert builds.told() == {("content", f"{INFO}/direct_url.json")}


def test_a_direct_url_that_names_no_earlier_build_is_not_said_to_name_one(builds: Builds) -> None:
    """The same JSON in another form: whatever it is, no build dir explains it."""
    builds.each(f"{INFO}/direct_url.json", url(f"{OWN}/x"), url(f"{OWN}/x").replace(" ", ""))
    assert builds.compared().notes == ()


def test_old_code_from_an_earlier_build_dir_is_told(builds: Builds) -> None:
    builds.both(f"{SITE}/m.py", "x = 2\n")
    builds.each(
        cache_of("m"),
        timed("x = 2\n", compiled=code("x = 1\n", f"{EARLIER}/m.py")),
        timed("x = 2\n"),
    )
    assert ("content", cache_of("m")) in builds.told()


def test_a_constant_that_is_the_file_name_as_well_is_told(builds: Builds) -> None:
    """One object by reference: as a file name it may name the earlier build dir, else not."""
    builds.both(f"{SITE}/m.py", "x = 1\n")
    ours, theirs = (
        timed("x = 1\n", compiled=code(f"x = {place!r}\n", place))
        for place in (f"{EARLIER}/m.py", f"{OWN}/m.py")
    )
    builds.each(cache_of("m"), ours, theirs)
    assert ("content", cache_of("m")) in builds.told()


@pytest.mark.parametrize(
    "name", ["x.pth", "__editable___x_finder.py", "bin/x", "app.cfg", "activate", "x.egg-link"]
)
def test_what_is_run_or_imported_may_name_no_earlier_build(builds: Builds, name: str) -> None:
    builds.each(f"{SITE}/{name}", f"{EARLIER}/x\n", f"{OWN}/x\n")
    assert builds.told() == {("content", f"{SITE}/{name}")}


@pytest.mark.parametrize(
    "lines",
    [
        "home = {}/bin\n", "include-system-site-packages = {}\n", "command = x\nhome = {}/bin\n",
        "version = {}\n", " home = {}/bin\n", "Home={}\n",
    ],
)  # fmt: skip
def test_where_a_virtual_environment_finds_python_is_told(builds: Builds, lines: str) -> None:
    builds.each("venv/pyvenv.cfg", lines.format(EARLIER), lines.format(OWN))
    assert builds.told() == {("content", "venv/pyvenv.cfg")}


# --- git-store -----------------------------------------------------------------------------------


GIT = "src/x/.git"


@pytest.fixture
def checkouts(builds: Builds) -> Builds:
    """The same clone in both builds: packed objects and references, a tag, two branches."""
    folder = builds.clean / "src/x"
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    for number in (1, 2, 3):
        # git takes a file of the same time and size for the same.
        write(folder / "m.py", f"x = {number}\n", time=TIME + number)
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", f"{number}")
    git(folder, "tag", "v1")
    git(folder, "branch", "other", "HEAD~1")
    git(folder, "gc", "--quiet")
    git(folder, "remote", "add", "origin", "https://git.example.invalid/x")
    shutil.copytree(builds.clean / "src", builds.cached / "src", symlinks=True)
    return builds


def packed(folder: Path) -> Path:
    (found,) = (folder / "objects/pack").glob("*.pack")
    return found


def loosened(folder: Path, of: str) -> Path:
    """The loose object of a commit, in a repository that has no packs any more."""
    pack = packed(folder)
    content = pack.read_bytes()
    shutil.rmtree(pack.parent)
    git(folder, "unpack-objects", "-q", stdin=content)
    name = git(folder, "rev-parse", of)
    return folder / "objects" / name[:2] / name[2:]


def rewritten(path: Path, change: Callable[[bytes], bytes]) -> None:
    content = path.read_bytes()
    assert change(content) != content
    path.chmod(0o644)
    path.write_bytes(change(content))


def damaged(path: Path) -> None:
    rewritten(path, lambda content: content[:-30] + bytes([content[-30] ^ 1]) + content[-29:])


def other_commit(folder: Path, name: str) -> Callable[[bytes], bytes]:
    """Has `packed-refs` name the commit before in the line of a reference."""
    before = git(folder, "rev-parse", "HEAD~1").encode()
    return lambda content: re.sub(rb"[0-9a-f]{40}(?= %s)" % name.encode(), before, content)


STALE_CHECKOUTS: dict[str, Callable[[Path], object]] = {
    "HEAD's branch, packed, at an older commit": lambda git_dir: rewritten(
        git_dir / "packed-refs", other_commit(git_dir, "refs/heads/main")
    ),
    "an object that is gone": lambda git_dir: loosened(git_dir, "HEAD").unlink(),
    "a file's object that is gone": lambda git_dir: loosened(git_dir, "HEAD:m.py").unlink(),
    "an object that is damaged": lambda git_dir: damaged(loosened(git_dir, "HEAD")),
    "a pack that is gone": lambda git_dir: packed(git_dir).unlink(),
    "a pack that is damaged": lambda git_dir: damaged(packed(git_dir)),
    "a pack's index that is damaged": lambda git_dir: damaged(
        packed(git_dir).with_suffix(".idx")
    ),
    "objects that lie elsewhere": lambda git_dir: (
        (git_dir / "objects/info/alternates").write_text("/tmp/build_1/x/.git/objects\n"),
        shutil.rmtree(git_dir / "objects/pack"),
    ),
    "an index of an older commit": lambda git_dir: git(git_dir.parent, "read-tree", "HEAD~1"),
    "an index without a file": lambda git_dir: git(
        git_dir.parent, "rm", "--quiet", "--cached", "m.py"
    ),
    "an index that is damaged": lambda git_dir: damaged(git_dir / "index"),
    "no index": lambda git_dir: (git_dir / "index").unlink(),
    "a replaced commit, packed": lambda git_dir: (
        git(git_dir, "replace", "HEAD", "HEAD~1"), git(git_dir, "pack-refs", "--all"),
    ),
    "another remote": lambda git_dir: git(git_dir, "remote", "set-url", "origin", "file:///x"),
    "a hook": lambda git_dir: write(git_dir / "hooks/post-checkout", "#!/bin/sh\n"),
    "HEAD at another branch": lambda git_dir: write(git_dir / "HEAD", "ref: refs/heads/other\n"),
    "the worktree": lambda git_dir: write(git_dir.parent / "m.py", "x = 0\n"),
}  # fmt: skip


@pytest.mark.parametrize("stale", STALE_CHECKOUTS.values(), ids=STALE_CHECKOUTS)
def test_a_checkout_that_git_sees_otherwise_is_told(
    checkouts: Builds, stale: Callable[..., Any]
) -> None:
    stale(checkouts.cached / GIT)
    assert checkouts.told()


@pytest.mark.parametrize("change", [lambda held: held[:-1], lambda held: held + b"\n"])
def test_packed_references_that_git_refuses_to_read_are_told(
    checkouts: Builds, change: Callable[..., Any]
) -> None:
    rewritten(checkouts.cached / GIT / "packed-refs", change)
    with pytest.raises(GitError):
        git(checkouts.cached / "src/x", "status")
    assert checkouts.told()


NAMED_OTHERWISE: dict[str, Callable[[Path], object]] = {
    "a tag, packed, at an older commit": lambda git_dir: rewritten(
        git_dir / "packed-refs", other_commit(git_dir, "refs/tags/v1")
    ),
    "no tag any more, packed": lambda git_dir: git(git_dir, "tag", "-d", "v1"),
    "a history that is cut": lambda git_dir: (git_dir / "shallow").write_text(
        git(git_dir, "rev-parse", "HEAD") + "\n"
    ),
}


@pytest.mark.parametrize("named", NAMED_OTHERWISE.values(), ids=NAMED_OTHERWISE)
def test_a_checkout_whose_commits_have_other_names_is_never_set_aside_unsaid(
    checkouts: Builds, named: Callable[..., Any]
) -> None:
    named(checkouts.cached / GIT)
    found = checkouts.compared()
    assert found.divergences == ()
    assert [str(note.rule) for note in found.notes] == ["git-history"]


STORED_OTHERWISE: dict[str, Callable[[Path], object]] = {
    "loose objects": lambda git_dir: loosened(git_dir, "HEAD"),
    "references that are not packed": lambda git_dir: write(
        git_dir / "refs/tags/v1", git(git_dir, "rev-parse", "v1") + "\n"
    ),
    "a branch beside HEAD's that moved": lambda git_dir: git(
        git_dir, "update-ref", "refs/heads/other", "HEAD~2"
    ),
    "a branch more": lambda git_dir: git(git_dir, "branch", "more"),
    "logs": lambda git_dir: write(git_dir / "logs/HEAD", ""),
    "what was fetched last": lambda git_dir: write(git_dir / "FETCH_HEAD", "x"),
    "an index with other times": lambda git_dir: (
        os.utime(git_dir.parent / "m.py", (TIME + 9, TIME + 9)),
        git(git_dir.parent, "update-index", "--really-refresh"),
        os.utime(git_dir.parent / "m.py", (TIME, TIME)),
    ),
    "an object that nothing reaches": lambda git_dir: git(
        git_dir, "hash-object", "-w", str(git_dir / "config")
    ),
    "HEAD at its branch's commit": lambda git_dir: write(
        git_dir / "HEAD", git(git_dir, "rev-parse", "HEAD") + "\n"
    ),
    "a remote branch": lambda git_dir: git(
        git_dir, "update-ref", "refs/remotes/origin/main", "HEAD~1"
    ),
}


@pytest.mark.parametrize("stored", STORED_OTHERWISE.values(), ids=STORED_OTHERWISE)
def test_a_checkout_that_git_sees_alike_is_no_finding(
    checkouts: Builds, stored: Callable[..., Any]
) -> None:
    stored(checkouts.cached / GIT)
    assert checkouts.told() == set()


def test_a_folder_called_git_that_is_no_repository_is_compared(builds: Builds) -> None:
    builds.each(f"{SITE}/x/templates/.git/objects/page.html", "old", "new")
    builds.each("logs/.git/logs/x", "old", "new")
    assert len(builds.told()) == 2
