"""The programs of classic buildpacks."""

import os
from pathlib import Path


def has_program(folder: Path, name: str) -> bool:
    """Whether a buildpack has a program that may be run.

    Args:
        folder: The buildpack's files.
        name: The program's, such as `compile`.
    """
    return os.access(folder / "bin" / name, os.X_OK)
