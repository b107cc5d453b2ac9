"""What commands show that were run of what two builds deployed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.builds.deployed import Excerpt
from harness.builds.result import BuildRecord, DeployedRun
from harness.sandboxes import End, Outcome
from harness.scenarios.run_expectation import RunExpectation
from harness.verdicts.deployed_runs import differences, run_lack
from harness.verdicts.divergence import DivergenceKind
from harness.verdicts.lack import Lack

PASSED = Outcome(end=End.EXITED, status=0, seconds=1)
FAILED = replace(PASSED, status=1)
ASKED = RunExpectation(command="c")


def run(output: str = "", outcome: Outcome = PASSED, command: str = "c") -> DeployedRun:
    return DeployedRun(command=command, outcome=outcome, output=output, digest=output)


def record(*runs: DeployedRun) -> BuildRecord:
    return BuildRecord(
        in_memory=False, outcome=PASSED, failed="", requests=(), checks=(), released="", began=0,
        runs=runs,
    )  # fmt: skip


def why(cached: DeployedRun, clean: DeployedRun) -> str:
    found = tuple(differences(record(cached), record(clean), (ASKED, ASKED)))
    assert all((one.kind, one.path, one.tree) == (DivergenceKind.RUN, "c", "") for one in found)
    return found[0].why if found else ""


def test_how_long_a_command_took_is_no_difference() -> None:
    assert why(run("a\n"), run("a\n", replace(PASSED, seconds=9))) == ""


def test_another_end_is_a_difference_with_the_last_line_of_what_failed() -> None:
    told = why(run("Traceback\nNo module named x\n", FAILED), run("Traceback\n"))
    assert told == (
        "in the cached app it fails with exit status 1 (No module named x),"
        " in the clean app it passes"
    )
    memory = replace(FAILED, end=End.MEMORY)
    assert "in the clean app it is stopped by its memory limit" in why(run(), run(outcome=memory))


@pytest.mark.parametrize(
    ("cached", "clean", "told"),
    [
        ("a\nb\nc", "a\nB\nc", "in the cached app b, in the clean app B"),
        ("a\n", "a\nmore\n", "in the cached app nothing, in the clean app more"),
        ("", "\x1b[31m", "in the cached app nothing, in the clean app \\x1b[31m"),
    ],
)
def test_other_output_is_a_difference_and_its_first_line_is_shown(
    cached: str, clean: str, told: str
) -> None:
    assert why(run(cached), run(clean)) == f"it prints different things: {told}"


def test_output_that_differs_where_nothing_is_kept_of_it_is_a_difference() -> None:
    assert why(run("a"), replace(run("a"), digest="other"))


def test_a_command_that_the_commit_does_not_run_does_not_count() -> None:
    ours, theirs = (record(run(), run(text, command="other")) for text in ("a", "b"))
    assert not tuple(differences(ours, theirs, (ASKED,)))


NOTHING = ("it prints nothing",)


@pytest.mark.parametrize(
    ("expected", "ran", "said", "instead"),
    [
        (ASKED, run("x\nbad\n", FAILED), "`c` fails with exit status 1, and should pass",
         ("it prints: x", "it prints: bad")),
        (replace(ASKED, status=2), run("", FAILED),
         "`c` fails with exit status 1, and should exit with status 2", NOTHING),
        (replace(ASKED, status=1), run(), "`c` passes, and should exit with status 1", NOTHING),
        (replace(ASKED, status=1), run(outcome=replace(FAILED, end=End.TIMEOUT)),
         "`c` is stopped by its timeout limit, and should exit with status 1", NOTHING),
        (replace(ASKED, contains="b"), run("cat\n"), "`c` does not print 'b'",
         ("it prints: cat",)),
        (replace(ASKED, matches="^a"), run("cat"), "`c` prints no match of '^a'",
         ("it prints: cat",)),
        (replace(ASKED, command="d"), run(), "`d` was not run", ()),
        (ASKED, run("1\n2\n3\n4\n5\n6\n" + "x" * 300, FAILED),
         "`c` fails with exit status 1, and should pass",
         ("it prints: 3", "it prints: 4", "it prints: 5", "it prints: 6",
          "it prints: " + "x" * 200)),
    ],
)  # fmt: skip
def test_what_is_not_as_expected(
    expected: RunExpectation, ran: DeployedRun, said: str, instead: tuple[str, ...]
) -> None:
    assert run_lack(record(ran), expected) == Lack(said=said, instead=instead)


@pytest.mark.parametrize(
    ("expected", "ran"),
    [
        (ASKED, run("anything")),
        (replace(ASKED, status=1), run("bad", FAILED)),
        (replace(ASKED, contains="a"), run("cat")),
        (replace(ASKED, contains="red"), run("\x1b[1mr\x1b[31med")),
        (replace(ASKED, matches="^c.t$"), run("a\ncat\r\n")),
    ],
)
def test_what_is_as_expected(expected: RunExpectation, ran: DeployedRun) -> None:
    assert run_lack(record(ran), expected) is None


@given(chunks=st.lists(st.binary(max_size=40_000), max_size=5))
def test_of_output_the_beginning_and_the_end_are_kept(chunks: list[bytes]) -> None:
    excerpt, whole = Excerpt(), b"".join(chunks)
    for chunk in chunks:
        excerpt.feed(chunk)
    together = Excerpt()
    together.feed(whole)
    assert (excerpt.text, excerpt.digest) == (together.text, together.digest)
    if len(whole) <= 64 * 1024:
        assert excerpt.text == whole.decode("utf-8", "replace")
    else:
        assert len(excerpt.text) < 65 * 1024
        assert f"[{len(whole) - 64 * 1024} bytes are left out here]" in excerpt.text
        assert excerpt.text.startswith(whole[: 32 * 1024].decode("utf-8", "replace")[:-3])
