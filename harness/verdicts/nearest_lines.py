"""Finds the lines of a log that are most like a text."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

LONGEST: Final = 200
"""How many characters of a line are compared and shown."""
_MOST_LINES: Final = 5000
"""How many different lines are compared: the last ones of a log that has more."""
_MOST_COMPARED: Final = 20
"""How many of them are compared closely."""
_LEAST: Final = 0.5
"""Which share of the text a line must have to be like it."""
_RUN: Final = 3
"""How many characters in a row say something."""
_ENDS: Final = re.compile(r"^\W+|\W+$")


def nearest_lines(text: str, lines: Sequence[str], *, most: int) -> tuple[int, ...]:
    """The indexes of the lines that are most like a text, the nearest first.

    How long it takes is bounded, whatever a build printed. Of equal lines the last one counts.

    Args:
        text: The text, of one line.
        lines: A log's lines.
        most: How many lines to find.
    """
    # An arrow or the like at a line's ends says nothing of what it is about.
    wanted = (_ENDS.sub("", text) or text.strip())[:LONGEST]
    runs = _runs(wanted)
    indexes: dict[str, int] = {}
    for index in reversed(range(len(lines))):
        indexes.setdefault(lines[index][:LONGEST], index)
        if len(indexes) == _MOST_LINES:
            break
    shared = {line: len(runs & _runs(line)) for line in indexes}
    candidates = sorted((line for line in shared if shared[line]), key=lambda line: -shared[line])
    likeness = {line: _likeness(wanted, line) for line in candidates[:_MOST_COMPARED]}
    near = sorted((one for one in likeness if likeness[one][0] >= _LEAST), key=likeness.__getitem__)
    return tuple(indexes[line] for line in reversed(near[-most:]))


def _runs(text: str) -> set[str]:
    return {text[at : at + _RUN] for at in range(len(text) - _RUN + 1)}


def _likeness(wanted: str, line: str) -> tuple[float, float]:
    """Which share of the text a line has, and how much else it says: the more the less like."""
    matcher = SequenceMatcher(None, wanted, line, autojunk=False)
    same = sum(each.size for each in matcher.get_matching_blocks() if each.size >= _RUN)
    return same / len(wanted), matcher.ratio()
