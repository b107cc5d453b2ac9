"""Positions: the line of each key, however the table is written."""

import pytest

from harness.scenarios.positions import Place, positions

SOURCE = '''\
description = "x"
a.b."c d".e = 1
[app]
files = { "a.txt" = "x", 'b' = """
one
two""" }

[[commits]]
message = "m"
edits = [
  # a comment
  { do = "write", path = "x" },
  { do = "append", path = "y" },
]
[[commits.edits.deeper]]
[commits.env]
K = "v"
[[commits]]
[[commits.edits]]
do = "z"

[[commits.edits]]
path = "z"
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ((), 0),
        (("nowhere",), 0),
        (("description",), 1),
        (("a", "b", "c d", "e"), 2),
        (("app",), 3),
        (("app", "files"), 4),
        (("app", "files", "a.txt"), 4),
        (("app", "files", "b"), 4),
        (("app", "missing", "deep"), 3),
        (("commits",), 8),
        (("commits", 0), 8),
        (("commits", 0, "message"), 9),
        (("commits", 0, "edits"), 10),
        (("commits", 0, "edits", 0), 12),
        (("commits", 0, "edits", 1, "path"), 13),
        (("commits", 0, "env", "K"), 17),
        (("commits", 1), 18),
        (("commits", 1, "edits", 0, "do"), 20),
        (("commits", 1, "edits", 1), 22),
        (("commits", 1, "edits", 1, "path"), 23),
    ],
)
def test_line(place: Place, line: int) -> None:
    assert positions(SOURCE).line(place) == line


def test_line_of_text_in_a_value() -> None:
    found = positions(SOURCE)
    assert found.line(("app", "files", "b"), "two") == 6
    assert found.line(("app", "files", "b"), "three") == 4


@pytest.mark.parametrize("source", ["", "= 1", "[", "a = ", "[[x]\n", "\0", "[a]\n]\n" * 3, "é=1"])
def test_broken_files_have_positions_too(source: str) -> None:
    assert positions(source).line(("a",)) >= 0
