"""What a platform's CI runs of a classic buildpack: `bin/test-compile`, and `bin/test`.

Source: https://devcenter.heroku.com/articles/testpack-api
"""

import shlex
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from harness.buildpacks.dyno import START
from harness.buildpacks.platform import Platform
from harness.buildpacks.preparation import Command
from harness.buildpacks.programs import has_program

COMPILE: Final = "test-compile"
_TEST: Final = "test"
_EXPORT: Final = """
for file in "$2"/*; do
  if [ -f "$file" ]; then export "${file##*/}=$(cat "$file")"; fi
done
"""
"""Config vars as variables, from the folder that is the second argument."""
_SHA, _UUID = 40, 32  # hexadecimal digits


def commands(files: Path, folder: str, arguments: tuple[str, str, str]) -> list[Command]:
    """What builds an app for its tests; a buildpack that has no `bin/test-compile` compiles.

    Args:
        files: The buildpack's files on the host.
        folder: Where they are inside the sandbox.
        arguments: The build dir, the cache dir and the folder of the config vars.
    """
    program = COMPILE if has_program(files, COMPILE) else "compile"
    return [
        Command(name="detect", argv=(f"{folder}/bin/detect", arguments[0])),
        Command(name=program, argv=(f"{folder}/bin/{program}", *arguments)),
    ]


def tests(
    files: Path, folder: str, arguments: tuple[str, str, str], *, prefix: str
) -> Iterator[Command]:
    """The tests, where the buildpack has some; they start as a process of the app does.

    Args:
        files: The buildpack's files on the host.
        folder: Where they are inside the sandbox.
        arguments: As of `commands`.
        prefix: What the command's name begins with.
    """
    build, _, env = arguments
    if has_program(files, _TEST):
        test = shlex.join((f"{folder}/bin/{_TEST}", build, env))
        start = ("bash", "-c", _EXPORT + START, "start", test, env)
        yield Command(name=f"{prefix}{_TEST}", argv=start)


def config_vars(platform: Platform, run: str) -> tuple[tuple[str, str], ...]:
    """The config vars that a CI run has besides the app's.

    Args:
        platform: Whose CI it is.
        run: What the run is named after, as hexadecimal digits; empty where it is none.
    """
    if not run:
        return ()
    ids = {"commit": run[:_SHA], "run": str(uuid.UUID(run[:_UUID]))}
    return tuple((name, value.format(**ids)) for name, value in platform.test_vars)
