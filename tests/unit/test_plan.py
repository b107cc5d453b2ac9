"""Which builds a scenario's commits need, and which of them are one and the same."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies._internal.core import DataObject

from harness.runs.plan import Commit, Pair, PlannedBuild, build, control, missing, plan
from harness.scenarios.document import Document, read_document
from harness.scenarios.scenario import OLD, Scenario, Stage
from harness.scenarios.scenario_file import (
    AppTable,
    Axes,
    BuildExpectation,
    BuildFor,
    BuildPath,
    CacheMount,
    CachePath,
    FailedBuildCache,
    FileTimes,
)
from harness.scenarios.tree import File, Tree
from harness.scenarios.world import World
from harness.trees.named import AfterFailure

TREE = Tree(entries={"requirements.txt": File(data=b"")})


@pytest.fixture
def document(tmp_path: Path) -> Document:
    file = tmp_path / "s.toml"
    file.write_text('description = "d"\n')
    return read_document(file)


def stage(index: int = 0, *, tree: Tree = TREE, world: World | None = None) -> Stage:
    return Stage(
        index=index,
        message=f"commit {index}",
        time=1_700_000_000 + index,
        tree=tree,
        world=world or World(),
        build=BuildExpectation.PASSES,
        reuse=None,
        expect=(),
    )


@pytest.fixture
def planned(document: Document) -> Callable[..., Any]:
    def plan_of(*stages: Stage, name: str = "s", axes: Axes | None = None) -> tuple[Pair, ...]:
        scenario = Scenario(
            name=name,
            file=Path("s.toml"),
            description="d",
            issue="",
            forks=(),
            axes=axes or Axes(file_times=FileTimes.OLD),
            needs=(),
            app=AppTable(),
            files=TREE,
            commits=(),
            fixtures={},
            document=document,
        )
        return plan(scenario, stages, buildpack=lambda at: at or "asked", digest=digest)

    return plan_of


def digest(commit: Commit) -> str:
    """As the session's: whatever the build could see, but its cache."""
    parts = (commit.stage.tree, commit.stage.world, commit.build, commit.mtime,
             commit.cache, commit.cache_apart, commit.after_failure, commit.test_run)  # fmt: skip
    return repr(parts)


def test_each_commit_is_built_in_order(planned: Callable[..., Any]) -> None:
    stages = (stage(0), stage(1), stage(2))
    assert tuple(pair.commit.stage for pair in planned(*stages)) == stages


def test_commits_that_change_nothing_share_their_clean_build(planned: Callable[..., Any]) -> None:
    first, second = planned(stage(0), stage(1))
    assert first.clean.key == second.clean.key


@pytest.mark.parametrize(
    "other",
    [
        stage(1, tree=Tree(entries={"requirements.txt": File(data=b"x==1\n")})),
        stage(1, tree=Tree(entries={"requirements.txt": File(data=b"", executable=True)})),
        stage(1, world=World(env=(("A", "1"),))),
        stage(1, world=World(stack="heroku-18")),
        stage(1, world=World(buildpack="v2")),
    ],
)
def test_commits_that_differ_in_anything_do_not(planned: Callable[..., Any], other: Stage) -> None:
    first, second = planned(stage(0), other)
    assert first.clean.key != second.clean.key


def test_files_with_their_commits_times_are_not_the_same(planned: Callable[..., Any]) -> None:
    first, second = planned(stage(0), stage(1), axes=Axes(file_times=FileTimes.COMMIT))
    assert first.clean.key != second.clean.key


@pytest.mark.parametrize(
    ("times", "expected"),
    [(FileTimes.COMMIT, 1_700_000_000), (FileTimes.OLD, OLD), (FileTimes.NOW, None)],
)
def test_file_times(planned: Callable[..., Any], times: FileTimes, expected: int | None) -> None:
    (pair,) = planned(stage(), axes=Axes(file_times=times))
    assert pair.commit.mtime == expected


def test_a_fixed_build_path_is_the_same_for_all(planned: Callable[..., Any]) -> None:
    first, second = planned(stage(0), stage(1))
    assert first.commit.build == second.commit.build


def test_a_new_build_path_is_each_commits_own_and_the_same_in_each_run(
    planned: Callable[..., Any],
) -> None:
    axes = Axes(file_times=FileTimes.OLD, build_path=BuildPath.NEW)
    first, second = planned(stage(0), stage(1), axes=axes)
    assert first.commit.build != second.commit.build
    assert first.clean.key != second.clean.key
    assert {first.commit.build, second.commit.build}.isdisjoint(
        pair.commit.build for pair in planned(stage(0), stage(1), name="t", axes=axes)
    )
    assert planned(stage(0), stage(1), axes=axes) == (first, second)


def test_a_new_cache_path_and_a_ci_run_are_each_commits_own(planned: Callable[..., Any]) -> None:
    (plain,) = planned(stage(0))
    assert (plain.commit.cache, plain.commit.test_run) == ("", "")
    axes = Axes(file_times=FileTimes.OLD, cache_path=CachePath.NEW, build=BuildFor.CI)
    first, second = planned(stage(0), stage(1), axes=axes)
    for name in ("cache", "test_run"):
        names = {getattr(pair.commit, name) for pair in (first, second)}
        assert len(names) == 2
        assert "" not in names
    assert planned(stage(0), stage(1), axes=axes) == (first, second)


def test_the_cache_may_lie_on_a_mount_of_its_own(planned: Callable[..., Any]) -> None:
    (same,), (other,) = (
        planned(stage(), axes=replace(Axes(), cache_mount=mount))
        for mount in (CacheMount.SAME, CacheMount.OTHER)
    )
    assert (same.commit.cache_apart, other.commit.cache_apart) == (False, True)
    assert same.clean.key != other.clean.key


def test_what_a_failed_build_leaves_is_the_platform_s_to_say_or_the_scenario_s(
    planned: Callable[..., Any],
) -> None:
    said = {None: None, "last-good": AfterFailure.AS_BEFORE, "kept": AfterFailure.AS_LEFT}
    for word, after_failure in said.items():
        axes = Axes(failed_build_cache=FailedBuildCache(word) if word else None)
        (pair,) = planned(stage(), axes=axes)
        assert pair.commit.after_failure is after_failure


def test_the_first_cached_build_is_the_clean_one(planned: Callable[..., Any]) -> None:
    first, second = planned(stage(0), stage(1))
    assert first.cached is first.clean
    assert second.cached.cache == first.cached
    assert second.clean.cache is None
    assert second.cached.key != second.clean.key


def test_a_clean_build_that_is_made_in_its_own_way_is_another_build(
    planned: Callable[..., Any],
) -> None:
    own = stage(world=World(env=(("A", "1"),), buildpack="v2"))
    first, second = planned(replace(stage(0), clean=own), replace(stage(1), clean=own))
    plain, _ = planned(stage(0), stage(1))
    # The cached builds are as they would be without it, also the first, which has no cache.
    assert (first.cached.key, first.cached.cache) == (plain.cached.key, None)
    assert second.cached.cache == first.cached
    assert first.clean.key == second.clean.key != plain.clean.key
    assert first.clean.commit.stage == own
    assert first.clean.commit.buildpack != first.commit.buildpack
    assert control(first.clean).commit == first.clean.commit


def test_a_build_s_key_covers_the_whole_chain_before_it(planned: Callable[..., Any]) -> None:
    changed = stage(0, tree=Tree(entries={"other": File(data=b"x")}))
    last, other = (
        planned(stage(0), stage(1), stage(2))[-1],
        planned(changed, stage(1), stage(2))[-1],
    )
    assert last.clean.key == other.clean.key
    assert last.cached.key != other.cached.key


def test_scenarios_that_begin_alike_share_builds_and_go_apart(planned: Callable[..., Any]) -> None:
    change = stage(1, tree=Tree(entries={"other": File(data=b"x")}))
    ours, theirs = planned(stage(0), stage(1), name="a"), planned(stage(0), change, name="b")
    assert ours[0].clean.key == theirs[0].clean.key
    assert ours[1].cached.key != theirs[1].cached.key


def test_a_control_build_is_another_build_of_the_same(planned: Callable[..., Any]) -> None:
    (pair,) = planned(stage(0))
    again = control(pair.clean)
    assert again.inputs == pair.clean.inputs
    assert again.key != pair.clean.key
    assert control(again).key not in {again.key, pair.clean.key}


# --- which builds must run ---------------------------------------------------------------------


def chain(planned: Callable[..., Any], length: int) -> tuple[PlannedBuild, ...]:
    return tuple(pair.cached for pair in planned(*map(stage, range(length))))


def to_run(
    builds: tuple[PlannedBuild, ...] | list[PlannedBuild],
    stored: AbstractSet[int] = frozenset(),
    caches: AbstractSet[int] = frozenset(),
) -> set[int]:
    """The places of the builds that must run, where these results and caches are stored."""
    found = missing(
        {one.key: one for one in builds},
        usable=lambda one: builds.index(one) in stored,
        cache_kept=lambda one: builds.index(one) in caches,
    )
    return {place for place, one in enumerate(builds) if one.key in found}


@pytest.mark.parametrize(
    ("stored", "caches", "expected"),
    [
        (set(), set(), {0, 1, 2}),
        ({0, 1, 2}, set(), set()),
        ({0, 1}, {1}, {2}),
        ({0, 1}, {0}, {1, 2}),
        ({0, 1}, set(), {0, 1, 2}),
        ({0, 2}, {0}, {1}),
        ({2}, {0, 1, 2}, {0, 1}),
    ],
)
def test_what_must_run(
    planned: Callable[..., Any], stored: set[int], caches: set[int], expected: set[int]
) -> None:
    assert to_run(chain(planned, 3), stored, caches) == expected


@given(data=st.data(), length=st.integers(1, 6))
def test_what_runs_finds_the_cache_that_it_is_given(data: DataObject, length: int) -> None:
    commit: Any = None  # no part of what is looked for
    first = build(commit, "0")
    builds = [first]
    for number in range(1, length):
        parent = data.draw(st.sampled_from([None, *builds]))
        builds.append(build(commit, str(number), cache=parent))
    places = st.sets(st.integers(0, length - 1))
    stored, caches = data.draw(places), data.draw(places)
    found = to_run(builds, stored, caches)
    for place, one in enumerate(builds):
        assert place in found or place in stored, "every wanted build is there or runs"
        if place in found and one.cache:
            before = builds.index(one.cache)
            assert before in found or (before in stored and before in caches)
    for place in found & stored:
        followers = [at for at in found if builds[at].cache == builds[place]]
        assert followers, "nothing runs again but for a cache that is gone"
        assert place not in caches or to_run(builds, stored - {place}, caches)
