"""Which of the harness's own code a stored result depends on."""

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent

BUILDING = (
    "build.py",
    "buildpacks",
    "internet",
    "packages",
    "sandboxes",
    "scenarios/tree.py",
    "stack",
)
"""What has a say in what a build does."""


@cache
def code_digest(parts: tuple[str, ...] = ()) -> str:
    """The sha256, in hex, of the harness's own sources.

    Results are stored by it as well, so that none outlives the code that it came from, whether by
    an upgrade or while somebody works on the harness.

    Args:
        parts: Files and folders of the package; without any, all of it.
    """
    digest = hashlib.sha256()
    for part in parts or (".",):
        top = _PACKAGE / part
        for path in sorted(top.rglob("*.py")) if top.is_dir() else [top]:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(_PACKAGE)} {content}\n".encode())
    return digest.hexdigest()
