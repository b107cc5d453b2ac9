"""Checks what a scenario says of a build's log."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from harness.scenarios.expectation import LogText
from harness.verdicts.lack import Lack
from harness.verdicts.nearest_lines import LONGEST, nearest_lines

_MOST_SHOWN: Final = 3
_MOST_FOLLOWING: Final = 10
_LINE_END: Final = re.compile(r"\n|\\n")
# In regular expressions: classes and anchors; sets, heads of groups, and what repeats or decides.
_SPECIAL: Final = re.compile(
    r"\\[A-Za-z0-9]"
    r"|(?<!\\)(?:\[(?:\\.|[^\]])*\]|\(\?(?:P?<\w+>|[A-Za-z-]*:|<?[=!])|\{[\d,]*\}|[.^$*+?()|])"
)
_ESCAPED: Final = re.compile(r"\\(.)")
_WORD: Final = re.compile(r"\S*\w\S*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is looked for in a log.

    Attributes:
        shown: As the scenario says it.
        pattern: What finds it.
        lines: Each of its lines: what finds it, and its words.
    """

    shown: str
    pattern: str
    lines: tuple[tuple[str, str], ...]


def log_lack(expected: LogText, log: str) -> Lack | None:
    """What a log lacks of what is expected of it; None where it has that.

    Args:
        expected: What must be in the log, or must not.
        log: The log as `harness.builds.log.plain` gives it.
    """
    wanted = _wanted(expected)
    found = [*islice(re.finditer(wanted.pattern, log, re.MULTILINE), _MOST_SHOWN)]
    if bool(found) is not expected.absent:
        return None
    if expected.absent:
        lines = dict.fromkeys(log.count("\n", 0, one.start()) for one in found)
        said = f"the log has {wanted.shown}, and should not"
        return Lack(said=said, instead=tuple(_numbered(log.split("\n"), lines)))
    return Lack(said=f"the log does not have {wanted.shown}", instead=tuple(_instead(wanted, log)))


def _wanted(expected: LogText) -> _Wanted:
    if expected.contains is not None:
        text = expected.contains
        lines = tuple((re.escape(line), line) for line in text.split("\n"))
        return _Wanted(shown=repr(text), pattern=re.escape(text), lines=lines)
    pattern = expected.matches or ""
    lines = tuple((line, _words(line)) for line in _LINE_END.split(pattern))
    return _Wanted(shown=f"a match of {pattern!r}", pattern=pattern, lines=lines)


def _instead(wanted: _Wanted, log: str) -> Iterator[str]:
    """What a log has in place of what it lacks."""
    lines = log.split("\n")
    if not log.strip():
        yield "the log is empty"
        return
    for pattern, words in wanted.lines:
        if words.strip() and _first(pattern, log) is None:
            near = nearest_lines(words, lines, most=_MOST_SHOWN)
            yield from _numbered(lines, near)
            if not near:
                yield f"no line is like {words[:LONGEST]!r}"
            return
    # Each of its lines is there, but other lines follow the first.
    first = next((_first(pattern, log) for pattern, words in wanted.lines if words.strip()), None)
    if first is None:
        yield f"none of its {len(lines)} lines matches"
    else:
        end = first + min(len(wanted.lines), _MOST_FOLLOWING)
        yield from _numbered(lines, range(first, min(end, len(lines))))


def _first(pattern: str, log: str) -> int | None:
    """The index of the first line where a pattern is found; a part of one may be none itself."""
    try:
        found = re.search(pattern, log, re.MULTILINE)
    except re.error:
        return None
    return log.count("\n", 0, found.start()) if found else None


def _numbered(lines: Sequence[str], indexes: Iterable[int]) -> Iterator[str]:
    for index in indexes:
        yield f"line {index + 1}: {lines[index][:LONGEST]}"


def _words(pattern: str) -> str:
    """What of a regular expression stands for itself, roughly: to find lines that are like it."""
    return " ".join(_WORD.findall(_ESCAPED.sub(r"\1", _SPECIAL.sub(" ", pattern))))
