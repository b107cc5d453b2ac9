"""Finds a stored build of a scenario's commit, as a run would."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.runs.at_hand import BuildsAtHand
from harness.runs.demand import Demand
from harness.runs.plan import Pair, PlannedBuild, control, repeated
from harness.runs.planning import planned_cases
from harness.runs.progress import Observer
from harness.runs.session import Session
from harness.scenarios.scenario import Scenario
from harness.verdicts.arms import Arm, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedBuild:
    """Which build is looked for.

    Attributes:
        scenario: The scenario.
        commit: Its commit, counted from 1.
        arm: Which of the commit's builds.
    """

    scenario: Scenario
    commit: int
    arm: Arm


def stored_build(wanted: WantedBuild, session: Session, observer: Observer) -> Stored | None:
    """The stored build, or None: it never ran like this, or it is no longer stored.

    Args:
        wanted: Which.
        session: What its run would use; nothing is built.
        observer: Notes what is made or damaged.

    Raises:
        HarnessError: It cannot be known which build that is.
    """
    (case,) = planned_cases((wanted.scenario,), session)
    if case.error is not None:
        raise case.error
    if case.missing:
        needs = ", ".join(f"`{need}`" for need in case.missing)
        raise HarnessError(
            f"{wanted.scenario.name} is not built: it needs {needs}, which {case.buildpack} does"
            " not offer",
            hint="name another buildpack with --buildpack",
        )
    nothing_more = Demand(wanted=(), expected={}, carried=frozenset(), giving=frozenset())
    at_hand = BuildsAtHand(session, nothing_more, observer)
    for build in builds_of(case.pairs[wanted.commit - 1], wanted.arm):
        # A build is that of the very cache that it was given, so those before it come first.
        for one in reversed([*_chain(build)]):
            at_hand.take(one)
        found = at_hand.find(build)
        if found is not None:
            return found
    return None


def builds_of(pair: Pair, arm: Arm) -> tuple[PlannedBuild, ...]:
    """The builds of a commit that an arm may stand for."""
    match arm:
        case Arm.CACHED:
            return (pair.cached,)
        case Arm.CLEAN:
            return (pair.clean,)
        case Arm.CONTROL:
            return (control(pair.clean), control(pair.clean, on_disk=True))
        case Arm.REPEATED:
            return (repeated(pair.cached),)


def _chain(build: PlannedBuild | None) -> Iterator[PlannedBuild]:
    """A build, the one whose cache it was given, and so on."""
    while build is not None:
        yield build
        build = build.cache
