"""Changes of bytecode, and of sources as far as bytecode depends on them."""

import marshal
import os
import posixpath
import struct
import subprocess
import sys
from collections.abc import Callable
from importlib.util import MAGIC_NUMBER, source_hash
from types import CodeType

from dev.fuzz.bench import Bench, Change, Level, Unfit
from dev.fuzz.tree import BUILD, EARLIER, TAG, TIME
from harness.trees.difference import Side

Make = Callable[[Bench], Change]

COMPILED_AT = "bytecode that names another time of its source, which has it: Python uses both"
NEVER_READ = "nothing reads the time in bytecode that has no source beside it"
SHARED = "the code is equal, and shares its objects in another way"
SLOWER = "Python uses the bytecode of the cached build, and not that of the clean one"
NAMES = "code names another path of its source, which an import puts right"
UNREAD = "a time that no bytecode names"

_HEADER = 16


def source_of(path: str) -> str:
    """Where the source of a compiled file would lie."""
    folder, name = posixpath.split(path)
    if posixpath.basename(folder) == "__pycache__":
        return posixpath.join(posixpath.dirname(folder), f"{name.split('.')[0]}.py")
    return path.removesuffix("c")


def compiled_of(bench: Bench, path: str) -> list[str]:
    """The compiled files, of either tree, that Python holds against a source or a link to it."""
    if not path.endswith(".py"):
        return []
    found = []
    real = os.path.realpath(bench.base / path)
    for each in (file for file in bench.files if file.endswith(".pyc")):
        source = source_of(each)
        if source == path or os.path.realpath(bench.base / source) == real:
            found.append(each)
    return found


class _Compiled:
    """A compiled file of the base, taken apart."""

    def __init__(self, bench: Bench, path: str) -> None:
        data = (bench.base / path).read_bytes()
        self.path, self.code = path, data[_HEADER:]
        self.magic = data[:4]
        self.flags, self.time, self.size = struct.unpack("<III", data[4:_HEADER])
        self.hashed = data[8:_HEADER]
        self.source = source_of(path)
        self.has_source = os.path.lexists(bench.base / self.source)
        self.cached = "/__pycache__/" in f"/{path}"

    @property
    def read_by_python(self) -> bool:
        return self.has_source is self.cached

    def used(self, bench: Bench) -> bool:
        """Whether Python uses it as it lies there, by what the import system does."""
        if not self.read_by_python or self.magic != MAGIC_NUMBER:
            return False
        if not self.has_source or self.flags == 1:
            return True
        source = bench.base / self.source
        if self.flags == 3:
            return source_hash(source.read_bytes()) == self.hashed
        status = source.stat()
        return (int(status.st_mtime), status.st_size) == (self.time, self.size)

    def bytes(self, **other: int) -> bytes:
        """It with other numbers in its header."""
        flags, time, size = (
            other.get(name, own)
            for name, own in (("flags", self.flags), ("time", self.time), ("size", self.size))
        )
        return self.magic + struct.pack("<III", flags, time, size) + self.code


def _all(bench: Bench) -> list[_Compiled]:
    return [_Compiled(bench, path) for path in bench.files if path.endswith(".pyc")]


def _timed(bench: Bench, *, used: bool) -> _Compiled:
    found = [
        each
        for each in _all(bench)
        if each.flags == 0 and each.read_by_python and each.has_source and each.used(bench) is used
    ]
    if not found:
        raise Unfit
    return bench.rng.choice(found)


def _slower(what: str, paths: frozenset[str], side: Side) -> Change:
    """A change after which one side's Python does not use its bytecode any more."""
    if side is Side.CACHED:
        return Change(what=what, paths=paths, side=side)
    return Change(what=what, paths=paths, levels=frozenset({Level.NOTED}), why=SLOWER, side=side)


# --- sources -------------------------------------------------------------------------------------


def source_time(bench: Bench) -> Change:
    """Another time of a source."""
    sources = [path for path in (*bench.files, *bench.links) if path.endswith(".py")]
    path = bench.pick(sources)
    if (bench.base / path).is_symlink():
        # The link's own time: Python asks for that of what it leads to.
        os.utime(bench.touch(path), (TIME + 9, TIME + 9), follow_symlinks=False)
        return _unread(path)
    place = bench.touch(path)
    then = int(place.stat().st_mtime) + bench.rng.choice([-1, 1, 3600, -86400, 7])
    os.utime(place, (then, then))
    side = bench.rng.choice(list(Side))
    found = [_Compiled(bench, each) for each in compiled_of(bench, path)]
    stale = frozenset(e.path for e in found if e.flags == 0 and e.has_source and e.used(bench))
    mended = frozenset(
        e.path for e in found if e.flags == 0 and e.read_by_python and e.has_source
        and not e.used(bench) and e.time == then
    )  # fmt: skip
    if stale:
        return _slower(f"the time {then} of {path!r}", stale, side)
    if mended:
        other = Side.CLEAN if side is Side.CACHED else Side.CACHED
        told = _slower(f"the time {then} of {path!r}", mended, other)
        return Change(what=told.what, paths=told.paths, levels=told.levels, why=told.why, side=side)
    return _unread(path)


def _unread(path: str) -> Change:
    return Change(
        what=f"another time of {path!r}", paths=frozenset({path}),
        levels=frozenset({Level.UNSEEN}), why=UNREAD,
    )  # fmt: skip


def part_of_a_second(bench: Bench) -> Change:
    """Another time of a source, in the same second."""
    path = bench.pick([path for path in bench.files if path.endswith(".py")])
    place = bench.touch(path)
    whole = int(place.stat().st_mtime) * 10**9
    then = whole + bench.rng.randrange(1, 10**9)
    os.utime(place, ns=(then, then))
    return _unread(path)


def source_kept_its_facts(bench: Bench) -> Change:
    """Another content of a source with its time and size: its bytecode is used all the same."""
    each = _timed(bench, used=True)
    source = os.path.relpath(os.path.realpath(bench.base / each.source), bench.base)
    content = bytearray(bench.content(source))
    if not content:
        raise Unfit
    content[bench.rng.randrange(len(content))] ^= 1
    bench.write(source, bytes(content), keep_time=True)
    return Change(
        what=f"content of {source!r}, whose bytecode stays in use", paths=frozenset({source}),
        also=frozenset(compiled_of(bench, source)),
    )  # fmt: skip


# --- headers -------------------------------------------------------------------------------------


def time_alone(bench: Bench) -> Change:
    """The time in bytecode, while its source keeps its own."""
    each = _timed(bench, used=True)
    then = (each.time + bench.rng.choice([-1, 1, 60, 2**16])) % 2**32
    bench.write(each.path, each.bytes(time=then))
    side = bench.rng.choice(list(Side))
    return _slower(f"the time {then} in {each.path!r}", frozenset({each.path}), side)


def time_mended(bench: Bench) -> Change:
    """The time in bytecode that was outdated, and is not any more."""
    each = _timed(bench, used=False)
    then = int((bench.base / each.source).stat().st_mtime)
    bench.write(each.path, each.bytes(time=then))
    side = bench.rng.choice(list(Side))
    told = _slower("", frozenset(), Side.CLEAN if side is Side.CACHED else Side.CACHED)
    return Change(
        what=f"the source's time in {each.path!r}", paths=frozenset({each.path}),
        levels=told.levels, why=told.why, side=side,
    )  # fmt: skip


def both_times(bench: Bench) -> Change:
    """The time in bytecode and that of its source, as where it was compiled at another time."""
    each = _timed(bench, used=True)
    source = os.path.relpath(os.path.realpath(bench.base / each.source), bench.base)
    then = each.time + bench.rng.randrange(1, 10**6)
    os.utime(bench.touch(source), (then, then))
    for path in compiled_of(bench, source):
        one = _Compiled(bench, path)
        if one.flags == 0:
            bench.write(path, one.bytes(time=then))
    return Change(
        what=f"the time {then} of {source!r} and in its bytecode", paths=frozenset({each.path}),
        levels=frozenset({Level.SET_ASIDE}), why=COMPILED_AT,
    )  # fmt: skip


def unread_time(bench: Bench) -> Change:
    """The time in bytecode that nothing holds against a source."""
    found = [
        each for each in _all(bench) if each.flags == 0 and not (each.has_source and each.cached)
    ]
    if not found:
        raise Unfit
    each = bench.rng.choice(found)
    bench.write(each.path, each.bytes(time=each.time + 1))
    return Change(
        what=f"the time in {each.path!r}", paths=frozenset({each.path}),
        levels=frozenset({Level.SET_ASIDE}), why=NEVER_READ,
    )  # fmt: skip


def header(bench: Bench) -> Change:
    """Any other bit of a header."""
    each = bench.rng.choice(_all(bench))
    data = bytearray((bench.base / each.path).read_bytes())
    timed = each.flags == 0
    place = bench.rng.choice([p for p in range(_HEADER) if not (timed and 8 <= p < 12)])
    bit = bench.rng.randrange(8)
    data[place] ^= 1 << bit
    bench.write(each.path, bytes(data))
    return Change(
        what=f"bit {bit} of byte {place} of the header of {each.path!r}",
        paths=frozenset({each.path}),
    )  # fmt: skip


def other_check(bench: Bench) -> Change:
    """Bytecode of the same code that is checked in another way."""
    found = [each for each in _all(bench) if each.has_source and each.cached]
    each = bench.rng.choice(found)
    source = (bench.base / each.source).read_bytes()
    status = (bench.base / each.source).stat()
    flags = bench.rng.choice([flags for flags in (0, 1, 3) if flags != each.flags])
    named = source_hash(source) if flags else struct.pack("<II", int(status.st_mtime), len(source))
    bench.write(each.path, each.magic + struct.pack("<I", flags) + named + each.code)
    return Change(what=f"the flags {flags} in {each.path!r}", paths=frozenset({each.path}))


# --- code ----------------------------------------------------------------------------------------


def _write_code(bench: Bench, each: _Compiled, code: CodeType, what: str) -> Change:
    header_bytes = (bench.base / each.path).read_bytes()[:_HEADER]
    bench.write(each.path, header_bytes + marshal.dumps(code), keep_time=True)
    return Change(what=f"{what} in {each.path!r}", paths=frozenset({each.path}))


def _load(each: _Compiled) -> CodeType:
    code = marshal.loads(each.code)  # noqa: S302 - this program compiled it
    if not isinstance(code, CodeType):
        raise Unfit
    return code


def other_constant(bench: Bench) -> Change:
    """Code with another constant, and the header of before."""
    each = bench.rng.choice(_all(bench))
    code = _load(each)
    inner = [at for at, one in enumerate(code.co_consts) if isinstance(one, CodeType)]
    if inner and bench.rng.random() < 0.5:
        at = bench.rng.choice(inner)
        within = code.co_consts[at]
        new: object = within.replace(co_consts=(*within.co_consts, 1))
    else:
        at = bench.rng.randrange(len(code.co_consts))
        new = bench.rng.choice(_others(code.co_consts[at]))
    consts = (*code.co_consts[:at], new, *code.co_consts[at + 1 :])
    return _write_code(bench, each, code.replace(co_consts=consts), f"constant {at}: {new!r}")


def _others(constant: object) -> list[object]:
    """Constants that are not this one, some of which Python holds to be equal to it."""
    candidates: list[object] = [
        None, True, False, 0, 1, 1.0, 0.0, -0.0, "", b"", (), frozenset(), ..., 2**70, 1j, "a",
        b"a", f"{BUILD}/data", f"{EARLIER}/data",
    ]  # fmt: skip
    return [one for one in candidates if repr(one) != repr(constant)]


def other_code(bench: Bench) -> Change:
    """The code of another module, with the header of before."""
    each, other = bench.rng.sample(_all(bench), 2)
    return _write_code(bench, each, _load(other), f"the code of {other.path!r}")


def other_facts(bench: Bench) -> Change:
    """Code with another name, line, flag or instruction."""
    each = bench.rng.choice(_all(bench))
    code = _load(each)
    swapped = bytearray(code.co_code)
    swapped[bench.rng.randrange(0, len(swapped), 2) + 1] ^= 1
    changes: list[tuple[str, CodeType]] = [
        ("a name", code.replace(co_name="other")),
        ("a first line", code.replace(co_firstlineno=code.co_firstlineno + 1)),
        ("a flag", code.replace(co_flags=code.co_flags ^ 0x20)),
        ("a size of the stack", code.replace(co_stacksize=code.co_stacksize + 1)),
        ("names", code.replace(co_names=(*code.co_names, "more"))),
        ("an argument of an instruction", code.replace(co_code=bytes(swapped))),
        ("lines", code.replace(co_linetable=code.co_linetable + b"\x80\x00")),
    ]
    if hasattr(code, "co_exceptiontable"):
        changes.append(("exceptions", code.replace(co_exceptiontable=b"\x81\x01\x01\x01")))
        changes.append(("a qualified name", code.replace(co_qualname="other")))
    what, changed = bench.rng.choice(changes)
    if _loads_alike(marshal.dumps(changed), each.code):
        raise Unfit  # the argument was a cache's, which nobody writes
    return _write_code(bench, each, changed, what)


def shared_otherwise(bench: Bench) -> Change:
    """Equal code, written without references."""
    each = bench.rng.choice(_all(bench))
    header_bytes = (bench.base / each.path).read_bytes()[:_HEADER]
    bench.write(each.path, header_bytes + marshal.dumps(_load(each), 2))
    return Change(
        what=f"no references in {each.path!r}", paths=frozenset({each.path}),
        levels=frozenset({Level.SET_ASIDE}), why=SHARED,
    )  # fmt: skip


def other_file_name(bench: Bench) -> Change:
    """Code that was compiled in another build's dir."""
    each = bench.rng.choice([one for one in _all(bench) if one.cached and one.has_source])
    to = bench.rng.choice([EARLIER, f"{BUILD}0", "/tmp"])  # noqa: S108
    header_bytes = (bench.base / each.path).read_bytes()[:_HEADER]
    code = _moved(_load(each), to)
    bench.write(each.path, header_bytes + marshal.dumps(code), keep_time=True)
    what, paths = f"the build dir {to} in {each.path!r}", frozenset({each.path})
    return Change(what=what, paths=paths, levels=frozenset({Level.SET_ASIDE}), why=NAMES)


def _moved(code: CodeType, to: str) -> CodeType:
    consts = tuple(_moved(one, to) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_consts=consts, co_filename=code.co_filename.replace(BUILD, to))


def any_bit(bench: Bench) -> Change:
    """Any bit of the code."""
    each = bench.rng.choice(_all(bench))
    data = bytearray((bench.base / each.path).read_bytes())
    place, bit = bench.rng.randrange(_HEADER, len(data)), bench.rng.randrange(8)
    data[place] ^= 1 << bit
    bench.write(each.path, bytes(data), keep_time=True)
    what, paths = f"bit {bit} of byte {place} of {each.path!r}", frozenset({each.path})
    if _loads_alike(bytes(data[_HEADER:]), each.code, imported=each.cached and each.has_source):
        levels = frozenset({Level.SET_ASIDE, Level.DIVERGES})
        return Change(what=what, paths=paths, levels=levels, why=SHARED)
    return Change(what=what, paths=paths)


_ALIKE = """
import _imp, marshal, sys
data = sys.stdin.buffer.read()
size = int(sys.argv[1])
def load(data):
    code = marshal.loads(data)
    if sys.argv[2] == "imported" and type(code).__name__ == "code":
        _imp._fix_co_filename(code, "where it is")
    return code
def plain(one):
    if type(one).__name__ == "code":
        names = [n for n in dir(one) if n.startswith("co_") and n not in ("co_lines",
                 "co_positions", "co_lnotab", "co_branches")]
        return "code", [(n, plain(getattr(one, n))) for n in names]
    if isinstance(one, (tuple, list)):
        return type(one), [plain(each) for each in one]
    if isinstance(one, (set, frozenset)):
        return type(one), sorted(map(repr, map(plain, one)))
    return type(one), repr(one)
sys.exit(0 if plain(load(data[:size])) == plain(load(data[size:])) else 1)
"""


def _loads_alike(ours: bytes, theirs: bytes, *, imported: bool = False) -> bool:
    """Whether Python itself holds two codes to be equal; in a process, as a damaged one may end it.

    Bytes that follow the code are not looked at, so only codes of one length are held equal.
    """
    done = subprocess.run(
        (sys.executable, "-c", _ALIKE, str(len(ours)), "imported" if imported else ""),
        input=ours + theirs, capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0


def gone(bench: Bench) -> Change:
    """Bytecode that is not there."""
    each = bench.rng.choice(_all(bench))
    bench.remove(each.path)
    return Change(what=f"the end of {each.path!r}", paths=frozenset({each.path}))


def more(bench: Bench) -> Change:
    """Bytecode of one more level of optimization, or of another Python, or in an old place."""
    each = bench.rng.choice([one for one in _all(bench) if one.cached and one.has_source])
    stem = each.path.split(f".{TAG}")[0]
    path = bench.rng.choice(
        [f"{stem}.{TAG}.opt-2.pyc", f"{stem}.cpython-39.pyc", f"{each.source}c", f"{stem}.pyc"]
    )
    if os.path.lexists(bench.base / path):
        raise Unfit
    bench.touch(path).write_bytes(each.magic + bytes(12) + each.code)
    return Change(what=f"a new {path!r}", paths=frozenset({path}))


KINDS: dict[str, Make] = {
    "source: another time": source_time,
    "source: another part of a second": part_of_a_second,
    "source: content, with bytecode in use": source_kept_its_facts,
    "bytecode: its time alone": time_alone,
    "bytecode: its time, mended": time_mended,
    "bytecode: its time and the source's": both_times,
    "bytecode: a time that nothing reads": unread_time,
    "bytecode: another bit of the header": header,
    "bytecode: checked in another way": other_check,
    "bytecode: a constant": other_constant,
    "bytecode: the code of another module": other_code,
    "bytecode: another fact of the code": other_facts,
    "bytecode: no references": shared_otherwise,
    "bytecode: another build dir": other_file_name,
    "bytecode: any bit of the code": any_bit,
    "bytecode: gone": gone,
    "bytecode: more": more,
}
