"""What a project says of how distributions of it are built."""

import tomllib
from dataclasses import dataclass

from harness.errors import ReleaseError
from harness.scenarios.tree import File, Tree

_MARKS = ("pyproject.toml", "setup.py", "setup.cfg")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSystem:
    """The `[build-system]` table of a project (PEP 518, PEP 517)."""

    requires: tuple[str, ...] = ("setuptools>=40.8.0", "wheel")
    backend: str = "setuptools.build_meta:__legacy__"
    path: tuple[str, ...] = ()


def is_project(tree: Tree) -> bool:
    """Whether a tree has a file at its root that says how a distribution is built."""
    return not {*_MARKS}.isdisjoint(tree.entries)


def read_build_system(tree: Tree, label: str) -> BuildSystem:
    """Returns what a tree's `pyproject.toml` says of its build, or what the standard assumes.

    Raises:
        ReleaseError: The file is not TOML, or the table is not as PEP 518 has it.
    """
    file = tree.entries.get("pyproject.toml")
    if not isinstance(file, File):
        return BuildSystem()
    where = f"{label}'s pyproject.toml"
    try:
        table = tomllib.loads(file.data.decode()).get("build-system")
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ReleaseError(f"{where}: {error}", hint="correct the fixture") from error
    if table is None:
        return BuildSystem()
    assumed = BuildSystem()
    table = table if isinstance(table, dict) else {}
    requires, path = _strings(table.get("requires")), _strings(table.get("backend-path", []))
    backend = table.get("build-backend", assumed.backend)
    if requires is None or path is None or not isinstance(backend, str):
        raise ReleaseError(
            f"{where}: [build-system] does not follow PEP 518: `requires` and `backend-path` are"
            " lists of strings, `build-backend` is a string",
            hint="correct the fixture",
        )
    return BuildSystem(requires=requires, backend=backend, path=path)


def _strings(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return tuple(value)
