"""A build's log as text that people and scenarios read."""

from harness.builds.escapes import without_escapes


def plain(log: str) -> str:
    """A log as it was printed, but without escape sequences, and with one form of line end.

    Args:
        log: The log; a carriage return alone, as in a bar of progress, ends a line too.
    """
    lines = log.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(map(without_escapes, lines))
