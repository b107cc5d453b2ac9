"""Which Pythons an app's own files name."""

import json
import re
from collections.abc import Callable

from harness.scenarios.tree import File, Tree

_VERSION_FILE = ".python-version"
_RUNTIME_FILE = "runtime.txt"
_FILES = (_VERSION_FILE, _RUNTIME_FILE)
_VERSION = re.compile(r"^\s*(?:python-)?(?P<version>3\.\d+(?:\.\d+)?)\s*$", re.MULTILINE)


def named_pythons(read: Callable[[str], bytes | None]) -> frozenset[str]:
    """The versions, whole (`3.11.2`) or minor (`3.11`), that an app names in its files.

    They stand in `.python-version`, `runtime.txt` and `Pipfile.lock`; what cannot be read names
    none.

    Args:
        read: Gives a file of the app's by its path; None where it is not there.
    """
    texts = ((read(name) or b"").decode("utf-8", "replace") for name in _FILES)
    named = {match["version"] for text in texts for match in _VERSION.finditer(text)}
    return frozenset(named | _locked(read("Pipfile.lock")))


def with_runtime_file(app: Tree) -> Tree:
    """The app, with the version in `.python-version` in a `runtime.txt` as well.

    The same app where it names no whole version there, or has a `runtime.txt` of its own.
    """
    file = app.entries.get(_VERSION_FILE)
    if not isinstance(file, File) or _RUNTIME_FILE in app.entries:
        return app
    named = _VERSION.search(file.data.decode("utf-8", "replace"))
    if named is None or named["version"].count(".") < 2:
        return app
    data = f"python-{named['version']}\n".encode()
    return Tree(entries={**app.entries, _RUNTIME_FILE: File(data=data)})


def _locked(lock: bytes | None) -> set[str]:
    """What Pipenv's lock says of the Python that it is for."""
    try:
        requires = json.loads(lock or b"{}")["_meta"]["requires"]
        named = [requires.get("python_full_version"), requires.get("python_version")]
    except (ValueError, LookupError, TypeError, AttributeError):
        return set()
    return {each for each in named if isinstance(each, str) and _VERSION.match(each)}
