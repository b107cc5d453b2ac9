"""Says which of a scenario's expectations the builds of one commit do not meet."""

from collections.abc import Iterator, Mapping, Sequence

from harness.builds.log import plain
from harness.scenarios.expectation import Expectation, LogExpectation, TreeExpectation
from harness.scenarios.scenario_file import BuildExpectation
from harness.verdicts.arms import Arm, Arms, Stored
from harness.verdicts.cache_expectations import CacheUse, cache_lacks
from harness.verdicts.deployed_runs import run_lack
from harness.verdicts.lack import Lack
from harness.verdicts.log_expectations import log_lack
from harness.verdicts.result import FoundInstead


def unmet_expectations(arms: Arms, use: CacheUse) -> tuple[FoundInstead, ...]:
    """What the scenario expects of the builds and did not get, with what was found instead.

    Each arm's are reported whatever the comparison shows, once where both lack the same: a list of
    what is known may cover a divergence, and would hide that the file in it is stale.

    Args:
        arms: The builds.
        use: What became of the cache that the cached build was given.
    """
    lacks = {Arm.CACHED: tuple(_lacks(arms, Arm.CACHED, use))}
    if arms.differ:
        lacks[Arm.CLEAN] = tuple(_lacks(arms, Arm.CLEAN, use))
    told = dict.fromkeys(lack.said for faults in lacks.values() for lack in faults)
    return tuple(_unmet(said, lacks) for said in told)


def _unmet(said: str, lacks: Mapping[Arm, Sequence[Lack]]) -> FoundInstead:
    """What one or both builds lack, as a sentence."""
    instead = {
        arm: lack.instead for arm, faults in lacks.items() for lack in faults if lack.said == said
    }
    where = "in both builds" if len(instead) > 1 else f"in the {next(iter(instead))} build"
    lines = next(iter(instead.values()))
    if {*instead.values()} != {lines}:
        lines = tuple(f"{arm}, {line}" for arm, found in instead.items() for line in found)
    return FoundInstead(unmet=f"{where} {said}", lines=lines)


def _lacks(arms: Arms, arm: Arm, use: CacheUse) -> Iterator[Lack]:
    """What one build lacks of what the scenario expects."""
    built = arms.cached if arm is Arm.CACHED else arms.clean
    passes = built.record.outcome.passed
    should_pass = arms.stage.build is BuildExpectation.PASSES
    if passes is not should_pass:
        # Why a build failed says more than what else is not as it should be.
        if passes:
            yield Lack(said="nothing fails, and something should")
        return
    for expectation in arms.stage.expect:
        # At the first commit both arms are one build.
        if expectation.build is None or arm == Arm(expectation.build) or not arms.differ:
            yield from _lacks_of(expectation, arm, built, use)
    if passes:
        yield from filter(None, (run_lack(built.record, one) for one in arms.stage.run))


def _lacks_of(expectation: Expectation, arm: Arm, built: Stored, use: CacheUse) -> Iterator[Lack]:
    if isinstance(expectation, TreeExpectation):
        fault = built.record.check(repr(expectation))
        if fault:
            yield Lack(said=fault)
    elif isinstance(expectation, LogExpectation):
        lack = log_lack(expectation.log, plain(built.text))
        if lack is not None:
            yield lack
    elif arm is Arm.CACHED:
        yield from cache_lacks(expectation, use)
