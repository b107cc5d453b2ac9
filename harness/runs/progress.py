"""What a run tells while it goes on; who listens decides how to show it."""

from dataclasses import dataclass
from typing import Protocol

from harness.verdicts.result import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A build under way: of which commit of a scenario, counted from 1, and on which side."""

    scenario: str
    commit: int
    commits: int
    arm: str


class Observer(Protocol):
    """Called from the threads that run builds, so it must be safe to call from several at once."""

    def build_started(self, label: Label) -> None:
        """A build begins."""
        ...

    def build_line(self, label: Label, line: str) -> None:
        """A build under way wrote a line."""
        ...

    def build_ended(self, label: Label, how: str, seconds: float) -> None:
        """A build under way ended."""
        ...

    def scenario_ended(self, scenario: str, verdict: Verdict) -> None:
        """All commits of a scenario are done."""
        ...

    def note(self, text: str) -> None:
        """Something else is under way, such as building the image."""
        ...


class Silent:
    """Shows nothing."""

    def build_started(self, label: Label) -> None:
        """Shows nothing."""

    def build_line(self, label: Label, line: str) -> None:
        """Shows nothing."""

    def build_ended(self, label: Label, how: str, seconds: float) -> None:
        """Shows nothing."""

    def scenario_ended(self, scenario: str, verdict: Verdict) -> None:
        """Shows nothing."""

    def note(self, text: str) -> None:
        """Shows nothing."""
