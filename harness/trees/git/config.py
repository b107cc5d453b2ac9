"""Git's configuration format, read as git reads it; nothing in it is followed."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

Config = Mapping[str, tuple[str | None, ...]]
"""Values by name, such as `remote.origin.url`, in their order; None where a line has no `=`."""

_SECTION = re.compile(
    r'\[(?P<section>[-.0-9A-Za-z]*)(?:[^\S\n]+"(?P<subsection>(?:[^"\\\n]|\\[^\n])*)")?\]'
)
_NAME = re.compile(r"(?P<name>[A-Za-z][-0-9A-Za-z]*)[ \t]*")
_BLANK = re.compile(r"\s+")
_COMMENT = re.compile(r"[#;][^\n]*")
_ESCAPES: Final = {"n": "\n", "t": "\t", "b": "\b", '"': '"', "\\": "\\"}
_TOKEN = re.compile(
    r'(?P<continued>\\\n)|(?P<escape>\\[ntb"\\])|(?P<quote>")|(?P<comment>[#;][^\n"\\]*)'
    r'|(?P<blank>[^\S\n]+)|(?P<plain>[^\\"#;\s]+)'
)
_ESCAPED = re.compile(r"\\(.)")
_SELF: Final = r"\1"
_TRUE = {"true", "yes", "on", "1", None}


class ConfigError(Exception):
    """A configuration is malformed; the message says where, as a phrase."""


def parse(data: bytes) -> Config:
    """What a configuration says.

    Raises:
        ConfigError: It is malformed: git refuses to work with it.
    """
    text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff").replace("\r\n", "\n")
    found: dict[str, list[str | None]] = {}
    for name, value in _settings(text):
        found.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in found.items()}


def is_true(config: Config, name: str) -> bool:
    """Whether a setting is there and its last value says yes."""
    values = config.get(name)
    if not values:
        return False
    last = values[-1]
    return (last.lower() if last is not None else None) in _TRUE


def part(name: str) -> tuple[str, str, str]:
    """A name's section, subsection (which may be empty) and key."""
    section, _, rest = name.partition(".")
    subsection, _, key = rest.rpartition(".")
    return section, subsection, key


def _settings(text: str) -> Iterator[tuple[str, str | None]]:
    place = 0
    section = ""
    while place < len(text):
        if skipped := (_BLANK.match(text, place) or _COMMENT.match(text, place)):
            place = skipped.end()
        elif head := _SECTION.match(text, place):
            section = _section(head)
            place = head.end()
        elif (name := _NAME.match(text, place)) and section:
            place, value = _value(text, name.end())
            yield f"{section}.{name['name'].lower()}", value
        else:
            raise _malformed(text, place)


def _section(head: re.Match[str]) -> str:
    subsection = head["subsection"]
    if subsection is None:
        return head["section"].lower()
    return f"{head['section'].lower()}.{_ESCAPED.sub(_SELF, subsection)}"


def _value(text: str, place: int) -> tuple[int, str | None]:
    """Where a setting's value ends, and the value."""
    if place >= len(text) or text[place] in "\n#;":
        return place, None
    if text[place] != "=":
        raise _malformed(text, place)
    parts: list[str] = []
    blanks = ""
    quoted = False
    place += 1
    while token := _TOKEN.match(text, place):
        kind, found = token.lastgroup, token[0]
        if kind == "comment" and not quoted:
            return token.end(), "".join(parts)
        place = token.end()
        if kind == "quote":
            quoted = not quoted
        if kind == "blank" and not quoted:
            # Blanks count between others only, whatever stands between them and comes to nothing.
            blanks += found if parts else ""
        elif kind not in {"continued", "quote"}:
            parts += (blanks, _ESCAPES[found[1]] if kind == "escape" else found)
            blanks = ""
    if quoted or text[place : place + 1] == "\\":
        raise _malformed(text, place)
    return place, "".join(parts)


def _malformed(text: str, place: int) -> ConfigError:
    line = text.count("\n", 0, place) + 1
    return ConfigError(f"line {line} is malformed")
