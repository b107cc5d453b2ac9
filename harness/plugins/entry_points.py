"""What entry points bring into builds, and the code by which each is known."""

import ast
import hashlib
import importlib.machinery
import importlib.util
import os
import platform
import secrets
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, entry_points
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.errors import HarnessError
from harness.plugins.code_digest import code_digest

_OWN = __name__.partition(".")[0]
_IMPORTERS = ("import_module", "__import__")
_BYTECODE = "__pycache__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """What one entry point brings.

    Attributes:
        name: What it is called.
        brought: The class or function that it names.
        point: Where it was found; None for what no distribution brought.
    """

    name: str
    brought: Any
    point: EntryPoint | None = None

    @property
    def distribution(self) -> str:
        """The name of the distribution that brings it."""
        dist = self.point.dist if self.point else None
        return dist.name if dist else "an unknown distribution"

    def identity(self, made: object) -> str:
        """The sha256, in hex, of what decides how the plug-in acts; empty for the harness's own.

        It covers the distribution that brings it, by name, version and files; the whole top-level
        packages or modules that define it and the classes that it inherits from, data files
        included; and so on for each package that these import by name, unless it is the
        harness's, Python's own, or not installed. Distributions that it requires count by version.

        Args:
            made: What calling `brought` gave.
        """
        modules = _definers(self.brought, made)
        if self.point is not None:
            modules |= {self.point.module}
        if {module.partition(".")[0] for module in modules} == {_OWN}:
            return ""  # keys have the harness's own code anyhow
        return _identity(self.point, frozenset(modules))


def plugins(group: str, *, what: str, error: type[HarnessError]) -> tuple[Plugin, ...]:
    """Everything that is installed under a group of entry points.

    Args:
        group: The group's name.
        what: What an error calls one of it, such as `sandbox`.
        error: What is raised.

    Raises:
        HarnessError: One cannot be imported, as an `error`.
    """
    return tuple(_loaded(point, what, error) for point in entry_points(group=group))


def _loaded(point: EntryPoint, what: str, error: type[HarnessError]) -> Plugin:
    plugin = Plugin(name=point.name, brought=None, point=point)
    try:
        return replace(plugin, brought=point.load())
    except (ImportError, AttributeError) as cause:
        raise error(
            f"{what} {point.name!r} ({point.value}) cannot be imported: {cause}",
            hint=f"repair or uninstall {plugin.distribution}",
        ) from cause


def _definers(*things: object) -> set[str]:
    """The modules that define things and the classes that they are of or inherit from."""
    found = set()
    for thing in things:
        classes = thing.__mro__ if isinstance(thing, type) else type(thing).__mro__
        modules = (getattr(one, "__module__", None) for one in (thing, *classes))
        found |= {module for module in modules if isinstance(module, str)}
    return found - {"builtins"}


@cache
def _identity(point: EntryPoint | None, modules: frozenset[str]) -> str:
    digest = hashlib.sha256(f"{platform.python_version()} {code_digest()}".encode())
    for line in (*_distribution(point), *_code(modules)):
        digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def _distribution(point: EntryPoint | None) -> Iterator[str]:
    """The distribution of an entry point, line by line."""
    if point is None:
        return
    yield f"{point.group} {point.name} = {point.value}"
    if point.dist is None:
        return
    for path in sorted(point.dist.files or ()):
        # Of the metadata pip writes some: when it compiled, whence it came.
        derived = _BYTECODE in path.parts or path.parts[0].endswith((".dist-info", ".egg-info"))
        if not derived:
            yield f"{path} {_file(Path(str(path.locate())))}"
    yield from sorted(_required(point.dist))


def _required(start: Distribution) -> Iterator[str]:
    """Name and version of a distribution and of all that it requires, but the harness."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        one = waiting.pop()
        yield f"{one.name} {one.version}"
        for text in one.requires or ():
            try:
                name = canonicalize_name(Requirement(text).name)
                if name in seen:
                    continue
                seen.add(name)
                found = Distribution.from_name(name)
            except (InvalidRequirement, PackageNotFoundError):
                continue
            if all(not own.value.startswith(f"{_OWN}.") for own in found.entry_points):
                waiting.append(found)


def _code(modules: Iterable[str]) -> Iterator[str]:
    """The files of modules' packages and of all that these import, line by line."""
    waiting, seen = sorted(modules, reverse=True), set[str]()
    # What lies nowhere, such as a class made at a prompt, belongs to this run alone.
    yield from (secrets.token_hex() for one in waiting if not _known(one))
    while waiting:
        module = waiting.pop()
        if _is_given(module):
            continue
        name, places = _places(module)
        if name in seen:
            continue
        seen.add(name)
        yield f"{name}: {len(places)}"
        imported: set[str] = set()
        for place in places:
            for path in _files(place):
                yield f"{os.path.relpath(path, place)} {_file(path)}"
                if path.suffix == ".py":
                    imported |= _imports(path)
        waiting += sorted(imported, reverse=True)


def _is_given(module: str) -> bool:
    top = module.partition(".")[0]
    return top == _OWN or top in sys.stdlib_module_names


def _known(module: str) -> bool:
    return _is_given(module) or bool(_places(module)[1])


def _places(module: str) -> tuple[str, tuple[Path, ...]]:
    """A module's outermost package, or what of a namespace it is in, and where that lies."""
    parts, name, spec = module.split("."), "", None
    for depth in range(len(parts)):
        name = ".".join(parts[: depth + 1])
        try:
            found = importlib.util.find_spec(name)
        except (ImportError, ValueError):  # such as `__main__`
            found = None
        if found is None:
            break
        spec = found
        if not isinstance(spec.loader, importlib.machinery.NamespaceLoader):
            break
    if spec is None:
        return name, _place_of_loaded(module)
    if spec.submodule_search_locations is not None:
        return name, tuple(map(Path, spec.submodule_search_locations))
    return name, (Path(spec.origin),) if spec.origin else ()


def _place_of_loaded(module: str) -> tuple[Path, ...]:
    loaded = getattr(sys.modules.get(module), "__file__", None)
    return (Path(loaded),) if loaded else ()


def _files(place: Path) -> Iterator[Path]:
    """A module's file, or all files of a package but bytecode that has its source."""
    if not place.is_dir():
        # A package in an archive lies below a file.
        yield next((path for path in (place, *place.parents) if path.is_file()), place)
        return
    seen: set[str] = set()
    for folder, folders, names in os.walk(place, followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = () if real in seen else sorted(set(folders) - {_BYTECODE})
        if real in seen:
            continue
        seen.add(real)
        for name in sorted(names):
            yield Path(folder, name)


def _file(path: Path) -> str:
    try:
        executable = "x" if os.access(path, os.X_OK) else "-"
        return f"{executable} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError:
        return "cannot be read"  # nor can the plug-in


def _imports(path: Path) -> set[str]:
    """The modules of other packages that a source names in an import, wherever that stands."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), names=names, level=0):
                found |= {f"{module}.{alias.name}" for alias in names}
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if (
                called in _IMPORTERS
            ):
                match node.args:
                    case [ast.Constant(value=str(module)), *_]:
                        found.add(module)
    return found
