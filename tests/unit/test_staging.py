"""What is staged is whole or not there."""

import os
from pathlib import Path

import pytest

from harness.storage.locks import locked
from harness.storage.staging import (
    scratch_folder,
    staged_file,
    staged_folder,
    sweep_staged,
)


def test_a_file_replaces_what_was_there_once_it_is_whole(tmp_path: Path) -> None:
    final = tmp_path / "final"
    final.write_text("before")
    with staged_file(final) as staged:
        staged.write_text("after")
        assert final.read_text() == "before"
    assert final.read_text() == "after"
    assert [*tmp_path.iterdir()] == [final]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_file_that_is_not_finished_changes_nothing(
    tmp_path: Path, error: type[KeyboardInterrupt] | type[ValueError]
) -> None:
    final = tmp_path / "final"
    final.write_text("before")

    def fail() -> None:
        with staged_file(final) as staged:
            staged.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert final.read_text() == "before"
    assert [*tmp_path.iterdir()] == [final]


def test_a_file_that_was_not_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), staged_file(tmp_path / "final"):
        pass


def test_of_two_who_stage_a_folder_the_first_stays(tmp_path: Path) -> None:
    final = tmp_path / "kept" / "final"
    with staged_folder(final) as second:
        (second / "whose").write_text("second")
        with staged_folder(final) as first:
            (first / "whose").write_text("first")
    assert (final / "whose").read_text() == "first"
    assert [*final.parent.iterdir()] == [final]


def test_a_folder_that_is_not_finished_is_gone(tmp_path: Path) -> None:
    def fail() -> None:
        with staged_folder(tmp_path / "final") as staging:
            (staging / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not [*tmp_path.iterdir()]


def test_only_what_nobody_is_at_is_swept(tmp_path: Path) -> None:
    for name in (".staged-dead", ".staged-held", "final"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".staged-new").mkdir()
    with locked(tmp_path / ".staged-held"), scratch_folder(tmp_path) as live:
        os.utime(live, (0, 0))
        sweep_staged(tmp_path)
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {".staged-held", ".staged-new", live.name, "final"}
