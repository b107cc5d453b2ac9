"""What a build did and left behind."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.internet import Request
from harness.sandboxes import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedRun:
    """What a command did that was run of what a build deployed.

    Attributes:
        command: The command.
        outcome: How it ended.
        output: What it printed; of much output the beginning and the end.
        digest: The sha256, in hex, of all that it printed.
    """

    command: str
    outcome: Outcome
    output: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What a build did and left behind.

    Attributes:
        outcome: How it ended.
        failed: The command that decided a failure; empty where it passed.
        log: Its whole output.
        trees: The folders of its result trees, by name.
        caches: The folders of its caches, by name, as they were left.
        requests: What it asked the sealed internet for.
        released: What its commands printed for the platform of what is deployed.
        began: When it began, in seconds since the epoch; what is older was there before it.
        runs: What commands did that were run of what it deployed.
    """

    outcome: Outcome
    failed: str
    log: Path
    trees: Mapping[str, Path]
    caches: Mapping[str, Path]
    requests: tuple[Request, ...]
    began: float
    released: str = ""
    runs: tuple[DeployedRun, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a built tree lacks of an expectation, as a sentence's end; empty where it meets it."""

    expectation: str
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecord:
    """What is stored of a build apart from its trees and caches.

    Attributes:
        in_memory: Whether its folders were in memory, not on disk.
        outcome: How it ended.
        failed: The command that decided a failure; empty where it passed.
        requests: What it asked the sealed internet for.
        checks: What was expected of its trees, and what came of it.
        released: What its commands printed for the platform of what is deployed.
        began: When it began, in seconds since the epoch.
        runs: What commands did that were run of what it deployed.
    """

    in_memory: bool
    outcome: Outcome
    failed: str
    requests: tuple[Request, ...]
    checks: tuple[Check, ...]
    released: str
    began: float
    runs: tuple[DeployedRun, ...] = ()

    def check(self, expectation: str) -> str | None:
        """What its trees lack of an expectation; None where that was not looked at."""
        return next((one.fault for one in self.checks if one.expectation == expectation), None)

    def deployed_run(self, command: str) -> DeployedRun | None:
        """What a command did that was run of what it deployed; None where it was not run."""
        return next((one for one in self.runs if one.command == command), None)
