"""Which builds may work in memory, and which need to be run again on disk."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.runs import memory
from harness.runs.memory import ROOM, Room, folder_of_runs, outgrew
from harness.sandboxes import End, Outcome


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Sets how many bytes are free in the place and in the machine."""

    def sets(place: int, machine: int) -> None:
        monkeypatch.setattr(
            "harness.runs.memory.shutil.disk_usage", lambda _: SimpleNamespace(free=place)
        )
        available = SimpleNamespace(available=machine)
        monkeypatch.setattr("harness.runs.memory.psutil.virtual_memory", lambda: available)

    return sets


def held(room: Room, *, cache: int = 0, memory: int = 2 * ROOM) -> AbstractContextManager[Any]:
    return room.held(cache=cache, memory=memory)


def test_as_many_builds_as_there_is_room_for(free: Callable[..., Any], tmp_path: Path) -> None:
    free(2 * ROOM, 3 * ROOM)
    room = Room(tmp_path)
    with held(room) as first:
        with held(room) as second, held(room) as third:
            assert (first, second, third) == (tmp_path, tmp_path, None)
        with held(room) as again:
            assert again == tmp_path


@pytest.mark.parametrize(("place", "machine"), [(ROOM - 1, 9 * ROOM), (9 * ROOM, ROOM - 1)])
def test_the_scarcer_one_counts(
    free: Callable[..., Any], tmp_path: Path, place: Path, machine: int
) -> None:
    free(place, machine)
    with held(Room(tmp_path)) as found:
        assert found is None


def test_a_large_cache_needs_room_for_copies_of_it(
    free: Callable[..., Any], tmp_path: Path
) -> None:
    free(5 * ROOM, 5 * ROOM)
    room = Room(tmp_path)
    with (
        held(room, cache=ROOM, memory=4 * ROOM) as large,
        held(room, cache=1) as too_much,
        held(room) as small,
    ):
        assert (large, too_much, small) == (tmp_path, None, tmp_path)


def test_a_cache_whose_copies_pass_the_memory_limit_goes_to_disk(
    free: Callable[..., Any], tmp_path: Path
) -> None:
    free(9 * ROOM, 9 * ROOM)
    room = Room(tmp_path)
    for limit, expected in ((8 * ROOM // 3 - 1, None), (8 * ROOM // 3 + 1, tmp_path)):
        with held(room, cache=ROOM, memory=limit) as found:
            assert found == expected


def test_room_is_given_back_by_a_build_that_fails(free: Callable[..., Any], tmp_path: Path) -> None:
    free(ROOM, ROOM)
    room = Room(tmp_path)
    with pytest.raises(KeyError), held(room):
        raise KeyError
    with held(room) as found:
        assert found == tmp_path


def test_without_a_folder_there_is_no_room(free: Callable[..., Any]) -> None:
    free(9 * ROOM, 9 * ROOM)
    with held(Room(None)) as found:
        assert found is None


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(memory, "PLACE", tmp_path)
    monkeypatch.setattr(memory, "_is_memory", lambda _: True)
    return tmp_path / f"cache-harness-{os.getuid()}"


def test_the_folder_is_this_user_s_alone(place: Path) -> None:
    assert folder_of_runs() == place
    assert place.stat().st_mode & 0o777 == 0o700
    assert folder_of_runs() == place


def test_what_others_may_write_is_not_taken(place: Path) -> None:
    place.mkdir()
    place.chmod(0o770)
    assert folder_of_runs() is None


def test_a_link_is_not_followed(place: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.symlink_to("elsewhere")
    assert folder_of_runs() is None


def test_what_is_no_memory_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PLACE", tmp_path)
    assert folder_of_runs() is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("end", "status", "log", "told"),
    [
        (End.EXITED, 0, "No space left on device", False),
        (End.EXITED, 1, "no such file", False),
        (End.EXITED, 1, "tar: x: Cannot write: No space left on device\n" + 9 * "more\n", True),
        (End.MEMORY, 137, "", True),
        (End.TIMEOUT, 137, "No space left on device", False),
    ],
)
def test_a_build_that_failed_for_room_outgrew_it(
    tmp_path: Path, end: End, status: int, log: str, told: bool
) -> None:
    (tmp_path / "log").write_text(log)
    assert outgrew(Outcome(end=end, status=status, seconds=1), tmp_path / "log") is told
