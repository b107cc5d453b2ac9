"""Which projects an app's own files ask for by name."""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

from packaging.utils import canonicalize_name

from harness.scenarios.tree import File, Tree

_LARGEST: Final = 1024 * 1024
_NAME: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_EGG: Final = re.compile(r"#(?:.*&)?egg=([A-Za-z0-9][A-Za-z0-9._-]*)")


def required(app: Tree) -> frozenset[str]:
    """The normalised names in requirements files, manifests and locks; what is broken names none.

    A project's build requirements are not among them: they are not what it asks for, but what it
    is built with.
    """
    return frozenset(
        str(canonicalize_name(name))
        for path, file in app.entries.items()
        if isinstance(file, File) and len(file.data) <= _LARGEST
        for name in _names(path.rpartition("/")[2], file.data.decode("utf-8", "replace"))
    )


def _names(file: str, text: str) -> Iterator[str]:
    if file.endswith((".txt", ".in")):
        for line in text.splitlines():
            match = _EGG.search(line) or _NAME.match(line)
            if match:
                yield match[1]
        return
    try:
        if file == "Pipfile.lock":
            yield from _keys(json.loads(text), "default")
            yield from _keys(json.loads(text), "develop")
        elif file == "Pipfile":
            yield from _keys(tomllib.loads(text), "packages")
            yield from _keys(tomllib.loads(text), "dev-packages")
        elif file in {"poetry.lock", "uv.lock"}:
            for package in tomllib.loads(text).get("package", []):
                yield str(package["name"])
        elif file == "pyproject.toml":
            yield from _project(tomllib.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return


def _project(document: dict[str, Any]) -> Iterator[str]:
    project = document.get("project", {})
    groups = [project.get("dependencies", []), *project.get("optional-dependencies", {}).values()]
    for requirement in (one for group in groups for one in group):
        if match := _NAME.match(requirement):
            yield match[1]
    yield from _keys(document.get("tool", {}).get("poetry", {}), "dependencies")


def _keys(document: dict[str, Any], key: str) -> Iterator[str]:
    yield from document.get(key, {})
