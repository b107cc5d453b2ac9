"""Which Pythons builds may ask for, and which runtime is served for each."""

import pytest
from runtimes import runtime

from harness.ecosystems.python.buildpack_scripts import KnownPythons
from harness.ecosystems.python.runtimes.offers import Asked, asked, offers

OLDER = KnownPythons(latest={"3.12": "3.12.3", "3.13": "3.13.2"}, default="3.13")
NEWER = KnownPythons(latest={"3.13": "3.13.15", "3.14": "3.14.7"}, default="3.14")
NOTHING = KnownPythons()


@pytest.mark.parametrize(
    ("history", "minors", "versions"),
    [
        ([(NEWER, {"3.13"})], {"3.13"}, {"3.13.15"}),
        ([(NEWER, {"3.13.9"})], {"3.13"}, {"3.13.9", "3.13.15"}),
        # None is named: the default. With a cache, also what that one was in the commit before.
        ([(NEWER, set())], {"3.14"}, {"3.14.7"}),
        ([(OLDER, set()), (NEWER, set())], {"3.13", "3.14"}, {"3.13.2", "3.13.15", "3.14.7"}),
        # No release is that new.
        ([(NEWER, {"3.14.8"})], {"3.14"}, {"3.14.7"}),
        ([(NEWER, {"3.14.999"})], {"3.14"}, {"3.14.7"}),
        ([(NEWER, {"3.20"})], {"3.20"}, set()),
        # Whoever knows no releases cannot tell.
        ([(NOTHING, {"3.14.999"})], {"3.14"}, {"3.14.999"}),
        ([(NOTHING, set())], set(), set()),
        ([], set(), set()),
    ],
)
def test_what_builds_ask_for(
    history: list[tuple[KnownPythons, set[str]]], minors: set[str], versions: set[str]
) -> None:
    told = asked((known, frozenset(named)) for known, named in history)
    assert told == Asked(minors=frozenset(minors), versions=frozenset(versions))


@pytest.mark.parametrize(
    ("at_hand", "versions", "served"),
    [
        (["3.14.8", "3.11.2"], [], {"3.14.8": "3.14.8", "3.11.2": "3.11.2"}),
        (["3.14.8"], ["3.14.7"], {"3.14.8": "3.14.8", "3.14.7": "3.14.8"}),
        (["3.14.8"], ["3.14.8"], {"3.14.8": "3.14.8"}),
        (["3.14.8"], ["3.13.1", "3.1.4"], {"3.14.8": "3.14.8"}),
        # The exact one is used where it is at hand, and the first where several could stand in.
        (["3.14.8", "3.14.7"], ["3.14.7", "3.14.6"],
         {"3.14.8": "3.14.8", "3.14.7": "3.14.7", "3.14.6": "3.14.8"}),
    ],
)  # fmt: skip
def test_what_is_served_for_it(
    at_hand: list[str], versions: list[str], served: dict[str, str]
) -> None:
    wanted = Asked(versions=frozenset(versions))
    found = offers(map(runtime, at_hand), wanted)
    assert {one.version: one.runtime.version for one in found} == served
    assert len(found) == len(served)
    assert {one.version for one in found if one.stands_in} == served.keys() - set(at_hand)


def test_a_runtime_that_is_there_twice_is_offered_once_where_it_came_first() -> None:
    found = offers(map(runtime, ["3.11.2", "3.9.2", "3.11.2"]), Asked())
    assert [one.version for one in found] == ["3.11.2", "3.9.2"]
