"""What a terminal is given of what builds wrote."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reports.printing import coloured, printable

TEXTS = st.text(st.characters(exclude_categories=())) | st.text("\x1b[]()0;m\x9b\x9d\x9c\x07\\ab")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("with [bold]brackets[/] and C:\\path", "with [bold]brackets[/] and C:\\path"),
        ("naïve 日本 🐍", "naïve 日本 🐍"),
        ("\x1b[1;32mgreen\x1b[0m", "green"),
        ("a\x1b[2J\x1b[H\x1b[6nb", "ab"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]52;c;cm0gLXJmIH4=\x1b\\b", "ab"),
        ("a\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1b]52;c;never ended", "a"),
        ("a\x9b31mb\x9d0;t\x9cc", "abc"),
        ("a\x1bcb\x1b(Bc", "abc"),
        ("the end\x1b", "the end"),
        ("a\tb\u00a0c", "a b c"),
        ("a\u202eb\u2066c\x08\x00\x7f\udcff", "a?b?c????".replace("?", "\ufffd")),
    ],
)  # fmt: skip
def test_nothing_in_it_commands_a_terminal(written: str, shown: str) -> None:
    assert printable(written) == shown


@given(TEXTS)
def test_what_is_shown_is_printable_and_shown_alike_again(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown


@given(TEXTS.filter(str.isprintable))
def test_what_is_printable_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain\ttext\r\nand more\n", "plain\ttext\nand more\n"),
        ("10%\r100%\n", "10%\n100%\n"),
        ("\x1b[1;32mgreen\x1b[m\n", "\x1b[1;32mgreen\x1b[m\n\x1b[0m"),
        ("\x1b[38:2:1:2:3mfar", "\x1b[38:2:1:2:3mfar\x1b[0m"),
        ("a\x1b[2J\x1b[Hb\x1b]0;title\x07\x08\n", "ab\ufffd\n"),
        ("\x1b]0;\x1b[1mnever ended\n", "\x1b[1mnever ended\n\x1b[0m"),
    ],
)  # fmt: skip
def test_colours_may_stay(written: str, shown: str) -> None:
    assert coloured(written) == shown


@given(TEXTS)
def test_but_for_colours_it_is_printable(text: str) -> None:
    shown = re.sub(r"\x1b\[[0-9;:]*m", "", coloured(text))
    assert all(line.isprintable() for line in re.split(r"[\n\t]", shown))
