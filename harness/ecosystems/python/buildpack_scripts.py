"""What a buildpack's own scripts say of Python: the tools that it pins, and the releases it knows.

Scripts write a pin as `PIP_VERSION='22.0.4'`, or as `pip==22.0.4` in a requirements file of the
buildpack's own.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_TOOLS = ("pip", "setuptools", "wheel")
_MANAGERS = {
    "Pipfile": "pipenv",
    "Pipfile.lock": "pipenv",
    "poetry.lock": "poetry",
    "uv.lock": "uv",
}
"""The files by which an app asks for a package manager."""
_INSTALLS_OTHERS = "uv"
"""With this one a buildpack may install any other."""
_NAMES = "|".join((*_TOOLS, *dict.fromkeys(_MANAGERS.values())))
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
_STEPS = {"hooks": "pre_compile", "nltk": "nltk.txt", "collectstatic": "collectstatic"}
"""What a buildpack does besides, and the word in its scripts by which it is known."""
_KEPT_PYTHONS = {
    "sticky-python": "same version as the last build",
    "sticky-minor-python": "same major version as the last build",
}
"""What of the Python of the build before an app keeps that names none, by what is logged of it."""
_DEFAULT_FEATURE = "default-python"
_VERSION_FILE = ".python-version"
_FOLDERS = ("bin", "lib", "requirements", "vendor")
_LARGEST = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPythons:
    """The Pythons that a buildpack's scripts name.

    Attributes:
        latest: By minor version (`3.11`), the release that it installs for it (`3.11.16`).
        default: The minor version that it installs where an app names none; empty where unknown.
    """

    latest: Mapping[str, str] = field(default_factory=dict)
    default: str = ""


def pinned_tools(folder: Path) -> tuple[str, ...]:
    """Exact pins of the pip, setuptools and wheel that a buildpack installs, sorted."""
    return tuple(pin for pin in _pins(folder) if pin.partition("==")[0] in _TOOLS)


def pinned_managers(folder: Path, files: Collection[str]) -> tuple[str, ...]:
    """Exact pins of the package managers that a buildpack installs for an app, sorted.

    Where there is one, what it may be installed with is among them.

    Args:
        folder: The buildpack.
        files: Paths of the app's files: those at its root decide which managers it asks for.
    """
    wanted = {_MANAGERS[name] for name in _MANAGERS if name in files}
    if not wanted:  # asked of each commit: the scripts are read only where it needs them
        return ()
    wanted.add(_INSTALLS_OTHERS)
    return tuple(pin for pin in _pins(folder) if pin.partition("==")[0] in wanted)


def offered_features(folder: Path) -> frozenset[str]:
    """What of all that scenarios may need a buildpack offers, by what its scripts speak of.

    That is `pip`, each of the package managers that it installs and whose files it looks for,
    `hooks` (the app's `bin/pre_compile` and `bin/post_compile`), `nltk` (`nltk.txt`) and
    `collectstatic`. An app that names no Python gets the default (`default-python`), the same as
    before (`sticky-python`), or one of the same minor version (`sticky-minor-python`).
    """
    texts = tuple(_scripts(folder))
    pinned = {pin.partition("==")[0] for pin in _pins(folder)}
    managers = {
        manager
        for file, manager in _MANAGERS.items()
        if manager in pinned and any(file in text for text in texts)
    }
    steps = {name for name, word in _STEPS.items() if any(word in text for text in texts)}
    kept = {name for name, said in _KEPT_PYTHONS.items() if any(said in text for text in texts)}
    return frozenset({"pip", *managers, *steps, *(kept or {_DEFAULT_FEATURE})})


def reads_version_file(folder: Path) -> bool:
    """Whether a buildpack reads `.python-version`, and not only `runtime.txt`."""
    return any(_VERSION_FILE in text for text in _scripts(folder))


def known_pythons(folder: Path) -> KnownPythons:
    """The releases that a buildpack's scripts call the latest ones, and which is the default."""
    texts = tuple(_scripts(folder))
    latest = {
        f"3.{match['minor']}": match["version"]
        for text in texts
        for match in _LATEST_PYTHON.finditer(text)
    }
    defaults = [match["minor"] for text in texts for match in _DEFAULT_PYTHON.finditer(text)]
    return KnownPythons(latest=latest, default=f"3.{defaults[0]}" if defaults else "")


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
    for name in _FOLDERS:
        for path in sorted((folder / name).rglob("*")):
            if path.is_file() and path.stat().st_size <= _LARGEST:
                yield path.read_bytes().decode("utf-8", "replace")
