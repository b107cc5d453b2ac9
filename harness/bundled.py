"""The scenarios, fixtures and buildpacks that come with the harness."""

from pathlib import Path

from harness.errors import HarnessError

DEFAULT_BUILDPACK = "root-requirements"
"""The bundled buildpack that is used where none is named."""

_PACKAGE = Path(__file__).resolve().parent


def bundled_folder(name: str) -> Path:
    """A folder that comes with the harness: `scenarios` or `fixtures`.

    In an installed package it lies beside this module, in a checkout beside the package.

    Raises:
        HarnessError: The installation lacks it.
    """
    for folder in (_PACKAGE / "bundled" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise HarnessError(
        f"the harness's own folder `{name}` is missing from {_PACKAGE}",
        hint="reinstall the harness",
    )


def bundled_scenarios() -> Path:
    """The folder of the scenarios that ship."""
    return bundled_folder("scenarios")


def bundled_repositories() -> Path:
    """The folder of the forks and apps that ship."""
    return bundled_folder("fixtures") / "repos"


def bundled_buildpacks() -> Path:
    """The folder of the small buildpacks that ship."""
    return bundled_folder("fixtures") / "buildpacks"
