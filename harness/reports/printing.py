"""What others wrote, as a terminal may be given it."""

import re
from typing import Final

# ECMA-48: control sequences; strings up to their terminator, or their end; other escapes. Each
# begins with ESC and a letter, or with the one character of C1 that stands for both.
_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[P\]X^_]|[\x90\x9d\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*[0-~]?"
)
_BLANK: Final = "\N{REPLACEMENT CHARACTER}"


def printable(line: str) -> str:
    """A line without what moves, colours or commands a terminal, or turns the text around.

    Args:
        line: Text as a build, a repository or a tape has it.

    Returns:
        It without escape sequences; each tab or odd space is a space, and every other character
        that is not printable, such as a control or an override of direction, a `�`.
    """
    if line.isprintable():
        return line
    return "".join(map(_shown, _SEQUENCE.sub("", line)))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else _BLANK
