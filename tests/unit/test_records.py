"""Results as text and back, and how damage shows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ecosystems.reuse import Reuse
from harness.errors import StoreError
from harness.internet import Request
from harness.storage.records import dump, load, plain, restored
from harness.verdicts.divergence import Divergence, SetAside
from harness.verdicts.result import Failure, Seconds, Step, Verdict

# Names are bytes to the system: what is not UTF-8 comes as lone surrogates.
NAMES = st.text(st.characters(exclude_categories=()), max_size=8)
STEPS = st.builds(
    Step,
    message=NAMES,
    divergences=st.lists(st.builds(Divergence, path=NAMES), max_size=2).map(tuple),
    noise=st.just(()),
    set_aside=st.lists(st.builds(SetAside), max_size=2).map(tuple),
    failures=st.lists(st.builds(Failure), max_size=1).map(tuple),
    refused=st.lists(st.builds(Request), max_size=1).map(tuple),
    seconds=st.builds(Seconds, cached=st.floats(0, 1e6), clean=st.floats(0, 1e6)),
)


@given(STEPS)
def test_what_was_stored_comes_back(step: Step) -> None:
    text = dump(step)
    assert text.isascii()
    assert load(Step, text) == step


STEP = Step(
    commit="c", message="m", verdict=Verdict.AGREES, reuse=Reuse.REUSED,
    seconds=Seconds(cached=1, clean=2),
)  # fmt: skip


@given(st.data())
def test_any_damage_is_noticed(data: st.DataObject) -> None:
    text = dump(STEP)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda one: one != text[place]))
    for damaged in (text[:place] + other + text[place + 1 :], text[:place]):
        if damaged.rstrip("\n") != text.rstrip("\n"):
            with pytest.raises(StoreError, match="damaged"):
                load(Step, damaged)


def test_another_kind_of_record_is_refused() -> None:
    with pytest.raises(StoreError, match="another version"):
        load(Step, dump(Seconds(cached=1, clean=2)))


def test_a_record_that_says_more_than_is_known_is_refused() -> None:
    with pytest.raises(StoreError, match="another version"):
        restored(Seconds, {**plain(Seconds(cached=1, clean=2)), "control": 3})


def test_what_is_of_another_type_than_it_should_be_is_not_stored() -> None:
    with pytest.raises(ValueError, match="reuse"):
        dump(replace(STEP, reuse="reused"))  # type: ignore[arg-type]
