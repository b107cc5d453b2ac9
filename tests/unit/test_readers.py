"""A second process reads a large tree with this one, and is missed by nobody when it fails."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from socket import AF_UNIX, SOCK_SEQPACKET, send_fds, socketpair
from threading import Thread

import psutil
import pytest

from harness.errors import ManifestError
from harness.trees import scan as scanning
from harness.trees.directory import Directory
from harness.trees.file_reader import (
    COMPARE,
    DIGEST,
    FACTS,
    LARGE,
    OTHER,
    READY,
    SAME,
    UNREAD,
    UNSURE,
    request,
    serve,
)
from harness.trees.manifest import Entry, EntryKind, content_digest
from harness.trees.reader_process import Directories, Readers
from harness.trees.scan import WHOLE_TREE, scan

FILES = 3000
SECONDS = 60

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core: one reader")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many small files, a few large ones, odd names, and more folders than a request may carry."""
    root = tmp_path_factory.mktemp("readers") / "tree"
    for number in range(FILES):
        folder = root / f"{number % 200}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}\n\udcff\\é").write_bytes(b"%d" % number * (number % 50))
    for number in range(6):
        (root / f"{number}" / "large").write_bytes(b"%d" % number * LARGE)
    return root


class Recorder:
    """Takes note of who read what."""

    task = DIGEST
    answer_size = FACTS.size

    def __init__(self, each: Callable[[], None] = lambda: None) -> None:
        self.here: list[str] = []
        self.there: list[str] = []
        self._each = each

    def read(self, folders: Directories, names: Sequence[str]) -> None:
        self._each()
        (folder,) = folders
        self.here += folder.children(names)

    def take(self, folders: Directories, names: Sequence[str], answer: bytes) -> None:
        (folder,) = folders
        assert UNREAD not in FACTS.iter_unpack(answer)
        assert len(answer) == FACTS.size * len(names)
        self.there += folder.children(names)


def read_all(top: Directory, files: Readers) -> set[str]:
    """Has all the tree's files read, folder by folder; gives their paths."""
    paths: set[str] = set()
    for name in top.listing().folders:
        with top.enter(name) as folder:
            names = folder.listing().files
            paths |= set(folder.children(names))
            files.add((folder,), names)
    return paths


def helpers() -> list[psutil.Process]:
    return [
        one
        for one in psutil.Process().children()
        if "harness.trees.file_reader" in str(one.cmdline())
    ]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_both_processes_read_and_together_they_read_all_once(tree: Path) -> None:
    work = Recorder()
    before = descriptors()
    with Directory.top(tree) as top, Readers(work, worth=1) as files:
        expected = []
        # It takes a moment to start.
        deadline = time.monotonic() + SECONDS
        while not work.there and time.monotonic() < deadline:
            expected += sorted(read_all(top, files))
    assert sorted(work.here + work.there) == sorted(expected)
    assert helpers() == []
    assert descriptors() == before


def test_a_tree_read_by_two_is_the_same(tree: Path) -> None:
    alone = scan(tree, WHOLE_TREE, worth=sys.maxsize)
    assert len(alone.entries) == FILES + 200 + 6 + 1
    assert scan(tree, WHOLE_TREE, worth=1) == alone


def test_few_files_are_read_without_another_process(tree: Path) -> None:
    seen: list[psutil.Process] = []
    work = Recorder(each=lambda: seen.extend(helpers()))
    with Directory.top(tree) as top, Readers(work, worth=2 * FILES) as files:
        read_all(top, files)
    assert len(work.here) == FILES + 6
    assert seen == []


@pytest.mark.parametrize("hurt", [signal.SIGKILL, signal.SIGSTOP])
def test_what_a_lost_process_was_to_read_is_read_here(tree: Path, hurt: signal.Signals) -> None:
    """A stopped one is killed while it owes answers; a killed one is missed at the next."""
    work = Recorder()
    with Directory.top(tree) as top, Readers(work, worth=1) as files:
        expected = sorted(read_all(top, files))
        deadline = time.monotonic() + SECONDS
        while not work.there and time.monotonic() < deadline:
            expected += sorted(read_all(top, files))
        (lost,) = helpers()
        lost.send_signal(hurt)
        until(lambda: lost.status() in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE})
        expected += sorted(read_all(top, files))
        with suppress(psutil.NoSuchProcess):
            lost.kill()
    assert sorted(work.here + work.there) == sorted(expected)


def test_an_error_ends_the_process_and_closes_all(tree: Path) -> None:
    before = descriptors()
    with pytest.raises(ManifestError, match="absent"), Directory.top(tree) as top:  # noqa: PT012
        work = Recorder()
        with Readers(work, worth=1) as files:
            deadline = time.monotonic() + SECONDS
            while not work.there and time.monotonic() < deadline:
                read_all(top, files)
            top.enter("absent")
    assert helpers() == []
    assert descriptors() == before


def test_there_are_no_more_processes_than_cores(tree: Path) -> None:
    """However many trees are read at once; and when one ends, another may begin."""
    spare = min(len(os.sched_getaffinity(0)) - 1, 4)
    for _ in range(2):
        with Directory.top(tree) as top, ExitStack() as stack:
            all_work = [Recorder() for _ in range(spare + 1)]
            for work in all_work:
                read_all(top, stack.enter_context(Readers(work, worth=1)))
            assert len(helpers()) == spare
        for work in all_work:
            assert len(work.here + work.there) == FILES + 6
    assert helpers() == []


def test_where_few_files_may_be_open_all_is_read_here(tree: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    work = Recorder()
    with Directory.top(tree) as top, Readers(work, worth=1) as files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        try:
            read_all(top, files)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert helpers() == []
    assert len(work.here) == FILES + 6


PARENT = """
import sys
from pathlib import Path
from harness.trees.directory import Directory
from harness.trees.reader_process import Readers
from harness.trees.scan import Digests
with Directory.top(Path(sys.argv[1])) as top, Readers(Digests({}), worth=1) as files:
    with top.enter("0") as folder:
        files.add((folder,), folder.listing().files)
    print(flush=True)
    sys.stdin.read()
"""


def test_the_process_ends_with_its_parent_however_that_ends(tree: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, tree], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        parent.stdout.readline()
        (helper,) = psutil.Process(parent.pid).children()
        parent.kill()
    until(lambda: not helper.is_running() or helper.status() == psutil.STATUS_ZOMBIE)


@pytest.fixture
def answer() -> Iterator[Callable[..., bytes]]:
    """Asks what the process serves, of a thread."""
    ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
    server = Thread(target=serve, args=(theirs,))
    with ours, theirs:
        server.start()
        assert ours.recv(100) == READY

        def ask(task: str, groups: list[list[str]], *folders: Path) -> bytes:
            opened = [os.open(folder, os.O_RDONLY) for folder in folders]
            send_fds(ours, [request(task, groups)], opened)
            for one in opened:
                os.close(one)
            return ours.recv(100_000)

        yield ask
        ours.close()
        server.join(SECONDS)
    assert not server.is_alive()


def test_what_the_other_process_could_not_read_is_read_here(tree: Path) -> None:
    entries: dict[str, Entry] = {}
    digests = scanning.Digests(entries)
    facts = FACTS.pack(0o104755, 9, 7, b"d" * 32) + FACTS.pack(*UNREAD)
    with Directory.top(tree / "0") as folder:
        digests.take((folder,), ["absent", "large"], facts)
    assert entries["absent"] == Entry(
        kind=EntryKind.FILE, mode=0o4755, size=9, digest=(b"d" * 32).hex()
    )
    assert entries["large"].digest == content_digest(b"0" * LARGE)
    assert digests.times == {
        "absent": 7,
        "large": int((tree / "0" / "large").stat().st_mtime),
    }


def test_facts_are_answered_in_order(tmp_path: Path, answer: Callable[..., bytes]) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    (one / "a\udcff").write_bytes(b"text")
    (one / "a\udcff").chmod(0o4711)
    os.utime(one / "a\udcff", ns=(0, 1_999_999_999))
    (one / "link").symlink_to("a\udcff")
    os.mkfifo(one / "fifo")
    (one / "marked").write_bytes(b"text")
    os.setxattr(one / "marked", "user.mark", b"1")
    (two / "large").write_bytes(b"x" * (LARGE + 1))
    (two / "even").write_bytes(b"x" * LARGE)
    said = list(
        FACTS.iter_unpack(
            answer(
                DIGEST,
                [["a\udcff", "link", "fifo", "absent", "marked"], ["large", "even"]],
                one,
                two,
            )
        )
    )
    # A file with attributes, which do not fit, is read by who asks.
    assert said[1:5] == [UNREAD] * 4
    assert [(size, digest.hex()) for _, size, _, digest in (said[0], *said[5:])] == [
        (len(data), content_digest(data)) for data in (b"text", b"x" * (LARGE + 1), b"x" * LARGE)
    ]
    assert (said[0][0], said[0][2]) == (0o104711, 1)


def test_comparisons_are_answered_in_order(tmp_path: Path, answer: Callable[..., bytes]) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    names = ["same", "content", "size", "mode", "end", "marked", "link", "absent", "twin"]
    for folder in (ours, theirs):
        folder.mkdir()
        for name in names[:6]:
            (folder / name).write_bytes(b"text" * LARGE)
        (folder / "link").symlink_to("same")
    (theirs / "content").write_bytes(b"Text" + b"text" * (LARGE - 1))
    (theirs / "end").write_bytes(b"text" * (LARGE - 1) + b"texT")
    (theirs / "size").write_bytes(b"text")
    (theirs / "mode").chmod(0o600)
    os.setxattr(theirs / "marked", "user.mark", b"1")
    (ours / "twin").hardlink_to(ours / "same")
    (theirs / "twin").hardlink_to(ours / "same")
    assert answer(COMPARE, [names], ours, theirs) == b"".join(
        (SAME, OTHER, OTHER, OTHER, OTHER, OTHER, UNSURE, UNSURE, SAME)
    )
