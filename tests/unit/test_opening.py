"""How a run's session is opened: in which order, and what its end must not lose."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_ecosystems import FakeEcosystem, FakeServing
from fake_sandboxes import Nowhere

from harness.errors import HarnessError, RuntimeArchiveError, SandboxError, StoreError
from harness.runs import image, opening
from harness.runs.opening import open_session
from harness.runs.progress import Silent
from harness.runs.settings import Settings
from harness.sandboxes import registry
from harness.sandboxes.registry import BaseImage
from harness.stack.image import Image
from harness.storage.builds import BuildStore
from harness.storage.store import Store
from harness.storage.upkeep import Upkeep

STACK = Image(digest="1" * 64, suite="s", recipe="", built="", rootfs=Path("/"), tar=Path("/"))


class Notes(Silent):
    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


class Python(FakeEcosystem):
    """Notes in which order it is asked for what."""

    def __init__(self, done: list[str]) -> None:
        super().__init__("python")
        self.done = done

    def begin(self) -> None:
        self.done.append("fetching")

    def serving(self, image: Image | None) -> FakeServing:
        self.done.append(f"runtimes for {'it' if image else 'another'}")
        assert self.supplies is not None
        if "9.9" in self.supplies.versions:
            raise RuntimeArchiveError("no such runtime")
        return super().serving(image)


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What takes long and was done, in order; nothing of it is."""
    done: list[str] = []

    def build_image(_store: Store, *, on_line: Callable[..., Any]) -> Image:
        done.append("image")
        on_line("made an image")
        return STACK

    class Here(Nowhere):
        @staticmethod
        def named_image(asked: str) -> BaseImage:
            done.append(f"image {asked}")
            return Nowhere.named_image(asked)

        def close(self) -> None:
            done.append("closed")

    monkeypatch.setattr(registry, "backends", lambda: {"nowhere": Here})
    monkeypatch.setattr(image, "build_image", build_image)
    monkeypatch.setattr(opening, "serving_ecosystems", lambda: (Python(done),))
    return done


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        buildpack="root-requirements", sandbox="nowhere", store=Store(root=tmp_path / "store")
    )


def test_tools_are_on_their_way_while_the_image_is_made(
    done: list[Any], settings: Settings
) -> None:
    notes = Notes()
    with open_session(settings, observer=notes) as session:
        assert done == ["fetching", "image", "runtimes for it"]
        assert (session.image, session.machine.sandbox.name) == (f"stack {STACK.tag}", "nowhere")
        assert notes.told == ["made an image"]
    assert done[-1] == "closed"
    assert not session.folder.exists()


def test_the_image_is_made_ready_while_runtimes_are_made(
    done: list[Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    taking, made = threading.Event(), threading.Event()

    def stack_image(stack: Image) -> BaseImage:
        taking.set()
        assert made.wait(20)
        return Nowhere.stack_image(stack)

    def serving(python: Python, image: Image) -> FakeServing:
        assert taking.wait(20)
        made.set()
        return FakeEcosystem.serving(python, image)

    monkeypatch.setattr(registry.backends()["nowhere"], "stack_image", staticmethod(stack_image))
    monkeypatch.setattr(Python, "serving", serving)
    with open_session(settings) as session:
        assert session.image == f"stack {STACK.tag}"


def test_an_image_that_is_not_taken_ends_the_run(
    done: list[Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stack_image(_: Image) -> None:
        raise SandboxError("no room for it")

    monkeypatch.setattr(registry.backends()["nowhere"], "stack_image", staticmethod(stack_image))
    with pytest.raises(SandboxError, match="no room for it"), open_session(settings):
        pass


def test_for_another_image_nothing_is_fetched_ahead_and_runtimes_are_checked_first(
    done: list[Any], settings: Settings
) -> None:
    with open_session(replace(settings, image="host")) as session:
        assert done == ["runtimes for another", "image host"]
        assert session.image == "host"


@pytest.mark.parametrize(
    "mistyped",
    [
        {"sandbox": "elsewhere"},
        {"buildpack": "no-such"},
        {"also": ("root-requirements", "no-such")},
        {"tape": Path("no-such.tape")},
        {"tape": Path("no-such/new.tape"), "recording": True},
        {"image": "host", "pythons": ("9.9",)},
    ],
    ids=str,
)
def test_what_a_person_mistyped_is_said_before_anything_long_is_begun(
    done: list[Any], settings: Settings, mistyped: dict[str, Any]
) -> None:
    with pytest.raises(HarnessError), open_session(replace(settings, **mistyped)):
        pass
    assert done in ([], ["runtimes for another"])
    assert list(settings.store.runs.glob("[!.]*")) == []


@pytest.mark.parametrize(
    ("asked", "forgotten"),
    [({"recording": True}, 1), ({"recording": True, "keep": True}, 0), ({}, 0)],
)
def test_a_recording_forgets_its_builds_however_it_ends(
    done: list[Any],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, Any],
    forgotten: int,
) -> None:
    forgot = []
    monkeypatch.setattr(BuildStore, "forget_own", lambda _: forgot.append(1))
    settings.store.root.mkdir()
    tape = settings.store.root / "t.tape" if asked else None
    settings = replace(settings, tape=tape, **asked)
    with pytest.raises(StoreError, match="lost"), open_session(settings):
        raise StoreError("lost")
    assert len(forgot) == forgotten


@pytest.mark.parametrize("keep", [False, True])
def test_a_build_s_folder_stays_where_it_is_to_be_looked_at(
    done: list[Any], settings: Settings, tmp_path: Path, keep: bool
) -> None:
    stored = tmp_path / "stored"
    with open_session(replace(settings, keep=keep)) as session:
        with session.places.place("first", on_disk=True) as place:
            place.folder.mkdir(parents=True)
        session.places.done_with(place.folder, stored)
    assert place.folder.exists() == keep
    if keep:
        assert (place.folder / "stored").readlink() == stored


@pytest.mark.parametrize("fails", [False, True])
def test_a_store_in_which_no_room_can_be_made_is_told_and_no_error(
    done: list[Any], settings: Settings, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    pruned = []

    def make_room(_: Upkeep) -> None:
        pruned.append(1)
        if fails:
            raise StoreError("cannot write to the store")

    monkeypatch.setattr(Upkeep, "make_room", make_room)
    notes = Notes()
    with open_session(replace(settings, image="host"), observer=notes):
        assert not pruned
    assert pruned
    assert notes.told == ["no room could be made in the store: cannot write to the store"] * fails
