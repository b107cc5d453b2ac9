"""What a run says of a scenario, commit by commit."""

from dataclasses import dataclass
from enum import StrEnum

from harness.ecosystems.reuse import PartReuse, Reuse
from harness.ecosystems.serving import StandIn
from harness.errors import ExitCode
from harness.internet import Request
from harness.trees.explainer import Note
from harness.verdicts.divergence import Divergence, SetAside


class Verdict(StrEnum):
    """What comparing the two arms of one commit showed."""

    AGREES = "agrees"
    DIVERGES = "diverges"
    UNSTABLE = "unstable"
    FAILED = "failed"
    SKIPPED = "skipped"
    """The buildpack does not offer what the scenario needs: nothing was built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """Wall time of the two arms' builds."""

    cached: float
    clean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A build that did not pass: whose arm, in which command, how, and the end of its log."""

    arm: str
    command: str
    how: str
    log_tail: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the buildpack: why, and where.

    It is a divergence, an unmet expectation, or that both builds fail.
    """

    divergence: Divergence | None = None
    unmet: str = ""
    failed: bool = False
    reason: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundInstead:
    """What was found in place of what a scenario expects.

    Attributes:
        unmet: What it expects and did not get, as a sentence.
        lines: What there is: the nearest lines of a log, reasons, or what became of things.
    """

    unmet: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanMade:
    """What only the clean build of a commit had, as the scenario says (`clean`).

    Attributes:
        files: Paths of files that its app had besides, or with another content, sorted.
        env: Names of config vars that it had besides, or with another value, sorted.
        buildpack: The buildpack's revision that made it; empty where it is the cached build's.
    """

    files: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    buildpack: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one commit showed.

    Attributes:
        commit: The app commit's SHA.
        message: Its message's first line.
        verdict: What the comparison showed.
        reuse: What became of the cache.
        reuse_parts: The same, of each part of which something is known.
        reasons: What the buildpack said of why it dropped the cache.
        clean: What only the clean build had; None where both were made alike.
        seconds: How long the arms took.
        compared: How many files were compared.
        divergences: Where the arms differ, noise apart.
        noise: Where two clean builds, or two builds with the same cache, differ as well.
        repeated: Whether the cached build was run again, to see whether it is stable.
        notes: Where the arms differ in a way that is not a fault, by rule.
        set_aside: What was not counted as a difference, by rule.
        findings: What differs at the level of distributions, as sentences.
        unmet: What the scenario expects of this commit and did not get, as sentences.
        found_instead: What was found in place of some of these; it may differ between two runs of
            one build, so that it is no part of the sentences.
        known: What of its divergences and unmet expectations is known, and is in neither of them.
        failures: Builds that failed.
        refused: Requests that the sealed internet refused.
        stand_ins: Pythons that its builds asked for and got another release in their place.
    """

    commit: str
    message: str
    verdict: Verdict
    reuse: Reuse
    reuse_parts: tuple[PartReuse, ...] = ()
    reasons: tuple[str, ...] = ()
    clean: CleanMade | None = None
    seconds: Seconds
    compared: int = 0
    divergences: tuple[Divergence, ...] = ()
    noise: tuple[Divergence, ...] = ()
    repeated: bool = False
    notes: tuple[Note, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    findings: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    found_instead: tuple[FoundInstead, ...] = ()
    known: tuple[Known, ...] = ()
    failures: tuple[Failure, ...] = ()
    refused: tuple[Request, ...] = ()
    stand_ins: tuple[StandIn, ...] = ()

    @property
    def is_doubtful(self) -> bool:
        """Whether the harness could not tell: builds are unstable, or fail and are not known to."""
        if self.verdict is Verdict.FAILED:
            return not any(one.failed for one in self.known)
        return self.verdict is Verdict.UNSTABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one scenario showed with one buildpack.

    `verdict` is that of the last commit; a finding at an earlier one is in its step. Where the
    harness could not tell, `error` says why, and `steps` are those that were judged before. What is
    known of the buildpack and no longer shows is in `stale`, as sentences. What the scenario needs
    and the buildpack does not offer is in `missing`: then nothing was built.
    """

    scenario: str
    file: str
    buildpack: str
    sandbox: str
    image: str
    steps: tuple[Step, ...]
    error: str = ""
    stale: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def skipped(self) -> str:
        """Why nothing was built, as a sentence without a full stop; empty where something was."""
        needs = ", ".join(f"`{need}`" for need in self.missing)
        return f"it needs {needs}, which this buildpack does not offer" if needs else ""

    @property
    def verdict(self) -> Verdict:
        """The last commit's verdict; `failed` where it could not be judged."""
        if self.missing:
            return Verdict.SKIPPED
        return Verdict.FAILED if self.error else self.steps[-1].verdict

    @property
    def exit_code(self) -> ExitCode:
        """A finding if any commit has one, else whether the harness could tell."""
        if self.stale or any(step.divergences or step.unmet for step in self.steps):
            return ExitCode.FINDING
        if self.error or any(step.is_doubtful for step in self.steps):
            return ExitCode.UNKNOWN
        return ExitCode.EXPECTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Builds:
    """How many builds the scenarios needed, how many ran, and how many results were reused."""

    needed: int
    run: int
    reused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All results of one run."""

    results: tuple[Result, ...]
    builds: Builds

    @property
    def exit_code(self) -> ExitCode:
        """Findings come before doubts: 1 if any result has one, else 2 if any is in doubt.

        Where every scenario was skipped nothing was tested, which is a doubt.
        """
        if self.results and all(result.missing for result in self.results):
            return ExitCode.UNKNOWN
        codes = {result.exit_code for result in self.results}
        if ExitCode.FINDING in codes:
            return ExitCode.FINDING
        return ExitCode.UNKNOWN if ExitCode.UNKNOWN in codes else ExitCode.EXPECTED
