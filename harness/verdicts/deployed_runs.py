"""Says what commands show that were run of what two builds deployed."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import zip_longest
from typing import Final

from harness.builds.log import plain
from harness.builds.result import BuildRecord, DeployedRun
from harness.sandboxes import End
from harness.scenarios.run_expectation import RunExpectation
from harness.trees.manifest import escape
from harness.verdicts.compare import Comparison
from harness.verdicts.divergence import Divergence, DivergenceKind
from harness.verdicts.lack import Lack

_LONGEST_SHOWN: Final = 200
_MOST_LINES: Final = 5


def differences(
    cached: BuildRecord, clean: BuildRecord, expected: Iterable[RunExpectation]
) -> Iterator[Divergence]:
    """The commands that do different things in what two builds deployed.

    Args:
        cached: The cached build.
        clean: The clean build.
        expected: What was run; each command counts once.
    """
    for command in dict.fromkeys(one.command for one in expected):
        ours, theirs = cached.deployed_run(command), clean.deployed_run(command)
        if ours is not None and theirs is not None and (why := _difference(ours, theirs)):
            yield Divergence(kind=DivergenceKind.RUN, path=command, why=why)


def with_runs(
    found: Comparison,
    cached: BuildRecord,
    clean: BuildRecord,
    expected: Iterable[RunExpectation],
) -> Comparison:
    """A comparison of two builds, with what their commands do differently; see `differences`."""
    runs = tuple(differences(cached, clean, expected))
    return replace(found, divergences=(*runs, *found.divergences))


def run_lack(record: BuildRecord, expected: RunExpectation) -> Lack | None:
    """What is not as expected of a command; None where all is.

    Args:
        record: The build, of which it was run.
        expected: What must come of it.
    """
    run = record.deployed_run(expected.command)
    name = f"`{escape(expected.command)}`"
    if run is None:
        return Lack(said=f"{name} was not run")
    said, printed = "", plain(run.output)
    if run.outcome.end is not End.EXITED or run.outcome.status != expected.status:
        wanted = f"exit with status {expected.status}" if expected.status else "pass"
        said = f"{name} {run.outcome.how()}, and should {wanted}"
    elif expected.contains is not None and expected.contains not in printed:
        said = f"{name} does not print {expected.contains!r}"
    elif expected.matches is not None and not re.search(expected.matches, printed, re.MULTILINE):
        said = f"{name} prints no match of {expected.matches!r}"
    return Lack(said=said, instead=_last_lines(printed)) if said else None


def _last_lines(printed: str) -> tuple[str, ...]:
    """The last lines that a command printed, as one says what was found instead."""
    lines = printed.rstrip().splitlines()[-_MOST_LINES:]
    return tuple(f"it prints: {line[:_LONGEST_SHOWN]}" for line in lines) or ("it prints nothing",)


def _difference(cached: DeployedRun, clean: DeployedRun) -> str:
    ours, theirs = cached.outcome, clean.outcome
    if (ours.end, ours.status) != (theirs.end, theirs.status):
        return f"in the cached app it {_ended(cached)}, in the clean app it {_ended(clean)}"
    if cached.digest == clean.digest:
        return ""
    ours_said, theirs_said = _first_difference(cached.output, clean.output)
    return (
        f"it prints different things: in the cached app {_shown(ours_said)},"
        f" in the clean app {_shown(theirs_said)}"
    )


def _ended(run: DeployedRun) -> str:
    """How a command ended; where it failed, with the last line that it printed."""
    lines = run.output.strip().splitlines()
    said = f" ({_shown(lines[-1])})" if lines and not run.outcome.passed else ""
    return run.outcome.how() + said


def _first_difference(cached: str, clean: str) -> tuple[str, str]:
    """The first lines in which two outputs differ."""
    lines = zip_longest(cached.splitlines(), clean.splitlines(), fillvalue="")
    return next((pair for pair in lines if pair[0] != pair[1]), (cached, clean))


def _shown(text: str) -> str:
    return escape(text.strip())[:_LONGEST_SHOWN] or "nothing"
