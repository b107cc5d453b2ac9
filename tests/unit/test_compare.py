import base64
import hashlib
import importlib.util
import json
import marshal
from dataclasses import replace

import pytest
from blake3 import blake3
from comparing import EXPLAINERS, plainly

from harness.reports.entries import facts
from harness.trees.difference import Side
from harness.trees.explainer import LARGEST, BuildPaths, Read, TreePair
from harness.trees.manifest import Entry, EntryKind, Manifest
from harness.verdicts.compare import Comparison, compare, split_noise
from harness.verdicts.divergence import DivergenceKind, outcome

SITE = "lib/python3.11/site-packages"
PATHS = BuildPaths(cached=("/tmp/build_2", "/tmp/build_1"), clean="/tmp/build_2")
FOLDER = Entry(kind=EntryKind.DIRECTORY, mode=0o755)

Files = dict[str, bytes]


def entry(data: bytes, mode: int = 0o644) -> Entry:
    return Entry(kind=EntryKind.FILE, mode=mode, size=len(data), digest=blake3(data).hexdigest())


def manifest(files: Files, *roots: str) -> Manifest:
    return Manifest(
        roots=roots or (SITE,), entries={path: entry(data) for path, data in files.items()}
    )


def compared(
    cached: Files, clean: Files, paths: BuildPaths | None = None, *, root: str = SITE
) -> Comparison:
    sides = {Side.CACHED: cached, Side.CLEAN: clean}
    pair = TreePair(
        cached=manifest(cached, root),
        clean=manifest(clean, root),
        read=lambda side, path: sides[side][path],
        build_paths=paths,
    )
    return compare(pair, EXPLAINERS)


def reading(ours: Manifest, theirs: Manifest, read: Read) -> Comparison:
    return compare(TreePair(cached=ours, clean=theirs, read=read), EXPLAINERS)


def found(comparison: Comparison) -> list[tuple[str, str]]:
    return [(one.kind.value, one.path.removeprefix(f"{SITE}/")) for one in comparison.divergences]


def noted(comparison: Comparison) -> dict[str, list[str]]:
    return {one.rule: list(one.paths) for one in comparison.notes}


def aside(comparison: Comparison) -> dict[str, int]:
    return {one.rule: one.count for one in comparison.set_aside}


def pyc(
    source: str, *, stamp: int = 1, version: int = 4, path: str = "m.py", flags: int = 0
) -> bytes:
    code = compile(source, path, "exec", dont_inherit=True)
    numbers = (flags, stamp, len(source))
    header = b"".join(number.to_bytes(4, "little") for number in numbers)
    return importlib.util.MAGIC_NUMBER + header + marshal.dumps(code, version)


def recorded(name: str, data: bytes, *rest: str) -> bytes:
    """A RECORD's line of a file, and further lines."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    lines = (f"{name},sha256={digest},{len(data)}", *rest)
    return "".join(f"{line}\n" for line in lines).encode()


def test_each_kind_of_divergence() -> None:
    link = Entry(kind=EntryKind.SYMLINK, target="a")
    fifo = Entry(kind=EntryKind.FIFO, mode=0o644)
    null = Entry(kind=EntryKind.CHARACTER_DEVICE, device=(1, 3))
    cached = {
        "r/1": entry(b"only here"),
        "r/3": entry(b"one"),
        "r/4": entry(b"same"),
        "r/5": entry(b"same", 0o755),
        "r/6": entry(b"one", 0o755),
        "r/7": entry(b"file"),
        "r/8": link,
        "r/9": FOLDER,
        "r/a": null,
        "r/b": replace(entry(b"same"), attributes=(("user.mark", "01"),)),
    }
    clean = {
        "r/2": entry(b"only there"),
        "r/3": entry(b"two"),
        "r/4": entry(b"same"),
        "r/5": entry(b"same"),
        "r/6": entry(b"two"),
        "r/7": fifo,
        "r/8": Entry(kind=EntryKind.SYMLINK, target="b"),
        "r/9": Entry(kind=EntryKind.DIRECTORY, mode=0o700),
        "r/a": Entry(kind=EntryKind.CHARACTER_DEVICE, device=(1, 5)),
        "r/b": entry(b"same"),
    }
    comparison = plainly(
        Manifest(roots=("r",), entries=cached), Manifest(roots=("r",), entries=clean)
    )
    assert found(comparison) == [
        ("leftover", "r/1"),
        ("missing", "r/2"),
        ("content", "r/3"),
        ("mode", "r/5"),
        ("content", "r/6"),
        ("mode", "r/6"),
        ("type", "r/7"),
        ("target", "r/8"),
        ("mode", "r/9"),
        ("content", "r/a"),
        ("attributes", "r/b"),
    ]
    # Ten names other than the directory's.
    assert comparison.compared == 10
    first, second = comparison.divergences[:2]
    assert (first.cached, first.clean) == (cached["r/1"], None)
    assert (second.cached, second.clean) == (None, clean["r/2"])


def test_a_root_on_one_side_only_is_left_over_as_a_whole() -> None:
    cached = Manifest(roots=("bin", "src"), entries={"bin": FOLDER, "src": FOLDER, "src/x": FOLDER})
    clean = Manifest(roots=("bin",), entries={"bin": FOLDER})
    ours = plainly(cached, clean).divergences
    assert [one.path for one in ours] == ["src", "src/x"]
    assert {one.kind for one in plainly(clean, cached).divergences} == {DivergenceKind.MISSING}


def test_directories_alone_are_nothing_compared() -> None:
    alone = Manifest(roots=("bin",), entries={"bin": FOLDER})
    assert plainly(alone, alone).compared == 0


def test_names_that_differ_in_case_alone_are_two() -> None:
    assert found(compared({f"{SITE}/A": b""}, {f"{SITE}/a": b""})) == [
        ("leftover", "A"),
        ("missing", "a"),
    ]


def test_compiled_code_with_another_source_time_is_set_aside() -> None:
    path = f"{SITE}/__pycache__/m.cpython-311.pyc"
    comparison = compared({path: pyc("x = 1", stamp=1)}, {path: pyc("x = 1", stamp=2)})
    assert found(comparison) == []
    assert aside(comparison) == {"pyc-mtime": 1}
    assert comparison.compared == 1


def test_compiled_code_that_shares_objects_otherwise_is_set_aside() -> None:
    path = f"{SITE}/m.pyc"
    ours, theirs = pyc("x = (y, y)", version=2, stamp=1), pyc("x = (y, y)", stamp=2)
    comparison = compared({path: ours}, {path: theirs})
    assert found(comparison) == []
    assert aside(comparison) == {"pyc-mtime": 1, "pyc-refs": 1}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(pyc("x = 1"), pyc("x = 2"), id="code"),
        pytest.param(pyc("x = 1", stamp=1), pyc("x = 2", stamp=2), id="code and time"),
        pytest.param(pyc("x = 1"), pyc("x = 1 ", stamp=2), id="source size"),
        pytest.param(pyc("x = 1", flags=1), pyc("x = 1", flags=1, stamp=2), id="source hash"),
        pytest.param(pyc("x = 1"), pyc("x = 1", flags=1), id="flags"),
        pytest.param(pyc("x = 1"), b"\0" + pyc("x = 1")[1:], id="magic"),
        pytest.param(pyc("x = 1"), pyc("x = 1", stamp=2) + b"N", id="trailing byte"),
        pytest.param(pyc("x = 1"), pyc("x = 1", stamp=2)[:-1], id="cut short"),
        pytest.param(b"text", b"other", id="no bytecode"),
    ],
)
def test_compiled_code_that_differs_otherwise_diverges(ours: bytes, theirs: bytes) -> None:
    comparison = compared({f"{SITE}/m.pyc": ours}, {f"{SITE}/m.pyc": theirs}, PATHS)
    assert found(comparison) == [("content", "m.pyc")]
    assert aside(comparison) == {}


def test_nothing_is_set_aside_unread() -> None:
    ours = manifest({f"{SITE}/m.pyc": pyc("x", stamp=1), f"{SITE}/.git/index": b"1"})
    theirs = manifest({f"{SITE}/m.pyc": pyc("x", stamp=2), f"{SITE}/.git/index": b"2"})
    assert len(plainly(ours, theirs).divergences) == 2


def test_a_file_that_changed_since_the_scan_is_not_set_aside() -> None:
    path = f"{SITE}/m.pyc"
    ours, theirs = manifest({path: pyc("x", stamp=1)}), manifest({path: pyc("x", stamp=2)})
    now = {Side.CACHED: pyc("x", stamp=3), Side.CLEAN: pyc("x", stamp=2)}
    changed = reading(ours, theirs, lambda side, _path: now[side])
    assert found(changed) == [("content", "m.pyc")]


def test_a_file_too_large_to_look_into_is_not_read() -> None:
    large = Entry(kind=EntryKind.FILE, size=LARGEST + 1, digest="1" * 64)
    other = Entry(kind=EntryKind.FILE, size=LARGEST + 1, digest="2" * 64)

    def unread(side: Side, path: str) -> bytes:
        raise AssertionError(f"{side} {path} was read")

    ours = Manifest(roots=(".",), entries={"m.pyc": large})
    theirs = Manifest(roots=(".",), entries={"m.pyc": other})
    assert found(reading(ours, theirs, unread)) == [("content", "m.pyc")]


def test_orphan_compiled_code_and_modes_are_never_set_aside() -> None:
    path = f"{SITE}/m.pyc"
    contents = {Side.CACHED: pyc("x", stamp=1), Side.CLEAN: pyc("x", stamp=2)}
    ours = Manifest(roots=(SITE,), entries={path: entry(contents[Side.CACHED], 0o600)})
    theirs = Manifest(roots=(SITE,), entries={path: entry(contents[Side.CLEAN])})

    def read(side: Side, path: str) -> bytes:
        return contents[side]

    assert found(reading(ours, theirs, read)) == [("mode", "m.pyc")]
    assert found(compared({path: pyc("x")}, {})) == [("leftover", "m.pyc")]


def direct_url(url: str, **more: object) -> bytes:
    return json.dumps({"url": url, **more}).encode()


def test_an_earlier_build_path_in_direct_url_is_noted_where_paths_differ() -> None:
    path = f"{SITE}/x-1.dist-info/direct_url.json"
    ours = {path: direct_url("file:///tmp/build_1/x", dir_info={})}
    theirs = {path: direct_url("file:///tmp/build_2/x", dir_info={})}
    comparison = compared(ours, theirs, PATHS)
    assert noted(comparison) == {"build-path": [path]}
    assert (found(comparison), aside(comparison)) == ([], {})
    # Not where all builds had one path, nor a path that no build had.
    assert found(compared(ours, theirs)) == [("content", "x-1.dist-info/direct_url.json")]
    later = BuildPaths(cached=("/tmp/build_2", "/tmp/build_3"), clean="/tmp/build_2")
    assert found(compared(ours, theirs, later)) == [("content", "x-1.dist-info/direct_url.json")]


def test_the_record_line_of_a_noted_file_is_set_aside() -> None:
    name = "x-1.0.dist-info/direct_url.json"
    urls = [direct_url(f"file:///tmp/build_{n}/x") for n in (1, 2)]
    ours, theirs = ({f"{SITE}/{name}": url, RECORD: recorded(name, url)} for url in urls)
    comparison = compared(ours, theirs, PATHS)
    assert noted(comparison) == {"build-path": [f"{SITE}/{name}"]}
    assert (found(comparison), aside(comparison)) == ([], {"record-lines": 1})


@pytest.mark.parametrize(
    "wrong",
    [
        b"x-1.0.dist-info/direct_url.json,sha256=A,32\n",
        recorded("x-1.0.dist-info/direct_url.json", b"older"),
    ],
)
def test_a_record_line_that_is_not_true_of_a_noted_file_diverges(wrong: bytes) -> None:
    name = "x-1.0.dist-info/direct_url.json"
    urls = [direct_url(f"file:///tmp/build_{n}/x") for n in (1, 2)]
    ours, theirs = ({f"{SITE}/{name}": url, RECORD: recorded(name, url)} for url in urls)
    for one, other in (({**ours, RECORD: wrong}, theirs), (ours, {**theirs, RECORD: wrong})):
        assert found(compared(one, other, PATHS)) == [("content", "x-1.0.dist-info/RECORD")]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            direct_url("file:///tmp/build_1/x", vcs_info={"commit_id": "a" * 40}),
            direct_url("file:///tmp/build_2/x", vcs_info={"commit_id": "b" * 40}),
        ),
        (direct_url("file:///tmp/build_1/x"), direct_url("file:///tmp/build_2/y")),
        (direct_url("file:///tmp/build_10/x"), direct_url("file:///tmp/build_20/x")),
        (b"{}", b"[]"),
        (b"{", b"}"),
        (b"[" * 100_000, b"[" * 100_001),
    ],
)
def test_nothing_else_in_direct_url_is_set_aside(ours: bytes, theirs: bytes) -> None:
    path = f"{SITE}/x-1.dist-info/direct_url.json"
    assert found(compared({path: ours}, {path: theirs}, PATHS)) == [
        ("content", "x-1.dist-info/direct_url.json")
    ]


RECORD = f"{SITE}/x-1.0.dist-info/RECORD"


UV_CACHE = f"{SITE}/x-1.0.dist-info/uv_cache.json"


def uv_cache(time: int | None, src: int | None = None, commit: str | None = None) -> bytes:
    def stamp(seconds: int | None) -> dict[str, int] | None:
        return None if seconds is None else {"secs_since_epoch": seconds, "nanos_since_epoch": 0}

    return json.dumps(
        {
            "timestamp": stamp(time), "commit": commit, "tags": None, "env": {},
            "directories": {"src": stamp(src)},
        }
    ).encode()  # fmt: skip


def test_the_times_that_uv_notes_are_set_aside_with_their_record_line() -> None:
    caches = uv_cache(1, 1), uv_cache(2, 2)
    name = "x-1.0.dist-info/uv_cache.json"
    ours, theirs = ({UV_CACHE: data, RECORD: recorded(name, data)} for data in caches)
    comparison = compared(ours, theirs)
    assert aside(comparison) == {"uv-times": 1, "record-lines": 1}
    assert found(comparison) == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (uv_cache(1, commit="a"), uv_cache(2, commit="b")),
        (uv_cache(1), uv_cache(None)),
        (uv_cache(1, 1), uv_cache(1)),
        (b"[]", b"{}"),
        (b"{", b"}"),
    ],
)
def test_nothing_else_that_uv_notes_is_set_aside(ours: bytes, theirs: bytes) -> None:
    assert found(compared({UV_CACHE: ours}, {UV_CACHE: theirs})) == [
        ("content", "x-1.0.dist-info/uv_cache.json")
    ]


def venv(build: str, *, home: str = "/app/bin") -> bytes:
    return (
        f"home = {home}\nexecutable = {build}/.heroku/python/bin/python3.11\n"
        f"command = {build}/bin/python -m venv {build}/venv\n"
    ).encode()


def test_how_a_virtual_environment_was_made_is_noted() -> None:
    path = ".heroku/python/pipenv/venv/pyvenv.cfg"
    ours, theirs = {path: venv("/tmp/build_1")}, {path: venv("/tmp/build_2")}
    assert noted(compared(ours, theirs, PATHS, root=".")) == {"build-path": [path]}
    assert len(compared(ours, theirs, root=".").divergences) == 1
    # Where its Python is decides whether it works.
    moved = {path: venv("/tmp/build_1", home="/tmp/build_1/bin")}
    own = {path: venv("/tmp/build_2", home="/tmp/build_2/bin")}
    assert len(compared(moved, own, PATHS, root=".").divergences) == 1
    assert len(compared({path: venv("/tmp/build_0")}, theirs, PATHS, root=".").divergences) == 1


def test_where_a_pth_file_points_is_never_set_aside() -> None:
    for name in ("__editable__.x-1.pth", "x.egg-link", "easy-install.pth"):
        path = f"{SITE}/{name}"
        comparison = compared({path: b"/tmp/build_1/x\n"}, {path: b"/tmp/build_2/x\n"}, PATHS)
        assert found(comparison) == [("content", name)]


FINDER = f"{SITE}/__editable___x_1_0_finder.py"


def finder(path: str) -> bytes:
    return f"MAPPING: dict[str, str] = {{'x': '{path}/x'}}\n".encode()


def test_an_editable_finder_that_names_an_earlier_build_diverges() -> None:
    """Its import fails: that build's folder is gone."""
    ours = {FINDER: finder("/tmp/build_1"), RECORD: b"__editable___x_1_0_finder.py,sha256=A,9\n"}
    theirs = {FINDER: finder("/tmp/build_2"), RECORD: b"__editable___x_1_0_finder.py,sha256=B,9\n"}
    assert found(compared(ours, theirs, PATHS)) == [
        ("content", "__editable___x_1_0_finder.py"),
        ("content", "x-1.0.dist-info/RECORD"),
    ]


@pytest.mark.parametrize("name", ["__editable___x_1_0_finder", "settings"])
def test_a_compiled_constant_that_names_an_earlier_build_diverges(name: str) -> None:
    ours, theirs = (pyc(f"M = {{'x': '/tmp/build_{n}/x'}}") for n in (1, 2))
    path = f"{SITE}/__pycache__/{name}.cpython-311.pyc"
    assert len(compared({path: ours}, {path: theirs}, PATHS).divergences) == 1


def test_an_earlier_build_path_in_a_file_name_of_code_is_noted() -> None:
    path = f"{SITE}/m.pyc"
    ours, theirs = (pyc("x = 1", path=f"/tmp/build_{n}/m.py") for n in (1, 2))
    assert noted(compared({path: ours}, {path: theirs}, PATHS)) == {"build-path": [path]}
    assert found(compared({path: ours}, {path: theirs})) == [("content", "m.pyc")]


@pytest.mark.parametrize("source", ["x = 1", "def f():\n    return lambda: f\n"])
def test_the_path_of_a_source_in_its_compiled_file_is_set_aside(source: str) -> None:
    path = f"{SITE}/__pycache__/m.cpython-311.pyc"
    ours, theirs = (pyc(source, path=f"/{n}/m.py") for n in ("app", "tmp/build"))
    assert aside(compared({path: ours}, {path: theirs})) == {"pyc-name": 1}
    assert found(compared({path: ours}, {path: theirs})) == []
    # Elsewhere than in a __pycache__ no import puts it right.
    assert len(compared({f"{SITE}/m.pyc": ours}, {f"{SITE}/m.pyc": theirs}).divergences) == 1
    other = pyc(source.replace("1", "2").replace("lambda", "lambda a"), path="/tmp/build/m.py")
    assert len(compared({path: ours}, {path: other}).divergences) == 1


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(b"m.py,sha256=A,1\n", b"m.py,sha256=B,1\n", id="hash of a file compared"),
        pytest.param(b"m.pyc,,\n", b"m.pyc,,\nn.py,,\n", id="one line more"),
        pytest.param(b"m.pyc,,\n", b"m.pyc,,\r\n", id="line end"),
        pytest.param(b"m.pyc,a,\nn,,\n", b"n,,\nm.pyc,b,\n", id="order"),
        pytest.param(b"m.pyc,a,\n", b"x/m.pyc,a,\n", id="path"),
    ],
)
def test_nothing_else_in_record_is_set_aside(ours: bytes, theirs: bytes) -> None:
    compiled = f"{SITE}/m.pyc"
    comparison = compared(
        {RECORD: ours, compiled: pyc("x", stamp=1)},
        {RECORD: theirs, compiled: pyc("x", stamp=2)},
        PATHS,
    )
    assert aside(comparison) == {"pyc-mtime": 1}
    assert found(comparison) == [("content", "x-1.0.dist-info/RECORD")]


def test_record_lines_that_are_earlier_build_paths_are_noted() -> None:
    ours = {RECORD: b"/tmp/build_1/bin/x,sha256=A,1\nm.py,,\n"}
    theirs = {RECORD: b"/tmp/build_2/bin/x,sha256=A,1\nm.py,,\n"}
    assert noted(compared(ours, theirs, PATHS)) == {"build-path": [RECORD]}
    assert found(compared(ours, theirs)) == [("content", "x-1.0.dist-info/RECORD")]


def test_names_as_of_git_are_set_aside_in_a_repository_only() -> None:
    names = ("index", "logs/HEAD", "objects/pack/a.pack", "ORIG_HEAD", "refs/remotes/origin/main")
    paths = [f"src/forms/{folder}{name}" for folder in ("", ".git/") for name in names]
    comparison = compared(dict.fromkeys(paths, b"1"), dict.fromkeys(paths, b"2"), root="src")
    assert {one.path for one in comparison.divergences} == set(paths)


def test_noise_is_taken_out_by_path() -> None:
    found = compared({"r/a": b"1", "r/b": b"1"}, {"r/a": b"2", "r/b": b"2"}).divergences
    noise = compared({"r/a": b"3", "r/b": b"2"}, {"r/a": b"2", "r/b": b"2"}).divergences
    real, unstable = split_noise(found, noise)
    assert [one.path for one in real] == ["r/b"]
    assert [one.path for one in unstable] == ["r/a"]


def test_an_outcome_has_no_path() -> None:
    one = outcome("the cached build fails, the clean build passes")
    assert (one.kind, one.path) == (DivergenceKind.OUTCOME, "")


@pytest.mark.parametrize(
    ("shown", "entry"),
    [
        ("absent", None),
        ("0 bytes blake3:af1349b9 0644", entry(b"")),
        (
            "999 bytes blake3:01234567 0755",
            Entry(kind=EntryKind.FILE, mode=0o755, size=999, digest="0123456789"),
        ),
        ("1.0 kB blake3:0 0000", Entry(kind=EntryKind.FILE, size=1000, digest="0")),
        (
            "1,000.0 kB blake3:0 4755",
            Entry(kind=EntryKind.FILE, mode=0o4755, size=999_950, digest="0"),
        ),
        ("3.0 GB blake3:0 0000", Entry(kind=EntryKind.FILE, size=3_000_000_000, digest="0")),
        ("directory 0755", FOLDER),
        ("-> a\\x0ab", Entry(kind=EntryKind.SYMLINK, target="a\nb")),
        ("fifo 0600", Entry(kind=EntryKind.FIFO, mode=0o600)),
        ("char device 1:3 0666", Entry(kind=EntryKind.CHARACTER_DEVICE, mode=0o666, device=(1, 3))),
    ],
)
def test_facts(shown: str, entry: Entry | None) -> None:
    assert facts(entry) == shown
