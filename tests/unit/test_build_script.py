"""The script that runs a recipe, run by a real shell, and what is read from its notes."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.buildpacks.preparation import Command
from harness.builds.lines import Lines
from harness.builds.run import _real_folder
from harness.builds.script import failed_command, script
from harness.sandboxes import End, Outcome


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., Any]:
    """Runs a recipe of one-line commands: exit status, output, notes, the command that failed."""
    steps = tmp_path / "steps"
    steps.mkdir()

    def run(*commands: Command) -> tuple[int, str, list[str], str]:
        done = subprocess.run(
            ("/bin/sh", "-c", script(commands, notes=str(steps))),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        notes = (steps / "statuses").read_text().splitlines()
        outcome = Outcome(end=End.EXITED, status=done.returncode, seconds=0)
        failed = failed_command(steps, commands, outcome)
        return done.returncode, done.stdout, notes, failed

    return run


def command(name: str, status: int = 0, **rest: Any) -> Command:
    return Command(name=name, argv=("/bin/sh", "-c", f"echo ran {name}; exit {status}"), **rest)


def test_what_is_sourced_is_one_command_s_own(shell: Callable[..., Any], tmp_path: Path) -> None:
    there, missing = tmp_path / "a b", tmp_path / "missing"
    there.write_text("export GREETING=hello\n")
    greet = Command(
        name="greet",
        argv=("/bin/sh", "-c", 'echo "${GREETING-nothing} $1"; exit 3', "", "it's"),
        sources=(str(missing), str(there)),
    )
    then = Command(name="then", argv=("/bin/sh", "-c", "echo ${GREETING-nothing}"), always=True)
    status, output, notes, failed = shell(greet, then)
    assert output == "hello it's\nnothing\n"
    assert (status, notes, failed) == (3, ["greet 3", "then 0"], "greet")


def ran(*names: str) -> str:
    return "".join(f"ran {name}\n" for name in names)


def test_commands_run_in_order(shell: Callable[..., Any]) -> None:
    assert shell(command("a"), command("b"), command("c")) == (
        0, ran("a", "b", "c"), ["a 0", "b 0", "c 0"], "",
    )  # fmt: skip


def test_after_a_failure_no_more_run(shell: Callable[..., Any]) -> None:
    assert shell(command("a"), command("b", 7), command("c")) == (
        7, ran("a", "b"), ["a 0", "b 7"], "b",
    )  # fmt: skip


def test_some_run_always(shell: Callable[..., Any]) -> None:
    commands = (
        command("a", 3),
        command("b"),
        command("report", decides=False, always=True),
        command("c"),
    )
    assert shell(*commands) == (3, ran("a", "report"), ["a 3", "report 0"], "a")


def test_some_do_not_decide(shell: Callable[..., Any]) -> None:
    commands = (command("a"), command("report", 5, decides=False, always=True), command("b"))
    assert shell(*commands) == (0, ran("a", "report", "b"), ["a 0", "report 5", "b 0"], "")


def test_what_a_silent_one_prints_is_not_in_the_log_but_its_complaints_are(
    shell: Callable[..., Any],
) -> None:
    words = ("/bin/sh", "-c", "echo for the platform; echo complaint >&2; exit 2")
    silent = Command(name="report", argv=words, decides=False, always=True, silent=True)
    status, output, notes, _ = shell(command("a", 3), silent)
    assert (status, output, notes) == (3, ran("a") + "complaint\n", ["a 3", "report 2"])


def test_the_first_failure_decides_though_one_that_always_runs_fails_later(
    shell: Callable[..., Any],
) -> None:
    commands = (command("a", 3), command("tidy", 4, always=True))
    assert shell(*commands) == (3, ran("a", "tidy"), ["a 3", "tidy 4"], "a")


def test_a_program_that_is_not_there_fails(shell: Callable[..., Any]) -> None:
    status, _, notes, failed = shell(Command(name="a", argv=("/no/such/program",)), command("b"))
    assert (status, notes, failed) == (127, ["a 127"], "a")


def test_a_killed_command_fails_with_its_signal(shell: Callable[..., Any]) -> None:
    status, _, _, failed = shell(Command(name="a", argv=("/bin/sh", "-c", "kill -9 $$")))
    assert (status, failed) == (137, "a")


@pytest.mark.parametrize("word", ["a b", "$HOME", "'", '"', "`id`", "*", "\n", "", "é;"])
def test_arguments_come_through_as_they_are(shell: Callable[..., Any], word: str) -> None:
    _, output, _, _ = shell(Command(name="a", argv=("printf", "<%s>", word)))
    assert output == f"<{word}>"


COMMANDS = (
    command("detect"),
    command("report", decides=False, always=True),
    command("compile"),
)
STOPPED = Outcome(end=End.TIMEOUT, status=137, seconds=1)


@pytest.mark.parametrize(
    ("notes", "failed"),
    [
        ("", "detect"),
        ("detect 0\n", "compile"),
        ("detect 0\nreport 1\n", "compile"),
        ("detect 1\nreport 0\n", "detect"),
        ("detect 0\nreport 0\ncompile 0\n", "compile"),
        ("nonsense\n\n\udcff 3\n", "detect"),
    ],
)
def test_a_stopped_build_failed_in_the_command_under_way(
    tmp_path: Path, notes: str, failed: str
) -> None:
    (tmp_path / "statuses").write_bytes(notes.encode("utf-8", "surrogateescape"))
    assert failed_command(tmp_path, COMMANDS, STOPPED) == failed


def test_notes_that_a_build_replaced_by_a_link_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("detect 0\n")
    (tmp_path / "statuses").symlink_to("elsewhere")
    assert failed_command(tmp_path, COMMANDS, STOPPED) == "detect"


@pytest.mark.parametrize(
    ("end", "status", "passed", "how"),
    [
        (End.EXITED, 0, True, "passes"),
        (End.EXITED, 4, False, "fails with exit status 4"),
        (End.TIMEOUT, 0, False, "is stopped by its timeout limit"),
        (End.MEMORY, 137, False, "is stopped by its memory limit"),
    ],
)
def test_how_a_build_ended(end: End, status: int, passed: bool, how: str) -> None:
    outcome = Outcome(end=end, status=status, seconds=1)
    assert (outcome.passed, outcome.how()) == (passed, how)


def lines(*chunks: bytes) -> list[str]:
    found: list[str] = []
    cut = Lines(found.append)
    for chunk in chunks:
        cut.feed(chunk)
    cut.end()
    return found


def test_lines_are_cut_whatever_the_chunks() -> None:
    assert lines(b"a\nb", b"c\r", b"\n\xff", b"d") == ["a", "bc", "�d"]
    assert lines("é\n".encode()[:1], "é\n".encode()[1:]) == ["é"]


def test_a_line_without_end_does_not_grow() -> None:
    (line,) = lines(*[b"x" * 1000] * 50, b"end")
    assert line.endswith("end")
    assert len(line) == 4096


def test_a_folder_that_a_build_replaced_is_empty_again(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("")
    ways: dict[str, Callable[[Path], object]] = {
        "link": lambda path: path.symlink_to(outside),
        "file": lambda path: path.write_text("x"),
        "gone": Path.absolute,
    }
    for name, make in ways.items():
        path = tmp_path / name
        make(path)
        real = _real_folder(path)
        assert real.is_dir()
        assert not real.is_symlink()
        assert list(real.iterdir()) == []
    assert (outside / "precious").exists()
