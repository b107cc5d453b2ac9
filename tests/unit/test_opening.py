"""A run's session: what its end must not lose."""

import pytest
from fake_sandboxes import Nowhere

from harness.errors import StoreError
from harness.runs.opening import open_session
from harness.runs.progress import Silent
from harness.runs.settings import Settings
from harness.sandboxes import registry
from harness.storage.store import Store
from harness.storage.upkeep import Upkeep


class Notes(Silent):
    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


@pytest.mark.parametrize("fails", [False, True])
def test_a_store_in_which_no_room_can_be_made_is_told_and_no_error(tmp_path, monkeypatch, fails):
    pruned = []

    def make_room(_: Upkeep) -> None:
        pruned.append(1)
        if fails:
            raise StoreError("cannot write to the store")

    monkeypatch.setattr(registry, "backends", lambda: {"nowhere": Nowhere})
    monkeypatch.setattr(Upkeep, "make_room", make_room)
    notes = Notes()
    settings = Settings(
        buildpack="root-requirements",
        sandbox="nowhere",
        image="host",
        store=Store(root=tmp_path / "store"),
    )
    with open_session(settings, observer=notes):
        assert not pruned
    assert pruned
    assert notes.told == ["no room was made in the store: cannot write to the store"] * fails
