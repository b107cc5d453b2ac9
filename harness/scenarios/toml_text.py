"""Strings as TOML writes them, on one line or on several."""

import re

_ESCAPES = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_SPECIAL = re.compile(r'[\x00-\x1f\x7f"\\]')
_CLOSING = re.compile(r'"(?=""|\Z)')
_SPECIAL_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\\]")


def on_one_line(text: str) -> str:
    """The text as a basic string; one that holds quotes and nothing else special as a literal."""
    if '"' in text and "'" not in text and not _SPECIAL.search(text.replace('"', "")):
        return f"'{text}'"
    return '"' + _SPECIAL.sub(_escape, text) + '"'


def on_lines(text: str) -> str:
    """The text as a string that shows its lines; on one line where it has but one."""
    if "\n" not in text.removesuffix("\n"):
        return on_one_line(text)
    # Three quotes would end the string, and so would the last one with those that close it.
    body = _CLOSING.sub(r'\\"', _SPECIAL_IN_LINES.sub(_escape, text))
    return f'"""\n{body}"""'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in '"\\':
        return f"\\{character}"
    return _ESCAPES.get(character, f"\\u{ord(character):04x}")
