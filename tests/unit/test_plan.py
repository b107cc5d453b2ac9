"""Which builds a scenario's commits need, and which of them are one and the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.plan import Commit, plan
from harness.scenarios.document import Document, read_document
from harness.scenarios.scenario import OLD, Scenario, Stage
from harness.scenarios.scenario_file import (
    AppTable,
    Axes,
    BuildExpectation,
    BuildPath,
    CacheMount,
    FileTimes,
)
from harness.scenarios.tree import File, Tree
from harness.scenarios.world import World

TREE = Tree(entries={"requirements.txt": File(data=b"")})


@pytest.fixture
def document(tmp_path) -> Document:
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
def planned(document):
    def plan_of(*stages: Stage, name: str = "s", axes: Axes | None = None) -> tuple[Commit, ...]:
        scenario = Scenario(
            name=name,
            file=Path("s.toml"),
            description="d",
            issue="",
            forks=(),
            axes=axes or Axes(file_times=FileTimes.OLD),
            app=AppTable(),
            files=TREE,
            commits=(),
            fixtures={},
            document=document,
        )
        return plan(scenario, stages)

    return plan_of


def test_each_commit_is_built_in_order(planned):
    stages = (stage(0), stage(1), stage(2))
    assert tuple(commit.stage for commit in planned(*stages)) == stages


def test_commits_that_change_nothing_share_their_clean_build(planned):
    first, second = planned(stage(0), stage(1))
    assert first.clean_key == second.clean_key


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
def test_commits_that_differ_in_anything_do_not(planned, other):
    first, second = planned(stage(0), other)
    assert first.clean_key != second.clean_key


def test_files_with_their_commits_times_are_not_the_same(planned):
    first, second = planned(stage(0), stage(1), axes=Axes(file_times=FileTimes.COMMIT))
    assert first.clean_key != second.clean_key


@pytest.mark.parametrize(
    ("times", "expected"),
    [(FileTimes.COMMIT, 1_700_000_000), (FileTimes.OLD, OLD), (FileTimes.NOW, None)],
)
def test_file_times(planned, times, expected):
    (commit,) = planned(stage(), axes=Axes(file_times=times))
    assert commit.mtime == expected


def test_a_fixed_build_path_is_the_same_for_all(planned):
    first, second = planned(stage(0), stage(1))
    assert first.build_path == second.build_path


def test_a_new_build_path_is_each_commits_own_and_the_same_in_each_run(planned):
    axes = Axes(file_times=FileTimes.OLD, build_path=BuildPath.NEW)
    first, second = planned(stage(0), stage(1), axes=axes)
    assert first.build_path != second.build_path
    assert first.clean_key != second.clean_key
    assert {first.build_path, second.build_path}.isdisjoint(
        commit.build_path for commit in planned(stage(0), stage(1), name="t", axes=axes)
    )
    assert planned(stage(0), stage(1), axes=axes) == (first, second)


def test_the_cache_may_lie_on_a_mount_of_its_own(planned):
    (same,), (other,) = (
        planned(stage(), axes=replace(Axes(), cache_mount=mount))
        for mount in (CacheMount.SAME, CacheMount.OTHER)
    )
    assert (same.cache_apart, other.cache_apart) == (False, True)
    assert same.clean_key != other.clean_key
