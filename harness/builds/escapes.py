"""Escape sequences in what builds print."""

import re
from typing import Final

# ECMA-48: control sequences; strings up to their terminator, or their end; other escapes. Each
# begins with ESC and a letter, or with the one character of C1 that stands for both.
_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[P\]X^_]|[\x90\x9d\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*[0-~]?"
)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;:]*m")


def without_escapes(line: str) -> str:
    """A line of text without its escape sequences."""
    return _SEQUENCE.sub("", line)


def split_colours(line: str) -> tuple[str, ...]:
    """A line cut at its sequences that set colours and the like.

    Returns:
        Text and sequences by turns, beginning and ending with text, which may be empty.
    """
    sequences = _COLOUR.findall(line)
    pieces = _COLOUR.split(line)
    return (pieces[0], *(one for pair in zip(sequences, pieces[1:], strict=True) for one in pair))
