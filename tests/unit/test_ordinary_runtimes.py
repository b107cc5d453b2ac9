"""How the runtimes of an ordinary run are made: what is begun early, side by side, and given up."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from python_stores import keep_runtimes
from runtimes import runtime

from harness.ecosystems.python.runtimes import ensure, extracted
from harness.ecosystems.python.runtimes.ensure import OrdinaryRuntimes
from harness.ecosystems.python.runtimes.pack import packing
from harness.ecosystems.python.runtimes.runtime import Runtime
from harness.errors import HarnessError, ImageError, RuntimeArchiveError
from harness.stack.image import Image
from harness.stack.processes import Processes
from harness.storage.store import Store

PATIENCE = 20  # seconds
OF_IMAGE, OF_HOST = "3.13.5", "3.12.1"
OF_SUITES = {"bookworm": "3.11.2", "bullseye": "3.9.2"}


class Packer:
    """Notes what is extracted and packed; `faults` fail, and `at_pack` is called in each pack."""

    def __init__(self) -> None:
        self.extracted: list[str] = []
        self.packed: list[str] = []
        self.faults: dict[str, HarnessError] = {}
        self.at_pack: Callable[[str], object] = lambda _: None
        self.hosts: tuple[str, ...] = ()

    def extract(self, suite: str, root: Path, **_: Any) -> None:
        self.extracted.append(suite)
        if suite in self.faults:
            raise self.faults[suite]
        root.mkdir(parents=True)

    def read(self, _: Path, *, root: Path = Path("/"), minor: str | None = None) -> str:
        if root.name in OF_SUITES:
            assert root.is_dir()
            return OF_SUITES[root.name]
        return f"{minor}.1" if minor else OF_IMAGE

    def minors(self, prefix: Path) -> tuple[str, ...]:
        return ("3.13",) if prefix == Path("/stack/usr") else self.hosts

    def pack(self, version: str, *_: object, **__: Any) -> Runtime:
        self.at_pack(version)
        if version in self.faults:
            raise self.faults[version]
        self.packed.append(version)
        return runtime(version)


@pytest.fixture
def packer(monkeypatch: pytest.MonkeyPatch) -> Packer:
    packer = Packer()
    monkeypatch.setattr(extracted, "extract_suite", packer.extract)
    monkeypatch.setattr(ensure, "default_suite", lambda: "trixie")
    monkeypatch.setattr(ensure, "read_interpreter", packer.read)
    monkeypatch.setattr(ensure, "installed_minors", packer.minors)
    monkeypatch.setattr(ensure, "host_prefixes", lambda: (Path("/usr"),))
    monkeypatch.setattr(ensure, "pack_runtime", packer.pack)
    monkeypatch.setattr(ensure, "works", lambda *_: True)
    return packer


@pytest.fixture
def ordinary(store: Store, tmp_path: Path) -> Iterator[OrdinaryRuntimes]:
    with OrdinaryRuntimes(store, tmp_path / "suites") as ordinary:
        yield ordinary


@pytest.fixture
def image() -> Image:
    root = Path("/stack")
    return Image(digest="1" * 64, suite="trixie", recipe="", built="", rootfs=root, tar=root)


def eventually(is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE
    while not is_so() and time.monotonic() < until:
        time.sleep(0.01)
    return is_so()


def versions(runtimes: tuple[Runtime, ...]) -> list[str]:
    return [each.version for each in runtimes]


def test_suites_are_extracted_before_there_is_an_image_and_once(
    packer: Packer, ordinary: OrdinaryRuntimes, image: Image
) -> None:
    ordinary.begin()
    assert eventually(lambda: packer.extracted == ["bookworm", "bullseye"])
    assert packer.packed == []
    assert versions(ordinary.ensure(image)) == ["3.13.5", "3.11.2", "3.9.2"]
    assert packer.extracted == ["bookworm", "bullseye"]


def test_what_is_lacking_is_packed_side_by_side(
    packer: Packer, ordinary: OrdinaryRuntimes, image: Image
) -> None:
    all_three = threading.Barrier(3)
    packer.at_pack = lambda _: all_three.wait(timeout=PATIENCE)
    assert versions(ordinary.ensure(image)) == ["3.13.5", "3.11.2", "3.9.2"]


def test_no_more_are_packed_than_are_lacking(
    packer: Packer, store: Store, ordinary: OrdinaryRuntimes, image: Image
) -> None:
    keep_runtimes(store, {"3.13.7": False, "3.10.4": False, "3.14.8": True})
    ordinary.begin()
    assert versions(ordinary.ensure(image)) == ["3.13.7", "3.11.2", "3.10.4"]
    assert (packer.extracted, packer.packed) == (["bookworm"], ["3.11.2"])


def test_where_enough_are_kept_nothing_is_begun(
    packer: Packer, store: Store, ordinary: OrdinaryRuntimes, image: Image
) -> None:
    keep_runtimes(store, dict.fromkeys(("3.13.7", "3.12.1", "3.10.4"), False))
    ordinary.begin()
    assert versions(ordinary.ensure(image)) == ["3.13.7", "3.12.1", "3.10.4"]
    assert (packer.extracted, packer.packed) == ([], [])


def test_for_one_that_fails_the_next_is_taken(
    packer: Packer, ordinary: OrdinaryRuntimes, image: Image
) -> None:
    packer.faults = {"bookworm": ImageError("no packages")}
    packer.hosts = ("3.9", "3.12", "3.13")
    assert versions(ordinary.ensure(image)) == ["3.13.5", OF_HOST, "3.9.2"]
    assert packer.packed[-1] == OF_HOST, "those of the host come last"


def test_it_is_said_why_each_failed(
    packer: Packer, ordinary: OrdinaryRuntimes, image: Image
) -> None:
    packer.faults = {"bookworm": ImageError("no packages"), OF_IMAGE: RuntimeArchiveError("broken")}
    with pytest.raises(RuntimeArchiveError) as raised:
        ordinary.ensure(image)
    assert raised.value.message.splitlines() == [
        "2 minor versions of Python are needed, and there are 1:",
        "  the image: broken",
        "  bookworm: no packages",
    ]


def test_a_suite_that_failed_early_is_not_tried_again(
    packer: Packer, ordinary: OrdinaryRuntimes, image: Image
) -> None:
    packer.faults = {"bookworm": ImageError("no packages")}
    ordinary.begin()
    assert versions(ordinary.ensure(image)) == ["3.13.5", "3.9.2"]
    assert packer.extracted == ["bookworm", "bullseye"]


def test_trees_are_removed_as_soon_as_they_are_packed(
    packer: Packer, ordinary: OrdinaryRuntimes, image: Image, tmp_path: Path
) -> None:
    ordinary.begin()
    ordinary.ensure(image)
    assert list((tmp_path / "suites").iterdir()) == []


def test_where_another_run_is_at_it_nothing_is_begun(
    packer: Packer, store: Store, ordinary: OrdinaryRuntimes, image: Image
) -> None:
    with packing(store):
        ordinary.begin()
    assert len(ordinary.ensure(image)) == 3
    assert sorted(packer.extracted) == ["bookworm", "bullseye"]


def test_other_runs_wait_from_the_beginning_to_the_end(
    packer: Packer, store: Store, ordinary: OrdinaryRuntimes, image: Image, tmp_path: Path
) -> None:
    ordinary.begin()
    with OrdinaryRuntimes(store, tmp_path / "other") as other:
        other.begin()
        with pytest.raises(BlockingIOError), packing(store, wait=False):
            pass
    ordinary.ensure(image)
    assert packer.extracted == ["bookworm", "bullseye"]
    with packing(store, wait=False):
        pass


def test_without_an_image_the_hold_ends_with_the_run(
    packer: Packer, store: Store, tmp_path: Path
) -> None:
    with OrdinaryRuntimes(store, tmp_path / "suites") as ordinary:
        ordinary.begin()
    with packing(store, wait=False):
        pass
    assert not (tmp_path / "suites").exists()


def test_a_host_without_suites_is_left_to_the_image_to_report(
    packer: Packer, monkeypatch: pytest.MonkeyPatch, ordinary: OrdinaryRuntimes
) -> None:
    def none() -> str:
        raise ImageError("neither Debian nor Ubuntu")

    monkeypatch.setattr(ensure, "default_suite", none)
    ordinary.begin()


def sleeping(begun: threading.Event) -> Callable[..., None]:
    """Extracts a suite by a program that sleeps, as apt may for want of an answer."""

    def extract(_suite: str, _root: Path, *, processes: Processes, **_: Any) -> None:
        with subprocess.Popen(("sleep", "600")) as process, processes.including(process):
            begun.set()
            if process.wait() != 0:
                raise ImageError("ended")

    return extract


def test_what_is_under_way_is_ended_with_the_run(
    packer: Packer, monkeypatch: pytest.MonkeyPatch, store: Store, tmp_path: Path
) -> None:
    begun = threading.Event()
    monkeypatch.setattr(extracted, "extract_suite", sleeping(begun))
    with OrdinaryRuntimes(store, tmp_path / "suites") as ordinary:
        ordinary.begin()
        assert begun.wait(PATIENCE)
        began = time.monotonic()
    assert time.monotonic() - began < PATIENCE


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a bug")], ids=repr)
def test_so_it_is_where_packing_cannot_go_on(
    packer: Packer,
    monkeypatch: pytest.MonkeyPatch,
    ordinary: OrdinaryRuntimes,
    image: Image,
    error: KeyboardInterrupt | ValueError,
) -> None:
    begun = threading.Event()
    monkeypatch.setattr(extracted, "extract_suite", sleeping(begun))

    def fail(_version: str) -> None:
        assert begun.wait(PATIENCE)
        raise error

    packer.at_pack = fail
    began = time.monotonic()
    with pytest.raises(type(error)):
        ordinary.ensure(image)
    assert time.monotonic() - began < PATIENCE


def test_a_process_that_comes_too_late_is_ended_as_well() -> None:
    processes = Processes()
    processes.end()
    with subprocess.Popen(("sleep", "600")) as process, processes.including(process):
        assert process.wait(timeout=PATIENCE) != 0
