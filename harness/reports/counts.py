"""Counts with their nouns, as reports print them."""

from harness.verdicts.result import Builds


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 file`, `2 files`."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def builds_line(builds: Builds) -> str:
    """How many builds were needed, how many ran, and how many results were reused."""
    needed, reused = counted(builds.needed, "build"), counted(builds.reused, "result")
    return f"{needed} needed, {builds.run} run, {reused} reused"
