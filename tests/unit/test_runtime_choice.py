"""Which versions of Python the slots of a scenario stand for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtimes import runtime

from harness.ecosystems.python.buildpack_scripts import KnownPythons
from harness.ecosystems.python.runtimes.choice import at_hand, best_suited, newest, sibling
from harness.ecosystems.python.runtimes.runtime import Runtime, minor_of

NEW, MIDDLE, OLD = (runtime(version) for version in ("3.13.5", "3.11.2", "3.9.2"))


@pytest.mark.parametrize(
    ("versions", "known", "order"),
    [
        (["3.13.5", "3.11.2", "3.9.2"], [], ["3.11.2", "3.13.5", "3.9.2"]),
        (["3.13.5", "3.11.2", "3.9.2"], ["3.9", "3.13"], ["3.13.5", "3.9.2", "3.11.2"]),
        (["3.14.0", "3.12.1"], ["3.8"], ["3.12.1", "3.14.0"]),
        ([], ["3.11"], []),
    ],
)
def test_what_suits_a_buildpack_best(
    versions: list[str], known: list[str], order: list[str]
) -> None:
    assert best_suited(map(runtime, versions), known) == tuple(order)


@pytest.mark.parametrize(
    ("versions", "slots"),
    [
        (["3.11.2", "3.13.5", "3.9.2"], {"default": "3.11.2", "other": "3.13.5"}),
        (["3.11.2"], {"default": "3.11.2"}),
        ([], {}),
    ],
)
def test_slots_of_runtimes_at_hand_are_filled_in_order(
    versions: list[str], slots: dict[str, str]
) -> None:
    assert at_hand(versions) == slots


@pytest.mark.parametrize(
    ("latest", "makeable", "can", "version", "asked_to_make"),
    [
        # Known ones only, under the release that the buildpack names.
        ({"3.11": "3.11.9", "3.13": "3.13.7"}, ["3.15"], True, "3.13.7", []),
        ({"3.14": "3.14.1", "3.11": "3.11.9"}, ["3.14"], True, "3.14.1", ["3.14"]),
        ({"3.14": "3.14.1", "3.11": "3.11.9"}, ["3.14"], False, "3.11.9", ["3.14"]),
        ({"3.8": "3.8.1"}, [], False, None, ["3.8"]),
        # Of a buildpack that knows none: the newest there is, or can be made.
        ({}, ["3.15", "3.14"], True, "3.15.0", ["3.15"]),
        ({}, ["3.15", "3.14"], False, "3.13.5", ["3.15", "3.14"]),
        ({}, [], False, "3.13.5", []),
    ],
)
def test_the_newest(
    latest: dict[str, str],
    makeable: list[str],
    can: bool,
    version: str | None,
    asked_to_make: list[str],
) -> None:
    made = []

    def make(minor: str) -> Runtime | None:
        made.append(minor)
        return runtime(f"{minor}.0") if can else None

    known = KnownPythons(latest=latest)
    assert newest(known, (NEW, MIDDLE, OLD), makeable, make) == version
    assert made == asked_to_make


@pytest.mark.parametrize(
    ("version", "taken", "other"),
    [
        ("3.11.2", [], "3.11.1"),
        ("3.11.2", ["3.11.1", "3.11.2", "3.9.0"], "3.11.0"),
        ("3.15.0", ["3.15.0"], "3.15.1"),
        ("3.15.0rc1", ["3.15.0rc1"], "3.15.1"),
    ],
)
def test_the_sibling_is_another_release_of_the_same_minor(
    version: str, taken: list[str], other: str
) -> None:
    assert sibling(version, taken) == other


@given(patch=st.integers(0, 30), taken=st.sets(st.integers(0, 40)))
def test_the_sibling_is_never_one_that_is_at_hand(patch: int, taken: set[int]) -> None:
    versions = {f"3.11.{one}" for one in taken} | {f"3.11.{patch}"}
    found = sibling(f"3.11.{patch}", versions)
    assert found not in versions
    assert minor_of(found) == "3.11"
