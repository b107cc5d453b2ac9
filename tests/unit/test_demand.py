"""What the commits that are still to be judged ask of builds."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from harness.runs.demand import OpenCommits, demand
from harness.runs.plan import Pair, PlannedBuild, build
from harness.scenarios.expectation import TreeExpectation
from harness.scenarios.run_expectation import RunExpectation

HERE = TreeExpectation(path="here")
THERE = TreeExpectation(path="there")


def pairs(
    inputs: str, *, expect: tuple[TreeExpectation, ...] = (), run: tuple[str, ...] = ()
) -> tuple[Pair, ...]:
    """A scenario's builds, of which each letter is the digest of all that goes into a commit's."""
    found: list[Pair] = []
    for index, letter in enumerate(inputs):
        asked = tuple(RunExpectation(command=one) for one in run)
        stage = SimpleNamespace(index=index, expect=expect, run=asked)
        commit: Any = SimpleNamespace(stage=stage)
        clean = build(commit, letter)
        cached = build(commit, letter, cache=found[-1].cached) if found else clean
        found.append(Pair(commit=commit, cached=cached, clean=clean))
    return tuple(found)


def of(
    inputs: str,
    *open_ones: int,
    expect: tuple[TreeExpectation, ...] = (),
    run: tuple[str, ...] = (),
) -> OpenCommits:
    return OpenCommits(pairs=pairs(inputs, expect=expect, run=run), indexes=open_ones)


def keys(builds: Iterator[Any] | tuple[PlannedBuild, ...]) -> set[str]:
    return {one.key for one in builds}


def test_wanted_are_all_builds_up_to_the_last_commit_that_is_open() -> None:
    a, b, _ = pairs("abc")
    found = demand([of("abc", 1)])
    assert keys(found.wanted) == {a.clean.key, b.clean.key, b.cached.key}
    assert found.wanted == tuple(sorted(found.wanted, key=lambda one: one.depth))


def test_where_nothing_is_open_nothing_is_wanted() -> None:
    found = demand([of("abc")])
    assert (found.wanted, found.giving, found.expected) == ((), frozenset(), {})


def test_each_build_is_wanted_once_though_several_scenarios_need_it() -> None:
    found = demand([of("ab", 0, 1), of("ac", 0, 1)])
    assert len(found.wanted) == len(keys(found.wanted)) == 5


def test_every_cached_build_s_cache_is_kept_also_of_commits_that_are_judged() -> None:
    assert demand([of("abc", 0)]).carried == keys(one.cached for one in pairs("abc"))


def test_the_caches_are_asked_for_that_a_cached_build_would_be_given_again() -> None:
    a, b, _ = pairs("abc")
    assert demand([of("abc", 1)]).giving == {a.cached.key}
    assert demand([of("abc", 0)]).giving == set()
    assert demand([of("abc", 0, 2)]).giving == {b.cached.key}


def test_both_arms_are_held_to_what_any_scenario_expects_of_them() -> None:
    found = demand([of("ab", 1, expect=(HERE,)), of("ab", 1, expect=(THERE,)), of("ac", 0)])
    _, b = pairs("ab")
    both = {repr(HERE): HERE, repr(THERE): THERE}
    assert found.expected[b.cached.key] == found.expected[b.clean.key] == both
    assert found.expected[pairs("a")[0].clean.key] == {}


def test_what_one_scenario_runs_of_a_commit_is_run_of_all_its_builds() -> None:
    found = demand([of("ab", 1, run=("one", "two")), of("cb", 1, run=("three",)), of("ab", 0)])
    # Builds of other caches, and second runs, are of the same inputs.
    assert found.commands == {"a": set(), "b": {"one", "two", "three"}}


def test_of_builds_outside_the_open_commits_nothing_is_expected() -> None:
    found = demand([of("ab", 1, expect=(HERE,))])
    assert pairs("a")[0].clean.key not in found.expected


def test_a_stored_build_runs_again_where_its_cache_is_lost_and_may_be_asked_for() -> None:
    a, _ = pairs("ab")
    found = demand([of("ab", 1)])
    assert found.must_run(usable=lambda _: True, cache_kept=lambda _: True) == set()
    assert found.must_run(usable=lambda _: True, cache_kept=lambda _: False) == {a.cached.key}


@pytest.mark.parametrize(("open_ones", "count"), [((), 0), ((0,), 0), ((2,), 4), ((1, 2), 2)])
def test_before_the_first_open_commit(open_ones: tuple[int, ...], count: int) -> None:
    before = of("abc", *open_ones).before()
    assert before == tuple(b for p in pairs("abc")[: count // 2] for b in (p.clean, p.cached))
