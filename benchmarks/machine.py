"""What a measurement was taken on, and when."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

_GIBIBYTE = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """All that a reader needs to judge times by.

    Attributes:
        date: The day, in UTC, as 2026-01-31.
        processor: Its name.
        cores: How many of it this process may use.
        memory: GiB.
        kernel: As uname(1) reports.
        file_system: That of the measured folder.
        python: The version of the interpreter.
        load: The load average of the minute before; from half the cores on, times are too long.
    """

    date: str
    processor: str
    cores: int
    memory: float
    kernel: str
    file_system: str
    python: str
    load: float

    def __str__(self) -> str:
        return (
            f"{self.date}; {self.cores} cores ({self.processor}), {self.memory:.0f} GiB,"
            f" Linux {self.kernel}, {self.file_system}, Python {self.python};"
            f" load before: {self.load:.1f}"
        )


def this_machine(folder: Path) -> Machine:
    """This machine now; `folder` is where files are measured."""
    return Machine(
        date=datetime.now(UTC).date().isoformat(),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory=psutil.virtual_memory().total / _GIBIBYTE,
        kernel=platform.release(),
        file_system=_file_system(folder),
        python=platform.python_version(),
        load=os.getloadavg()[0],
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    place = folder.resolve()
    above = [
        mount
        for mount in psutil.disk_partitions(all=True)
        if place.is_relative_to(mount.mountpoint)
    ]
    return max(above, key=lambda mount: len(mount.mountpoint)).fstype if above else "unknown"
