"""What others wrote, as a terminal may be given it."""

from typing import Final

from harness.builds.escapes import without_escapes

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
    return "".join(map(_shown, without_escapes(line)))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else _BLANK
