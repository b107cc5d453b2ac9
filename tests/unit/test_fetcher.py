"""Build tools that are fetched side by side, each once in a run."""

import threading
from pathlib import Path

import pytest

from harness.ecosystems.python.tools import fetcher
from harness.ecosystems.python.tools.fetcher import Fetcher, Wanted
from harness.errors import ReleaseError
from harness.internet import Release
from harness.storage.store import Store


class Index:
    """Stands for the operator's pip: counts what it is asked for, and can make it wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.together: threading.Barrier | None = None
        self.held: threading.Event | None = None
        monkeypatch.setattr(fetcher, "fetch_tool", self.tool)
        monkeypatch.setattr(fetcher, "fetch_closure", self.closure)

    def tool(self, pin: str, **_more: object) -> Release:
        self.asked.append(pin)
        if self.together:
            self.together.wait(10)
        if self.held:
            self.held.wait(10)
        if pin.startswith("broken"):
            raise ReleaseError(f"cannot fetch {pin}", hint="")
        name, _, version = pin.partition("==")
        return Release(project=name, version=version, files=())

    def closure(self, pin: str, pythons: tuple[str, ...], **_: object) -> tuple[Release, ...]:
        needed = Release(project=f"needed-for-{'-'.join(pythons)}", version="1", files=())
        return (self.tool(pin), needed)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    return Index(monkeypatch)


def names(releases: tuple[Release, ...]) -> list[str]:
    return [release.project for release in releases]


def test_each_is_fetched_once_in_the_order_in_which_it_was_named(
    index: Index, tmp_path: Path
) -> None:
    wanted = Wanted(tools=("b==1", "a==1", "b==1"), managers=("m==1",), pythons=("3.11.2",))
    with Fetcher(Store(root=tmp_path)) as fetching:
        fetching.begin(wanted)
        for _ in range(2):
            assert names(fetching.releases(wanted)) == ["b", "a", "m", "needed-for-3.11.2"]
    assert sorted(index.asked) == ["a==1", "b==1", "m==1"]


def test_a_manager_is_another_for_other_pythons(index: Index, tmp_path: Path) -> None:
    with Fetcher(Store(root=tmp_path)) as fetching:
        for pythons in (("3.11.2",), ("3.11.2", "3.13.5")):
            wanted = Wanted(tools=(), managers=("m==1",), pythons=pythons)
            assert names(fetching.releases(wanted))[-1] == f"needed-for-{'-'.join(pythons)}"
    assert index.asked == ["m==1", "m==1"]


def test_what_the_operator_names_comes_with_what_it_needs(index: Index, tmp_path: Path) -> None:
    with Fetcher(Store(root=tmp_path)) as fetching:
        wanted = Wanted(tools=(), others=("o==1",), pythons=("3.11.2",))
        assert names(fetching.releases(wanted)) == ["o", "needed-for-3.11.2"]
    assert index.asked == ["o==1"]


def test_several_are_on_their_way_at_once(index: Index, tmp_path: Path) -> None:
    index.together = threading.Barrier(3)
    with Fetcher(Store(root=tmp_path)) as fetching:
        wanted = Wanted(tools=("a==1", "b==1"), managers=("m==1",), pythons=("3.11.2",))
        assert len(fetching.releases(wanted)) == 4


def test_what_cannot_be_fetched_is_told_to_all_that_want_it_and_asked_once(
    index: Index, tmp_path: Path
) -> None:
    with Fetcher(Store(root=tmp_path)) as fetching:
        fetching.begin(Wanted(tools=("broken==1",)))
        for _ in range(2):
            with pytest.raises(ReleaseError, match="cannot fetch broken==1"):
                fetching.releases(Wanted(tools=("a==1", "broken==1")))
        assert names(fetching.releases(Wanted(tools=("a==1",)))) == ["a"]
    assert index.asked.count("broken==1") == 1


def test_what_failed_is_tried_again_once_that_is_forgotten(index: Index, tmp_path: Path) -> None:
    with Fetcher(Store(root=tmp_path)) as fetching:
        for times in (1, 2):
            fetching.forget_failures()
            with pytest.raises(ReleaseError):
                fetching.releases(Wanted(tools=("a==1", "broken==1")))
            assert index.asked.count("broken==1") == times
    assert index.asked.count("a==1") == 1


def test_what_has_not_begun_at_the_end_is_not_fetched(index: Index, tmp_path: Path) -> None:
    index.held = threading.Event()
    tools = tuple(f"t{number}==1" for number in range(40))
    with Fetcher(Store(root=tmp_path)) as fetching:
        fetching.begin(Wanted(tools=tools))
        threading.Timer(0.5, index.held.set).start()
    assert len(index.asked) < len(tools)
