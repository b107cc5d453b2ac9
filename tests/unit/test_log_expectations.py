"""What a scenario says of a build's log, checked on logs that do and do not meet it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.builds.log import plain
from harness.scenarios.expectation import LogText
from harness.verdicts.lack import Lack
from harness.verdicts.log_expectations import log_lack
from harness.verdicts.nearest_lines import LONGEST, nearest_lines

PRINTED = (
    "\x1b[1;35m-----> Python app detected\x1b[0m\n"
    "-----> Using Python 3.11.2 (in .python-version)\r\n"
    "-----> Restoring cache\r\n"
    "       Downloading 10%\r       Downloading 100%\n"
    "-----> Installing pip 24.1\n"
    " !     Error: \x1b]0;title\x07no such thing\n"
)
LOG = plain(PRINTED)


def test_a_log_is_read_without_escapes_and_with_one_line_end() -> None:
    assert LOG.split("\n") == [
        "-----> Python app detected",
        "-----> Using Python 3.11.2 (in .python-version)",
        "-----> Restoring cache",
        "       Downloading 10%",
        "       Downloading 100%",
        "-----> Installing pip 24.1",
        " !     Error: no such thing",
        "",
    ]


def test_an_escape_that_never_ends_hides_no_further_line() -> None:
    assert plain("a\x1b]52;c;never ended\nb") == "a\nb"


@pytest.mark.parametrize(
    "expected",
    [
        LogText(contains="Python app detected"),
        LogText(contains="(in .python-version)"),
        LogText(contains="Using Python 3.11.2 (in .python-version)\n-----> Restoring cache\n"),
        LogText(matches=r"^-----> Installing pip \d+\.\d+$"),
        LogText(matches=r"cache\n(?:.*\n){2}-----> Installing"),
        LogText(contains="restoring cache", absent=True),
        LogText(contains="Error: thing", absent=True),
        LogText(matches="^Installing", absent=True),
    ],
)
def test_met(expected: LogText) -> None:
    assert log_lack(expected, LOG) is None


@pytest.mark.parametrize(
    ("expected", "said", "instead"),
    [
        (
            LogText(contains="Using Python 3.12.1"),
            "the log does not have 'Using Python 3.12.1'",
            ("line 2: -----> Using Python 3.11.2 (in .python-version)",),
        ),
        # Each of two lines is there, but not one after the other.
        (
            LogText(contains="-----> Restoring cache\n-----> Installing pip"),
            "the log does not have '-----> Restoring cache\\n-----> Installing pip'",
            ("line 3: -----> Restoring cache", "line 4:        Downloading 10%"),
        ),
        (
            LogText(contains="-----> Restoring cache\n-----> Instaling pip"),
            "the log does not have '-----> Restoring cache\\n-----> Instaling pip'",
            ("line 6: -----> Installing pip 24.1",),
        ),
        # A dot is a dot.
        (
            LogText(contains="pip 24_1"),
            "the log does not have 'pip 24_1'",
            ("line 6: -----> Installing pip 24.1",),
        ),
        (
            LogText(matches=r"^-----> Installing pip \d+\.\d+\.\d+$"),
            r"the log does not have a match of '^-----> Installing pip \\d+\\.\\d+\\.\\d+$'",
            ("line 6: -----> Installing pip 24.1",),
        ),
        (
            LogText(matches=r"^-----> Restoring (?:the )?cash\n\s+Downloading"),
            r"the log does not have a match of '^-----> Restoring (?:the )?cash\\n\\s+Downloading'",
            ("line 3: -----> Restoring cache",),
        ),
        (
            LogText(matches="[a-z]{80}"),
            "the log does not have a match of '[a-z]{80}'",
            ("none of its 8 lines matches",),
        ),
        (
            LogText(contains="zzz qqq"),
            "the log does not have 'zzz qqq'",
            ("no line is like 'zzz qqq'",),
        ),
        (
            LogText(contains="Downloading", absent=True),
            "the log has 'Downloading', and should not",
            ("line 4:        Downloading 10%", "line 5:        Downloading 100%"),
        ),
        (
            LogText(matches="^ !", absent=True),
            "the log has a match of '^ !', and should not",
            ("line 7:  !     Error: no such thing",),
        ),
    ],
)
def test_not_met(expected: LogText, said: str, instead: tuple[str, ...]) -> None:
    assert log_lack(expected, LOG) == Lack(said=said, instead=instead)


def test_an_empty_log_is_said_to_be_empty() -> None:
    lack = log_lack(LogText(contains="x"), "\n")
    assert lack is not None
    assert lack.instead == ("the log is empty",)


def test_a_long_line_is_cut() -> None:
    lack = log_lack(LogText(contains="x", absent=True), "x" * 1000)
    assert lack is not None
    assert lack.instead == ("line 1: " + "x" * LONGEST,)


def test_the_nearest_line_comes_first_and_the_last_of_equal_ones_counts() -> None:
    lines = ["cache kept", "the cache was kept, as always", "cache kept", "other"]
    assert nearest_lines("cache kept", lines, most=3) == (2, 1)
    assert nearest_lines("cache kept", lines, most=1) == (2,)


def test_a_hostile_log_does_not_take_long() -> None:
    line = "ab" * LONGEST
    lines = [f"{line[number % 300 :]}{number}" for number in range(100_000)]
    began = time.monotonic()
    nearest_lines("ba" * LONGEST, lines, most=3)
    assert time.monotonic() - began < 20


LINES = st.lists(st.text("abc \x85\x0c", max_size=12), min_size=1, max_size=8)


@given(LINES, st.data())
def test_what_is_in_a_log_is_met_and_its_absence_is_not(
    lines: list[str], data: st.DataObject
) -> None:
    log = "\n".join(lines)
    start = data.draw(st.integers(0, len(log)))
    text = log[start : start + data.draw(st.integers(1, 20))]
    if text:
        assert log_lack(LogText(contains=text), log) is None
        lack = log_lack(LogText(contains=text, absent=True), log)
        assert lack is not None
        assert lack.instead


@given(LINES, st.text("abc", min_size=1, max_size=9))
def test_what_is_told_instead_is_in_the_log(lines: list[str], text: str) -> None:
    log = "\n".join(lines)
    lack = log_lack(LogText(contains=text), log)
    assert (lack is None) is (text in log)
    for told in lack.instead if lack else ():
        number, _, line = told.removeprefix("line ").partition(": ")
        assert not number.isdigit() or lines[int(number) - 1] == line
