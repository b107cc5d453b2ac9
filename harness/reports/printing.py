"""What others wrote, as a terminal may be given it."""

from typing import Final

from harness.builds.escapes import split_colours, without_escapes

_ESCAPE: Final = "\x1b"
_PLAIN: Final = "\x1b[0m"
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


def coloured(text: str) -> str:
    """Text of several lines that keeps its colours and tabs; else as `printable`.

    Args:
        text: What a build printed; a carriage return ends a line too.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    shown = "\n".join(map(_coloured, lines))
    return f"{shown}{_PLAIN}" if _ESCAPE in shown else shown


def _coloured(line: str) -> str:
    pieces = split_colours(line)
    return "".join(
        piece if number % 2 else "\t".join(map(printable, piece.split("\t")))
        for number, piece in enumerate(pieces)
    )


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else _BLANK
