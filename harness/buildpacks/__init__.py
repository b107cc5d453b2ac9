"""What a buildpack kind is: how to recognise one, run it, and what of its output is deployed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.ecosystems.route import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where a build's folders are inside the sandbox; `build` may differ from build to build."""

    buildpack: str
    build: str
    cache: str
    env: str
    home: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One step of a recipe.

    Attributes:
        name: What reports call it, such as `compile`.
        argv: Its program and arguments, as paths inside the sandbox.
        decides: Whether its failure is the build's. Steps that only report do not decide.
        always: Whether it runs though an earlier step failed.
        silent: Whether its standard output is for the platform, and no part of the build's log.
        deployed: Whether its standard output decides what is deployed, as the add-ons and process
            types that `bin/release` names: then it is compared.
        sources: Scripts that set its environment, as far as they are there.
    """

    name: str
    argv: tuple[str, ...]
    decides: bool = True
    always: bool = False
    silent: bool = False
    deployed: bool = False
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a build runs, in which environment, from which folder; pure data.

    `export` is the script in which it may leave variables for the buildpacks after it.
    """

    commands: tuple[Command, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str
    export: str = ""


class BuildpackKind(Protocol):
    """How buildpacks of one API are run and read. Knows the API, not one buildpack's policy."""

    name: str
    ecosystems: tuple[str, ...]
    """Names of the languages' ecosystems from which its buildpacks install."""
    roots: tuple[str, ...]
    """Globs of what is deployed, relative to the build dir: it is compared. `.` is all of it."""
    not_deployed: tuple[str, ...]
    """Globs of what the platform does not deploy though it lies there: it is passed over."""
    routes: tuple[Route, ...]
    """Downloads that buildpacks of this kind make, apart from git and the package index."""

    def recognises(self, folder: Path) -> bool:
        """Whether the folder holds a buildpack of this kind."""
        ...

    def recipe(self, folder: Path, paths: Paths, *, stack: str) -> Recipe:
        """What to run for one build."""
        ...

    def reasons(self, log: str) -> tuple[str, ...]:
        """What the log says of why the cache was discarded; empty where it is silent."""
        ...
