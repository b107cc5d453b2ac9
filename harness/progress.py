"""What a run tells while it goes on; who listens decides how to show it."""

from typing import Protocol

from harness.verdict import Result


class Observer(Protocol):
    """Called from the threads that run builds, so it must be safe to call from several at once."""

    def build_started(self, scenario: str, commit: int, commits: int, arm: str) -> None:
        """A build begins; `commit` counts from 1 to `commits`."""
        ...

    def build_line(self, scenario: str, line: str) -> None:
        """The build under way in a scenario wrote a line."""
        ...

    def build_ended(self, scenario: str, how: str, seconds: float) -> None:
        """The build under way in a scenario ended."""
        ...

    def scenario_ended(self, result: Result) -> None:
        """All commits of a scenario are done."""
        ...

    def note(self, text: str) -> None:
        """Something else is under way, such as building the image."""
        ...


class Silent:
    """Shows nothing."""

    def build_started(self, scenario: str, commit: int, commits: int, arm: str) -> None:
        """Shows nothing."""

    def build_line(self, scenario: str, line: str) -> None:
        """Shows nothing."""

    def build_ended(self, scenario: str, how: str, seconds: float) -> None:
        """Shows nothing."""

    def scenario_ended(self, result: Result) -> None:
        """Shows nothing."""

    def note(self, text: str) -> None:
        """Shows nothing."""
