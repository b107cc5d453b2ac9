"""What a run's verdicts come to as exit statuses."""

from dataclasses import replace

import pytest

from harness.ecosystems.reuse import Reuse
from harness.errors import ExitCode
from harness.verdicts.divergence import Divergence, DivergenceKind
from harness.verdicts.result import Builds, Result, Run, Seconds, Step, Verdict

DIVERGENCE = Divergence(kind=DivergenceKind.CONTENT, tree="app", path="p", why="w")


def result(*verdicts: Verdict, unmet: tuple[str, ...] = ()) -> Result:
    steps = tuple(
        Step(
            commit="0" * 40,
            message="m",
            verdict=verdict,
            reuse=Reuse.REUSED,
            seconds=Seconds(cached=1, clean=1),
            divergences=(DIVERGENCE,) if verdict is Verdict.DIVERGES else (),
            unmet=unmet,
        )
        for verdict in verdicts
    )
    return Result(scenario="s", file="s.toml", buildpack="b", sandbox="x", image="i", steps=steps)


def run(*results: Result) -> Run:
    return Run(results=results, builds=Builds(needed=1, run=1, reused=0))


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ((Verdict.AGREES,), ExitCode.EXPECTED),
        ((Verdict.AGREES, Verdict.AGREES), ExitCode.EXPECTED),
        ((Verdict.DIVERGES,), ExitCode.FINDING),
        ((Verdict.UNSTABLE,), ExitCode.UNKNOWN),
        ((Verdict.FAILED,), ExitCode.UNKNOWN),
        # A finding at an earlier commit stays one, whatever comes after it.
        ((Verdict.DIVERGES, Verdict.AGREES), ExitCode.FINDING),
        ((Verdict.DIVERGES, Verdict.FAILED), ExitCode.FINDING),
        ((Verdict.UNSTABLE, Verdict.AGREES), ExitCode.UNKNOWN),
        ((Verdict.FAILED, Verdict.DIVERGES), ExitCode.FINDING),
    ],
)
def test_a_result_exits_by_its_worst_commit(
    verdicts: tuple[Verdict, ...], status: ExitCode
) -> None:
    assert result(*verdicts).exit_code is status


def test_what_was_expected_and_did_not_come_is_a_finding() -> None:
    assert result(Verdict.AGREES, unmet=("nothing is at x",)).exit_code is ExitCode.FINDING


def test_a_failed_build_is_a_finding_where_it_was_not_expected() -> None:
    assert result(Verdict.FAILED, unmet=("the build fails",)).exit_code is ExitCode.FINDING


def test_a_result_has_its_last_commits_verdict() -> None:
    assert result(Verdict.DIVERGES, Verdict.AGREES).verdict is Verdict.AGREES


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ((Verdict.AGREES, Verdict.AGREES), 0),
        ((Verdict.AGREES, Verdict.DIVERGES), 1),
        ((Verdict.AGREES, Verdict.UNSTABLE), 2),
        ((Verdict.FAILED, Verdict.DIVERGES), 1),
        ((Verdict.DIVERGES, Verdict.UNSTABLE), 1),
    ],
)
def test_in_a_run_findings_come_before_doubts(
    verdicts: tuple[Verdict, Verdict], status: int
) -> None:
    assert run(*(result(verdict) for verdict in verdicts)).exit_code == status


SKIPPED = replace(result(), missing=("uv", "hooks"))


def test_what_a_buildpack_does_not_offer_is_skipped_and_no_doubt() -> None:
    assert (SKIPPED.verdict, SKIPPED.exit_code) == (Verdict.SKIPPED, ExitCode.EXPECTED)
    assert SKIPPED.skipped == "it needs `uv`, `hooks`, which this buildpack does not offer"
    assert run(SKIPPED, result(Verdict.AGREES)).exit_code is ExitCode.EXPECTED
    assert run(SKIPPED, result(Verdict.DIVERGES)).exit_code is ExitCode.FINDING


def test_a_run_in_which_all_is_skipped_tested_nothing() -> None:
    assert run(SKIPPED, SKIPPED).exit_code is ExitCode.UNKNOWN
