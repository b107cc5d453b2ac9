"""The shell script that runs a build's commands, and what it notes of them."""

import os
import shlex
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.buildpacks.preparation import Command
from harness.sandboxes import Outcome
from harness.trees.file_reader import OPEN_FILE

NOTES: Final = "/run/build-steps"
"""The folder inside the sandbox in which the script notes what the harness reads afterwards."""
_RELEASED = "released"
_STATUSES = "statuses"
_LONGEST_RELEASE = 64 * 1024
_LONGEST_STATUSES = 4096


def script(commands: Sequence[Command], *, notes: str = NOTES) -> str:
    """A shell script that runs commands in order and exits as the first failing one.

    Each command's name and status are appended to a file that the harness reads afterwards.

    Args:
        commands: What runs.
        notes: The folder inside the sandbox for these files; it is there.
    """
    lines = ["failed=0"]
    for command in commands:
        quietly = " >/dev/null" if command.silent else ""
        run = f"{_run(command)}{quietly}; status=$?"
        if command.deployed:
            released = f"{notes}/{_RELEASED}"
            run = (
                f"{_run(command)} >{released}.new; status=$?;"
                f" cat {released}.new; cat {released}.new >>{released}"
            )
        note = f'echo "{command.name} $status" >>{notes}/{_STATUSES}'
        decide = '[ "$failed" -ne 0 ] || failed=$status' if command.decides else ":"
        body = f"{run}; {note}; {decide}"
        lines.append(body if command.always else f'if [ "$failed" -eq 0 ]; then {body}; fi')
    lines.append('exit "$failed"')
    return "\n".join(lines)


def failed_command(notes: Path, commands: Sequence[Command], outcome: Outcome) -> str:
    """The command that decided a failure, by the statuses that the script noted; else empty.

    Args:
        notes: The script's notes on the host; read as data, whatever the build made of them.
        commands: What ran.
        outcome: How the build ended.
    """
    if outcome.passed:
        return ""
    deciding = [command.name for command in commands if command.decides]
    text = _noted(notes / _STATUSES, _LONGEST_STATUSES)
    noted = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    for name in deciding:
        if noted.get(name) != "0":
            return name
    return deciding[-1]


def released(notes: Path) -> str:
    """What the commands printed of what is deployed; see `Command.deployed`.

    Args:
        notes: The script's notes on the host.
    """
    return _noted(notes / _RELEASED, _LONGEST_RELEASE)


def _run(command: Command) -> str:
    """A command for a shell; what it sources stays its own."""
    run = shlex.join(command.argv)
    if not command.sources:
        return run
    files = shlex.join(command.sources)
    return f'(for file in {files}; do [ ! -f "$file" ] || . "$file"; done; exec {run})'


def _noted(path: Path, longest: int) -> str:
    """The beginning of what the script noted in a file; empty where it is not a regular file."""
    try:
        file = os.open(path, OPEN_FILE)
    except OSError:
        return ""
    with os.fdopen(file, "rb") as stream:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return ""
        return stream.read(longest).decode("utf-8", "replace")
