"""Git's formats are read as git reads them, and what is hostile in them costs little."""

import hashlib
import random
import shutil
import struct
import subprocess
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest
from git_repositories import GitError, git
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.trees.git import index, pack, refs
from harness.trees.git.config import ConfigError, parse
from harness.trees.git.explainer import GitExplainer
from harness.trees.git.git_folder import GitFolder
from harness.trees.git.objects import BrokenError, Budget, GitObject, Objects, TooMuchError
from harness.trees.git.reach import MISSING, files, reach
from harness.trees.git.repository import describe, soundness
from harness.trees.manifest import HERE
from harness.trees.scan import read_file, scan

FILES = 25

GIT = GitExplainer()


def sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def opened(root: Path, path: str = ".git") -> GitFolder:
    tree = scan(root, (HERE,))
    return GitFolder(
        path=path,
        manifest=tree,
        read=lambda each: read_file(root, each, limit=GIT.largest(each)),
        largest=GIT.largest,
        names=frozenset(
            each.removeprefix(f"{path}/") for each in tree.entries if each.startswith(f"{path}/")
        ),
    )


def made(folder: Path, *options: str) -> Path:
    """A repository with a history of files that grow."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", *options)
    for number in range(8):
        for name in range(FILES):
            path = folder / "package" / f"{name % 5}" / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(f"{name} {line}" for line in range(number * 30)))
        path.chmod(0o755)
        with_link = folder / "link"
        with_link.unlink(missing_ok=True)
        with_link.symlink_to(f"to-{number}")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", f"{number}")
    git(folder, "tag", "-a", "v1", "-m", "a tag")
    return folder


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("grown") / "repo")


@pytest.fixture
def repo(grown: Path, tmp_path: Path) -> Path:
    shutil.copytree(grown, tmp_path / "repo", symlinks=True)
    return tmp_path / "repo"


def as_it_is(_: Path) -> None:
    """All is loose."""


def packed(repo: Path) -> None:
    git(repo, "gc", "-q", "--aggressive")


def packed_by_name(repo: Path) -> None:
    git(repo, "-c", "repack.useDeltaBaseOffset=false", "repack", "-q", "-a", "-d", "-f")


def packed_twice(repo: Path) -> None:
    git(repo, "repack", "-q", "-d")
    (repo / "more").write_text("more")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "more")
    git(repo, "repack", "-q", "-d")


def with_an_old_index(repo: Path) -> None:
    git(repo, "-c", "pack.indexVersion=1", "repack", "-q", "-a", "-d", "-f")


@pytest.mark.parametrize(
    "change", [as_it_is, packed, packed_by_name, packed_twice, with_an_old_index]
)
def test_every_object_is_read_as_git_reads_it(repo: Path, change: Callable[[Path], None]) -> None:
    change(repo)
    _same_objects(repo)


def test_objects_known_by_sha256_are_read_too(tmp_path: Path) -> None:
    repo = made(tmp_path / "repo", "--object-format=sha256")
    _same_objects(repo)
    packed(repo)
    _same_objects(repo)
    assert soundness(describe(opened(repo))).lost == {}
    assert index.parse((repo / ".git" / "index").read_bytes(), id_size=32)


def _same_objects(repo: Path) -> None:
    names = [line.split()[0] for line in git(repo, "rev-list", "--objects", "--all").split("\n")]
    assert len(names) > 8 * FILES / 2
    objects = Objects(opened(repo), id_size=len(names[0]) // 2, budget=Budget())
    done = subprocess.run(
        ("git", "cat-file", "--batch"),
        cwd=repo, input="\n".join(names).encode(), capture_output=True, check=True,
    )  # fmt: skip
    out, at = done.stdout, 0
    for name in names:
        end = out.index(b"\n", at)
        said, kind, size = out[at:end].decode().split()
        at = end + 1 + int(size)
        assert said == name
        assert objects.read(name) == GitObject(kind, out[end + 1 : at])
        at += 1
    assert objects.read("0" * len(names[0])) is None
    assert objects.faults == ()


def test_the_files_of_a_commit_are_those_that_git_lists(repo: Path) -> None:
    head = git(repo, "rev-parse", "HEAD")
    objects = Objects(opened(repo), id_size=20, budget=Budget())
    listed = [line.split(None, 3) for line in git(repo, "ls-tree", "-r", head).split("\n")]
    assert files(head, objects) == {
        path.encode(): (int(mode, 8), name) for mode, _, name, path in listed
    }


@pytest.mark.parametrize("version", [2, 3, 4])
def test_an_index_is_read_as_git_reads_it(repo: Path, version: int) -> None:
    (repo / "new").write_text("new")
    (repo / ("long" * 50)).mkdir()
    (repo / ("long" * 50) / ("name" * 60)).write_text("x")
    git(repo, "add", ".")
    if version == 3:
        (repo / "later").write_text("later")
        git(repo, "add", "-N", "later")
    git(repo, "update-index", f"--index-version={version}")
    data = (repo / ".git" / "index").read_bytes()
    assert data[7] == version
    listed = [
        line.split(None, 3)
        for line in git(repo, "-c", "core.quotePath=false", "ls-files", "-s").split("\n")
    ]
    found = index.parse(data, id_size=20)
    assert {key: row[:2] for key, row in found.items()} == {
        (path.encode(), int(stage)): (int(mode, 8), name) for mode, name, stage, path in listed
    }
    assert bool(found.get((b"later", 0), (0, "", 0))[2]) is (version == 3)


def test_a_split_index_is_not_taken_for_a_whole_one(repo: Path) -> None:
    git(repo, "update-index", "--split-index")
    with pytest.raises(index.IndexFileError, match="elsewhere"):
        index.parse((repo / ".git" / "index").read_bytes(), id_size=20)


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_damaged_index_is_refused(grown: Path, data: st.DataObject) -> None:
    whole = bytearray((grown / ".git" / "index").read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(index.IndexFileError):
        index.parse(bytes(whole), id_size=20)
    body = bytes(whole[:-20])
    # With a checksum that fits, it is read within its bounds, or refused.
    with suppress(index.IndexFileError):
        index.parse(body + sha1(body), id_size=20)


_LINES = st.lists(
    st.sampled_from([
        "[a]", '[a "b"]', '[A "B.c"]', '[remote "or\\"i\\\\gin"]', "[a.b]", "x", "x = 1",
        "X-y = \"q ; # \" z", "url =  a  b\t c  ", "k = a\\\n  b", "# c", "; c", "", "  ", "é = 1",
        "v = é # x", "v = \\t\\n\\\"", "v = \\q", "v = \"open", "v = 'a'", "[", "[a", '[a "x]',
        "x = 1 ; y", "1x = 2", "x y = 2", "x = ", "x =", "[a] x = 3", "\ufeff", "v=\"a\"b\"c\"",
        "v = a\\", "[a]b=c", "v = \"a\\\nb\"", "\t k = \"\" x", "[ a ]", '[a  "b"]', '[a "b" ]',
    ]),
    max_size=6,
)  # fmt: skip


@given(lines=_LINES, end=st.sampled_from(["\n", "\r\n"]))
@example(lines=['v = a "" x'], end="\n")
@settings(max_examples=300, deadline=None)
def test_settings_are_read_as_git_reads_them(lines: list[str], end: str) -> None:
    data = (end.join(["[core]", *lines]) + end).encode()
    done = subprocess.run(
        ("git", "config", "--file", "-", "--null", "--list"),
        input=data, capture_output=True, check=False,
    )  # fmt: skip
    try:
        read = parse(data)
    except ConfigError:
        assert done.returncode
        return
    assert done.returncode == 0, done.stderr
    expected: dict[str, list[str | None]] = {}
    for item in done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        name, equals, value = item.partition("\n")
        expected.setdefault(name, []).append(value if equals else None)
    assert read == {name: tuple(values) for name, values in expected.items()}


V1, V2 = "1" * 40, "2" * 40


@pytest.mark.parametrize(
    ("given_files", "expected"),
    [
        ({"HEAD": f"{V1}\n"}, refs.Head(commit=V1)),
        ({"HEAD": f"{V1.upper()} x"}, refs.Head(commit=V1)),
        ({"HEAD": "ref: refs/heads/a\n", "refs/heads/a": V1}, refs.Head(commit=V1, branch="a")),
        ({"HEAD": "ref: refs/heads/a", "packed-refs": f"{V2} refs/heads/a\n"},
         refs.Head(commit=V2, branch="a")),
        # A loose one counts before a packed one.
        ({"HEAD": "ref: refs/heads/a", "refs/heads/a": V1, "packed-refs": f"{V2} refs/heads/a\n"},
         refs.Head(commit=V1, branch="a")),
        ({"HEAD": "ref: refs/heads/a", "refs/heads/a": "ref: refs/heads/b", "refs/heads/b": V2},
         refs.Head(commit=V2, branch="a")),
        ({"HEAD": "ref: refs/heads/a"}, refs.Head(branch="a")),
        ({"HEAD": "ref: refs/heads/a", "refs/heads/a": "ref: refs/heads/a"},
         refs.Head(branch="a", fault="x")),
        ({"HEAD": "ref: refs/heads/a", "refs/heads/a": "junk"}, refs.Head(branch="a", fault="x")),
        ({"HEAD": f"{V1}1"}, refs.Head(fault="x")),
        ({"HEAD": ""}, refs.Head(fault="x")),
        ({"HEAD": "ref: ../../secret", "../../secret": V1},
         refs.Head(branch="../../secret", fault="x")),
        ({"HEAD": "ref: refs/heads/../x", "refs/heads/../x": V1},
         refs.Head(branch="../x", fault="x")),
    ],
)  # fmt: skip
def test_a_head_is_resolved_as_git_resolves_it(
    tmp_path: Path, given_files: dict[str, str], expected: refs.Head
) -> None:
    packed_refs, fault = refs.packed(given_files.get("packed-refs", ""))
    assert fault == ""
    head = refs.resolve(given_files["HEAD"], lambda name: given_files.get(name, ""), packed_refs)
    assert (head.commit, bool(head.fault)) == (expected.commit, bool(expected.fault))
    assert head.branch.removeprefix("refs/heads/") == expected.branch
    # Git says the same.
    folder = tmp_path / "g"
    git(tmp_path, "init", "-q", "--bare", "g")
    for name, text in given_files.items():
        if ".." not in name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    assert git(folder, "rev-parse", "--verify", "-q", "HEAD", check=False) == expected.commit


def test_what_a_checkout_is_at_is_found_through_links(repo: Path) -> None:
    git(repo, "pack-refs", "--all")
    git(repo, "worktree", "add", "-q", "../linked")
    git(repo, "worktree", "add", "-q", "--detach", "../other", "HEAD~1")
    for name in ("linked", "other"):
        link = repo.parent / name / ".git"
        link.write_text(link.read_text().replace(str(repo.parent), ".."))

    def read(path: str) -> str:
        found = repo.parent / path
        return found.read_text() if found.is_file() else ""

    head, before = git(repo, "rev-parse", "HEAD", "HEAD~1").split("\n")
    assert [refs.checked_out(name, read) for name in ("repo", "linked", "other", "no")] == [
        head, head, before, "",
    ]  # fmt: skip
    outside = {"a/.git": "gitdir: ../../b"}
    assert refs.checked_out("a", lambda path: outside.get(path, V1)) == ""


# Hostile ones: what they claim must not decide how much is done.


@contextmanager
def cheap(*, seconds: float = 20, megabytes: float = 400) -> Iterator[None]:
    tracemalloc.start()
    began = monotonic()
    try:
        yield
        took, (_, most) = monotonic() - began, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert took < seconds
    assert most < megabytes * 1024 * 1024


def write_loose(repo: Path, kind: str, data: bytes, *, name: str = "", claim: int = -1) -> str:
    head = f"{kind} {len(data) if claim < 0 else claim}\0".encode()
    name = name or sha1(head + data).hex()
    path = repo / ".git" / "objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(zlib.compress(head + data, 9))
    return name


def commit_of(repo: Path, tree: str, *parents: str) -> str:
    lines = [f"tree {tree}", *(f"parent {each}" for each in parents), "author a <a> 1 +0000",
             "committer a <a> 1 +0000", "", "x"]  # fmt: skip
    return write_loose(repo, "commit", "\n".join(lines).encode())


def row(mode: str, name: str, child: str) -> bytes:
    return f"{mode} {name}\0".encode() + bytes.fromhex(child)


def lost(repo: Path, head: str, budget: Budget | None = None) -> dict[str, str]:
    (repo / ".git" / "HEAD").write_text(head + "\n")
    found = soundness(describe(opened(repo)), budget)
    return {**found.lost, **({"unread": found.unread} if found.unread else {})}


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "r")
    return tmp_path / "r"


def test_a_bomb_is_not_unpacked(bare: Path) -> None:
    bomb = write_loose(bare, "blob", bytes(129 * 1024 * 1024))
    liar = write_loose(bare, "blob", bytes(120 * 1024 * 1024), name="ab" * 20, claim=5)
    tree = write_loose(bare, "tree", row("100644", "a", bomb) + row("100644", "b", liar))
    head = commit_of(bare, tree)
    with cheap(megabytes=40):
        assert lost(bare, head) == {
            bomb: "it has more than 134217728 bytes",
            liar: "its file is damaged",
        }


def test_many_bombs_come_to_the_limit(bare: Path) -> None:
    rows = b""
    for number in range(30):
        data = bytes(1024 * 1024) + bytes([number])
        rows += row("100644", f"{number:02}", write_loose(bare, "blob", data))
    head = commit_of(bare, write_loose(bare, "tree", rows))
    with cheap():
        found = lost(bare, head, Budget(size=10 * 1024 * 1024))
    assert found == {"unread": "its files are more than is read of a repository"}


def test_folders_of_folders_of_the_same_are_read_once(bare: Path) -> None:
    child = write_loose(bare, "blob", b"x")
    mode = "100644"
    for _ in range(100):
        child = write_loose(bare, "tree", b"".join(row(mode, f"{n:02}", child) for n in range(20)))
        mode = "40000"
    head = commit_of(bare, child)
    with cheap():
        assert lost(bare, head) == {}
        with pytest.raises(TooMuchError):
            files(head, Objects(opened(bare), id_size=20, budget=Budget()), most=10_000)


def test_a_history_of_twenty_thousand_parents_ends(bare: Path) -> None:
    tree = write_loose(bare, "tree", b"")
    absent = [sha1(b"%d" % number).hex() for number in range(20_000)]
    with cheap():
        assert len(lost(bare, commit_of(bare, tree, *absent))) == 20_000


def pack_of(*objects: tuple[bytes, bytes], names: list[bytes]) -> tuple[bytes, bytes]:
    """A pack of objects, by their heads and what is compressed after these, and its index."""
    data = b"PACK" + struct.pack(">II", 2, len(objects))
    offsets = []
    for head, content in objects:
        offsets.append(len(data))
        data += head + zlib.compress(content, 9)
    data += sha1(data)
    order = sorted(range(len(names)), key=lambda place: names[place])
    fanout = [sum(name[0] <= byte for name in names) for byte in range(256)]
    table = b"\xfftOc" + struct.pack(">I", 2) + struct.pack(">256I", *fanout)
    table += b"".join(names[place] for place in order) + bytes(4 * len(names))
    table += b"".join(struct.pack(">I", offsets[place]) for place in order) + data[-20:]
    return table + sha1(table), data


def head_of(kind: int, size: int) -> bytes:
    byte, size = kind << 4 | size & 15, size >> 4
    head = bytearray()
    while size:
        head.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    return bytes([*head, byte])


def number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def test_deltas_that_lead_to_one_another_end() -> None:
    names = [bytes([1]) * 20, bytes([2]) * 20]
    delta = number(1) + number(1) + b"\x01x"
    one = (head_of(7, len(delta)) + names[1], delta)
    two = (head_of(7, len(delta)) + names[0], delta)
    index_data, data = pack_of(one, two, names=names)
    found = pack.Pack(index_data, data, id_size=20, largest=1000)
    offset = found.find(names[0].hex())
    assert offset is not None
    with cheap(), pytest.raises(pack.PackError, match="lead nowhere"):
        found.read(offset, lambda _: None)


def test_a_delta_that_makes_much_of_little_is_held_to_the_limit() -> None:
    base = bytes(0xFFFFFF)
    copy = bytes([0x80 | 0x70, 0xFF, 0xFF, 0xFF])
    claims = number(len(base)) + number(len(base) * 1000) + copy * 1000
    lies = number(len(base)) + number(5) + copy * 1000
    names = [bytes([place]) * 20 for place in (1, 2, 3)]
    index_data, data = pack_of(
        (head_of(3, len(base)), base),
        (head_of(7, len(claims)) + names[0], claims),
        (head_of(7, len(lies)) + names[0], lies),
        names=names,
    )
    found = pack.Pack(index_data, data, id_size=20, largest=128 * 1024 * 1024)
    with cheap():
        for name in names[1:]:
            offset = found.find(name.hex())
            assert offset is not None
            with pytest.raises(pack.PackError):
                found.read(offset, lambda _: None)


@dataclass(frozen=True)
class PackFiles:
    index: bytes
    data: bytes
    names: tuple[str, ...]


@pytest.fixture(scope="module")
def pack_files(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> PackFiles:
    repo = tmp_path_factory.mktemp("packed") / "repo"
    shutil.copytree(grown, repo, symlinks=True)
    packed(repo)
    names = [line.split()[0] for line in git(repo, "rev-list", "--objects", "--all").split("\n")]
    (path,) = (repo / ".git" / "objects" / "pack").glob("*.pack")
    return PackFiles(path.with_suffix(".idx").read_bytes(), path.read_bytes(), tuple(names))


@given(data=st.data())
@settings(deadline=None)
def test_a_damaged_pack_gives_objects_or_none(pack_files: PackFiles, data: st.DataObject) -> None:
    files_ = {"index": bytearray(pack_files.index), "pack": bytearray(pack_files.data)}
    which = data.draw(st.sampled_from(sorted(files_)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(files_[which]) - 41))
        files_[which][at] = data.draw(st.integers(0, 255))
    try:
        found = pack.Pack(
            bytes(files_["index"]), bytes(files_["pack"]), id_size=20, largest=1 << 20
        )
    except pack.PackError:
        return
    for name in pack_files.names[:60]:
        with suppress(pack.PackError):
            offset = found.find(name)
            if offset is not None:
                found.read(offset, lambda _: None)


def _git_is_content(repo: Path) -> bool:
    """Whether git can use all that HEAD reaches."""
    try:
        git(repo, "-c", "core.commitGraph=false", "fsck", "--no-dangling", "--no-reflogs", "HEAD")
    except GitError:
        return False
    return True


@pytest.mark.parametrize("seed", range(25))
def test_what_git_cannot_use_is_seen(repo: Path, seed: int) -> None:
    """A file of a repository is changed by chance: where git cannot use it, it is not sound."""
    chance = random.Random(seed)  # noqa: S311
    if seed % 2:
        packed(repo)
    git(repo, "update-ref", "-d", "refs/tags/v1")
    (repo / ".git" / "index").unlink()
    store = sorted(path for path in (repo / ".git" / "objects").rglob("*") if path.is_file())
    path = chance.choice([p for p in store if p.suffix in {"", ".pack", ".idx"}])
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    if chance.random() < 0.3:
        path.unlink()
    else:
        data[chance.randrange(len(data))] ^= chance.randrange(1, 256)
        path.write_bytes(bytes(data))
    found = soundness(describe(opened(repo)))
    sound = not found.lost and not found.faults
    if not _git_is_content(repo):
        assert not sound


def test_missing_is_told_from_broken(repo: Path) -> None:
    head = git(repo, "rev-parse", "HEAD")
    name = git(repo, "rev-parse", "HEAD:link")
    (repo / ".git" / "objects" / name[:2] / name[2:]).unlink()
    objects = Objects(opened(repo), id_size=20, budget=Budget())
    assert reach([head], objects).lost == {name: MISSING}
    objects = Objects(opened(repo), id_size=20, budget=Budget(count=5))
    assert reach([head], objects).unread
    tree = git(repo, "rev-parse", "HEAD:package")
    (repo / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(BrokenError, match=MISSING):
        files(head, Objects(opened(repo), id_size=20, budget=Budget()))
