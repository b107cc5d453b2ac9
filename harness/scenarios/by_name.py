"""Finds a scenario's file by what a person calls it."""

import difflib
from collections.abc import Iterator
from pathlib import Path

from harness.bundled import bundled_scenarios
from harness.errors import HarnessError
from harness.scenarios.scenario import scenario_name

_SUFFIX = ".toml"
_FOLDER = "scenarios"


def scenario_file(called: str) -> Path:
    """The file of a scenario.

    Args:
        called: The file, or the name that reports print: then it is looked for in the current
            folder's `scenarios`, and among those that ship.

    Raises:
        HarnessError: There is none.
    """
    path = Path(called)
    if path.suffix == _SUFFIX and path.is_file():
        return path
    for folder in _folders():
        file = folder / f"{called}{_SUFFIX}"
        if file.is_file():
            return file
    known = {scenario_name(file) for folder in _folders() for file in folder.rglob(f"*{_SUFFIX}")}
    near = difflib.get_close_matches(called, sorted(known), n=3, cutoff=0.5)
    names = f", such as {' or '.join(near)}" if near else ""
    raise HarnessError(
        f"there is no scenario {called}",
        hint=f"name a scenario file (`*.toml`), or a scenario as reports name it{names}",
    )


def _folders() -> Iterator[Path]:
    """Where scenarios are looked for by name."""
    own = Path(_FOLDER)
    if own.is_dir():
        yield own
    yield bundled_scenarios()
