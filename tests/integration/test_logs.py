"""Logs of builds that are stored, printed by `log` and left by `--keep`."""

import os
import pty
import subprocess
from pathlib import Path

import pytest
from planted import buildpack, scenario
from program import PROGRAM, Program

from harness.trees.removal import remove_tree

pytestmark = [pytest.mark.image, pytest.mark.bubblewrap, pytest.mark.timeout(300)]

PRINTS = """\
printf '\\033[1;32mgreen\\033[0m\\tand \\033[2Jmore\\r\\n'
[[ ! -e $cache/seen ]] || echo "seen before"
mkdir -p "$cache"
touch "$cache/seen"
echo "$RANDOM" >"$packages/module.py"
"""


def logged(program: Program, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What `log` prints of the program's store."""
    command = (PROGRAM, "log", *arguments, "--sandbox", "bubblewrap", "--store", program.store.root)
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_stored_build_s_log(program: Program, tmp_path: Path) -> None:
    pack = buildpack(tmp_path / "buildpack", PRINTS)
    file = scenario(tmp_path)
    of_it = (file, "--buildpack", pack)
    before = logged(program, *of_it)
    assert (before.returncode, before.stdout) == (2, "")
    assert f"cache-harness run {file} --buildpack {pack} --sandbox bubblewrap" in before.stderr

    ran = program.run(tmp_path / "run", *of_it)
    assert ran.steps[-1]["repeated"], ran.said
    first, again = "green\tand more\n", "green\tand more\nseen before\n"
    for which, text in {
        (): again,
        ("1",): first,
        ("1", "clean"): first,
        ("2",): again,
        ("clean",): first,
        ("2", "control"): first,
        ("2", "repeated"): again,
    }.items():
        done = logged(program, file, *which, "--buildpack", pack)
        assert (done.returncode, done.stdout, done.stderr) == (0, text, ""), which
    # With another limit of memory it is another build.
    assert logged(program, *of_it, "--memory", "2000").returncode == 2
    # An edit of the buildpack makes other builds.
    (pack / "README").write_text("changed")
    assert logged(program, *of_it).returncode == 2


def test_a_terminal_gets_colours_and_nothing_else_that_commands_it(
    program: Program, tmp_path: Path
) -> None:
    pack = buildpack(tmp_path / "buildpack", PRINTS)
    of_it = (scenario(tmp_path), "--buildpack", pack)
    program.run(tmp_path / "run", *of_it)
    ours, theirs = pty.openpty()
    command = (PROGRAM, "log", *of_it, "--sandbox", "bubblewrap", "--store", program.store.root)
    subprocess.run(command, stdout=theirs, check=True)
    os.close(theirs)
    with os.fdopen(ours, "rb") as terminal:
        shown = terminal.read1()
    assert shown == b"\x1b[1;32mgreen\x1b[0m\tand more\r\nseen before\r\n\x1b[0m"


def test_a_run_that_is_kept_leaves_the_logs_where_it_says(program: Program, tmp_path: Path) -> None:
    pack = buildpack(tmp_path / "buildpack", PRINTS)
    of_it = (scenario(tmp_path), "--buildpack", pack, "--keep")
    # The second run makes no build.
    for number in range(2):
        with program.started(tmp_path / f"run-{number}", *of_it) as started:
            ran = started.ended()
        (said,) = [line for line in ran.out.splitlines() if line.startswith("kept: ")]
        kept, _, logs = said.removeprefix("kept: ").partition(", with all logs in ")
        assert logs == f"{kept}/logs"
        found = {path.name: path.read_text() for path in Path(logs).iterdir()}
        assert {*found} == {
            "planted-1-cached.log", "planted-1-clean.log", "planted-2-cached.log",
            "planted-2-clean.log", "planted-2-control.log", "planted-2-repeated.log",
        }  # fmt: skip
        assert found["planted-2-repeated.log"].endswith("\nseen before\n")
        remove_tree(Path(kept))
