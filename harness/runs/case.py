"""A scenario with one buildpack: the builds of its commits, and what they showed so far."""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.plugins.code_digest import code_digest
from harness.runs.demand import OpenCommits
from harness.runs.plan import Pair
from harness.scenarios.scenario import Scenario, Stage
from harness.verdicts.clean_build import made
from harness.verdicts.result import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A scenario with one buildpack.

    Attributes:
        number: Its place among the cases of the run, counted from 0.
        scenario: The scenario.
        buildpack: The buildpack, as the operator named it.
        called: What the progress of a run calls it.
        stages: What its commits come to; none before that is known.
        pairs: The builds of each commit; none before they are planned, or where none is.
        shas: The SHAs of the commits.
        missing: What the scenario needs and the buildpack does not offer; then nothing is built.
        error: Why it could not be planned.
    """

    number: int
    scenario: Scenario
    buildpack: str
    called: str
    stages: tuple[Stage, ...] = ()
    pairs: tuple[Pair, ...] = ()
    shas: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    error: HarnessError | None = None

    def judgement_key(self, commit: int) -> str:
        """The digest of all that the judgement of a commit rests on."""
        digest = hashlib.sha256(code_digest().encode())
        for pair in self.pairs[: commit + 1]:
            digest.update(f"\0{pair.cached.key} {pair.clean.key}".encode())
        stage = self.pairs[commit].commit.stage
        parts = (
            self.shas[: commit + 1],
            stage.message,
            stage.build,
            stage.reuse,
            stage.expect,
            stage.run,
            made(stage),
        )
        digest.update(repr(parts).encode())
        return digest.hexdigest()


class CaseSteps:
    """What the commits of a case showed so far; safe to use from several threads."""

    def __init__(self, case: Case, steps: Mapping[int, Step]) -> None:
        """Takes a case, and what is known of its commits already, by their indexes."""
        self.case = case
        self._lock = threading.Lock()
        self._steps = dict(steps)
        self._ended = False

    @property
    def open(self) -> OpenCommits:
        """The commits that are not judged yet."""
        pairs = self.case.pairs
        return OpenCommits(
            pairs=pairs,
            indexes=tuple(index for index in range(len(pairs)) if index not in self._steps),
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """What the judged commits showed, in order."""
        return tuple(step for _, step in sorted(self._steps.items()))

    def add(self, commit: int, step: Step) -> None:
        """Adds what a commit showed."""
        with self._lock:
            self._steps[commit] = step

    def end(self) -> bool:
        """Ends the case; whether it had not ended before."""
        with self._lock:
            ended, self._ended = self._ended, True
            return not ended
