"""What a run has to do, as keys and ranks of a schedule."""

from dataclasses import dataclass

from harness.runs.plan import PlannedBuild
from harness.runs.schedule import Rank


@dataclass(frozen=True, slots=True)
class BuildTask:
    """Has a build at hand, by its key."""

    key: str


@dataclass(frozen=True, slots=True)
class CompareTask:
    """Compares the arms of a case's commit, both by their numbers, and asks for second runs."""

    case: int
    commit: int


@dataclass(frozen=True, slots=True)
class SettleTask:
    """Says what a case's commit showed, once its second runs are at hand."""

    case: int
    commit: int


TaskKey = BuildTask | CompareTask | SettleTask


def judging_rank(place: int, commit: int) -> Rank:
    """The rank of what is said of a commit: before the builds of the same one.

    Args:
        place: The case's, among all.
        commit: The commit's index.
    """
    return (place, commit, 0, "")


def building_rank(place: int, build: PlannedBuild) -> Rank:
    """The rank of a build: the cases one after the other, and in each the commits.

    Args:
        place: The case's, among all.
        build: The build.
    """
    return (place, build.commit.stage.index, 1, build.key)
