"""Which of the harness's own code a stored result depends on."""

import hashlib
from functools import cache
from pathlib import Path, PurePath

_PACKAGE = Path(__file__).resolve().parents[1]

NOT_BUILDING = (
    "builds/escapes.py",
    "builds/log.py",
    "cli.py",
    "commands",
    "diagnosis",
    "ecosystems/python/bytecode.py",
    "ecosystems/python/bytecode_difference.py",
    "ecosystems/python/bytecode_use.py",
    "ecosystems/python/explanation.py",
    "ecosystems/python/fetches.py",
    "ecosystems/python/install_log.py",
    "ecosystems/python/reuse.py",
    "ecosystems/python/rules.py",
    "ecosystems/reuse.py",
    "internet/forge_urls.py",
    "pytest_plugin",
    "reports",
    "runs/display.py",
    "runs/judging.py",
    "runs/progress.py",
    "runs/schedule.py",
    "runs/stored.py",
    "scenarios/by_name.py",
    "trees/difference.py",
    "trees/git/difference.py",
    "verdicts/cache_expectations.py",
    "verdicts/compare.py",
    "verdicts/divergence.py",
    "verdicts/judge.py",
    "verdicts/known.py",
    "verdicts/lack.py",
    "verdicts/log_expectations.py",
    "verdicts/nearest_lines.py",
    "verdicts/owners.py",
    "verdicts/result.py",
    "verdicts/reuse.py",
    "verdicts/unmet.py",
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
        if not {name, *name.parents} & {*map(PurePath, without)}:
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
