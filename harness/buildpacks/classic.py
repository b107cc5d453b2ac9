"""The classic buildpack API: `bin/detect`, `bin/compile BUILD CACHE ENV`, `bin/release`.

Source: https://devcenter.heroku.com/articles/buildpack-api
"""

import json
import os
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from harness.buildpacks import Command, Paths, Pythons, Recipe, Route

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROGRAMS = ("detect", "compile")

# Buildpacks write the tools they install as `PIP_VERSION='22.0.4'` in a script, or as a pin in a
# requirements file of their own.
_TOOL_NAMES = ("pip", "setuptools", "wheel")
_MANAGERS = {
    "Pipfile": "pipenv",
    "Pipfile.lock": "pipenv",
    "poetry.lock": "poetry",
    "uv.lock": "uv",
}
"""The files by which an app asks for a package manager."""
_NAMES = "|".join((*_TOOL_NAMES, *dict.fromkeys(_MANAGERS.values())))
_VARIABLE_PIN = re.compile(rf"\b(?P<name>{_NAMES.upper()})_VERSION=[\"']?(?P<version>\d[\w.]*)")
_REQUIREMENT_PIN = re.compile(rf"^(?P<name>{_NAMES})==(?P<version>\d[\w.]*)", re.MULTILINE)
_LATEST_PYTHON = re.compile(
    r"^LATEST_(?:PYTHON_)?3_?(?P<minor>\d+)=[\"']?(?:python-)?(?P<version>3\.(?P=minor)\.\d+)",
    re.MULTILINE,
)
_DEFAULT_PYTHON = re.compile(
    r"^DEFAULT_PYTHON_(?:FULL_)?VERSION=[\"']?"
    r"(?:\$\{?LATEST_(?:PYTHON_)?3_?|(?:python-)?3\.)(?P<minor>\d+)",
    re.MULTILINE,
)
_PYTHON_FILES = (".python-version", "runtime.txt")
_NAMED_PYTHON = re.compile(r"^\s*(?:python-)?(?P<version>3\.\d+(?:\.\d+)?)\s*$", re.MULTILINE)
_SCRIPT_FOLDERS = ("bin", "lib", "requirements", "vendor")
_LARGEST_SCRIPT = 512 * 1024

_LONGEST_REASON = 1000
_BUNDLED = "cache: discarded: "
_CHANGED = re.compile(r"\bchanged\b")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class ClassicKind:
    """Buildpacks of the classic API that install Python under `.heroku`."""

    name = "classic"
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

    def tools(self, folder: Path) -> tuple[str, ...]:
        """Pins of pip, setuptools and wheel found in the buildpack's scripts."""
        return tuple(pin for pin in _pins(folder) if pin.partition("==")[0] in _TOOL_NAMES)

    def managers(self, folder: Path, files: Collection[str]) -> tuple[str, ...]:
        """Pins found in the buildpack's scripts of the managers whose files the app has."""
        wanted = {_MANAGERS[name] for name in _MANAGERS if name in files}
        if not wanted:  # asked of each commit: the scripts are read only where it needs them
            return ()
        return tuple(pin for pin in _pins(folder) if pin.partition("==")[0] in wanted)

    def pythons(self, folder: Path) -> Pythons:
        """The releases that its scripts call the latest ones, and which of them is the default."""
        texts = tuple(_scripts(folder))
        latest = {
            f"3.{match['minor']}": match["version"]
            for text in texts
            for match in _LATEST_PYTHON.finditer(text)
        }
        defaults = [match["minor"] for text in texts for match in _DEFAULT_PYTHON.finditer(text)]
        return Pythons(latest=latest, default=f"3.{defaults[0]}" if defaults else "")

    def asked_pythons(self, read: Callable[[str], bytes | None]) -> frozenset[str]:
        """What `.python-version`, `runtime.txt` and `Pipfile.lock` name."""
        texts = ((read(name) or b"").decode("utf-8", "replace") for name in _PYTHON_FILES)
        named = {match["version"] for text in texts for match in _NAMED_PYTHON.finditer(text)}
        return frozenset(named | _locked_pythons(read("Pipfile.lock")))

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


def _locked_pythons(lock: bytes | None) -> set[str]:
    """What a lock of Pipenv's says of the Python that it is for."""
    try:
        requires = json.loads(lock or b"{}")["_meta"]["requires"]
        named = [requires.get("python_full_version"), requires.get("python_version")]
    except (ValueError, LookupError, TypeError, AttributeError):
        return set()
    return {each for each in named if isinstance(each, str) and _NAMED_PYTHON.match(each)}


def _pins(folder: Path) -> tuple[str, ...]:
    found = {
        f"{match['name'].lower()}=={match['version']}"
        for text in _scripts(folder)
        for pattern in (_VARIABLE_PIN, _REQUIREMENT_PIN)
        for match in pattern.finditer(text)
    }
    return tuple(sorted(found))


def _scripts(folder: Path) -> Iterator[str]:
    """The text of a buildpack's own files, apart from large ones."""
    for name in _SCRIPT_FOLDERS:
        for path in sorted((folder / name).rglob("*")):
            if path.is_file() and path.stat().st_size <= _LARGEST_SCRIPT:
                yield path.read_bytes().decode("utf-8", "replace")
