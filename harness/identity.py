"""Which of the harness's own code a stored result depends on."""

import hashlib
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent

NOT_BUILDING = (
    "bytecode.py",
    "cli.py",
    "commands",
    "compare.py",
    "diagnosis",
    "display.py",
    "doctor.py",
    "fetches.py",
    "install_log.py",
    "judge.py",
    "known.py",
    "printing.py",
    "progress.py",
    "pytest_plugin.py",
    "reports",
    "reuse.py",
    "schedule.py",
    "schema.py",
    "verdict.py",
)
"""What only judges builds or shows what was judged; whatever else there is has a say in them."""


@cache
def code_digest(*, without: tuple[str, ...] = ()) -> str:
    """The sha256, in hex, of the harness's own sources.

    Results are stored by it as well, so that none outlives the code that it came from, whether by
    an upgrade or while somebody works on the harness.

    Args:
        without: Files and folders of the package that have no say in the result.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        name = path.relative_to(_PACKAGE)
        if name.parts[0] not in without:
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
