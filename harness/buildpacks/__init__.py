"""What a buildpack kind is: how to recognise one, run it, and what of its output is deployed."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A URL that a buildpack of this kind downloads from, as data.

    Attributes:
        host: The host; `*` matches any run of characters.
        path: The path, with fields such as `{version}`, `{stack}`, `{ubuntu}`, `{arch}`,
            `{machine}`, `{wheel}`.
        serves: `runtime.tar.gz` or `runtime.tar.zst` (a packed CPython), `pip.tar.zst` (the pip
            that comes with it, unpacked and compiled), `default python` (the version, and a
            newline, of the Python that `${python@default}` stands for), `tool` (a kept wheel), or
            `programs of NAME` (those of a kept wheel of that project, in an archive whose one
            folder is called as the archive is).
    """

    host: str
    path: str
    serves: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pythons:
    """The Pythons that a buildpack's own files name.

    Attributes:
        latest: By minor version (`3.11`), the release that it installs for it (`3.11.16`).
        default: The minor version that it installs where an app names none; empty where unknown.
    """

    latest: Mapping[str, str] = field(default_factory=dict)
    default: str = ""


class BuildpackKind(Protocol):
    """How buildpacks of one API are run and read. Knows the API, not one buildpack's policy."""

    name: str
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

    def tools(self, folder: Path) -> tuple[str, ...]:
        """Exact pins (`pip==22.0.4`) of the build tools that the buildpack itself installs."""
        ...

    def managers(self, folder: Path, files: Collection[str]) -> tuple[str, ...]:
        """Exact pins of the package managers that it installs to build an app with these files."""
        ...

    def pythons(self, folder: Path) -> Pythons:
        """The Pythons that the buildpack knows of."""
        ...

    def asked_pythons(self, read: Callable[[str], bytes | None]) -> frozenset[str]:
        """The versions, whole (`3.11.2`) or minor (`3.11`), that an app names in its files.

        Args:
            read: Gives a file of the app's by its path; None where it is not there.
        """
        ...

    def reasons(self, log: str) -> tuple[str, ...]:
        """What the log says of why the cache was discarded; empty where it is silent."""
        ...
