"""Leaves the logs of a run's builds in its folder, for somebody to look at."""

import contextlib
import shutil
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Final

from harness.errors import StoreError
from harness.runs.case import Case
from harness.runs.plan import PlannedBuild
from harness.runs.stored import builds_of
from harness.verdicts.arms import Arm, Stored

LOGS: Final = "logs"
"""The folder of the logs in a run's own."""


def keep_logs(
    folder: Path, cases: Iterable[Case], result: Callable[[PlannedBuild], Stored | None]
) -> None:
    """Copies the log of each build of some cases, whether or not it ran in this run.

    Args:
        folder: The run's own folder. A log is `logs/SCENARIO-COMMIT-ARM.log` in it.
        cases: The cases.
        result: Gives the result of a build, as far as there is one; raises StoreError where it is
            damaged.

    Raises:
        OSError: There is no room.
    """
    logs = folder / LOGS
    logs.mkdir(exist_ok=True)
    for case in cases:
        name = case.scenario.name.replace("/", "-")
        for number, pair in enumerate(case.pairs, start=1):
            for arm in Arm:
                for build in builds_of(pair, arm):
                    with contextlib.suppress(StoreError, FileNotFoundError):
                        found = result(build)
                        if found is not None:
                            shutil.copyfile(found.log, _unused(logs, f"{name}-{number}-{arm}"))


def _unused(folder: Path, name: str) -> Path:
    """The path of a log that is not there yet: the same scenario may run with two buildpacks."""
    paths = (folder / f"{name}{f'-{number}' if number > 1 else ''}.log" for number in count(1))
    return next(path for path in paths if not path.exists())
