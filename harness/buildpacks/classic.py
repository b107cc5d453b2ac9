"""The classic buildpack API: `bin/detect`, `bin/compile BUILD CACHE ENV`, `bin/release`.

Source: https://devcenter.heroku.com/articles/buildpack-api
"""

import os
import re
from pathlib import Path

from harness.buildpacks import Command, Paths, Recipe
from harness.ecosystems.route import Route

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROGRAMS = ("detect", "compile")

_LONGEST_REASON = 1000
_BUNDLED = "cache: discarded: "
_CHANGED = re.compile(r"\bchanged\b")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class ClassicKind:
    """Buildpacks of the classic API that install Python under `.heroku`."""

    name = "classic"
    ecosystems = ("python",)
    # The platform packs the whole build dir.
    roots = (".",)
    not_deployed = ()
    routes = (
        Route(
            host="heroku-buildpack-python.s3*.amazonaws.com",
            path="/{stack}/runtimes/python-{version}.tar.gz",
            serves="runtime.tar.gz",
        ),
        Route(
            host="heroku-buildpack-python.s3*.amazonaws.com",
            path="/python-{version}-ubuntu-{ubuntu}-{arch}.tar.zst",
            serves="runtime.tar.zst",
        ),
        Route(
            host="heroku-buildpack-python.s3*.amazonaws.com",
            path="/common/{wheel}",
            serves="tool",
        ),
        Route(
            host="releases.astral.sh",
            path="/github/uv/releases/download/{version}/uv-{machine}-unknown-linux-gnu.tar.gz",
            serves="programs of uv",
        ),
        Route(
            host="github.com",
            path="/astral-sh/uv/releases/download/{version}/uv-{machine}-unknown-linux-gnu.tar.gz",
            serves="programs of uv",
        ),
        Route(
            host="runtimes.cache-harness.invalid",
            path="/python-{version}.tar.zst",
            serves="runtime.tar.zst",
        ),
        Route(
            host="runtimes.cache-harness.invalid",
            path="/pip-for-{version}.tar.zst",
            serves="pip.tar.zst",
        ),
        Route(
            host="runtimes.cache-harness.invalid", path="/default-python", serves="default python"
        ),
    )

    def recognises(self, folder: Path) -> bool:
        """Whether `bin/detect` and `bin/compile` are there."""
        return all((folder / "bin" / program).is_file() for program in _PROGRAMS)

    def recipe(self, folder: Path, paths: Paths, *, stack: str) -> Recipe:
        """Detect, compile, report where the buildpack has it, release where it has it."""
        programs = f"{paths.buildpack}/bin"
        arguments = (paths.build, paths.cache, paths.env)
        commands = [
            Command(name="detect", argv=(f"{programs}/detect", paths.build)),
            Command(name="compile", argv=(f"{programs}/compile", *arguments)),
        ]
        if os.access(folder / "bin" / "report", os.X_OK):
            report = (f"{programs}/report", *arguments)
            commands.append(
                Command(name="report", argv=report, decides=False, always=True, silent=True)
            )
        if os.access(folder / "bin" / "release", os.X_OK):
            release = (f"{programs}/release", paths.build)
            commands.append(Command(name="release", argv=release, deployed=True))
        env = (("HOME", paths.home), ("LANG", "C.UTF-8"), ("PATH", _PATH), ("STACK", stack))
        return Recipe(
            commands=tuple(commands), env=env, cwd=paths.home, export=f"{paths.buildpack}/export"
        )

    def reasons(self, log: str) -> tuple[str, ...]:
        """Lines in which the buildpack says that it drops the cache, without their decoration."""
        lines = _ESCAPES.sub("", log).splitlines()
        return tuple(filter(None, map(_reason, lines)))


def _reason(line: str) -> str:
    """The reason in a line of a log; empty where it gives none."""
    if len(line) > _LONGEST_REASON:
        return ""
    said = line.strip().removeprefix("----->").lstrip()
    if said.startswith("- The "):
        return said.removeprefix("- ")
    if said.startswith(_BUNDLED):
        return said.removeprefix(_BUNDLED).lstrip()
    before, clearing, _ = said.rpartition(", clearing ")
    return said if clearing and _CHANGED.search(before) else ""
