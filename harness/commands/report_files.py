"""Files that a run is written to besides what is printed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.commands.output import check_writable, write_file
from harness.errors import HarnessError
from harness.reports import json as json_report
from harness.verdicts.known import KnownFile, written
from harness.verdicts.result import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFile:
    """A file that a run is written to.

    Attributes:
        option: The option that asked for it, with its value, for errors.
        path: The file.
        render: What makes its text.
    """

    option: str
    path: Path
    render: Callable[[Run], str]

    def check(self) -> None:
        """Holds before any build runs that the file can be written.

        Raises:
            HarnessError: It cannot be.
        """
        check_writable(self.option, self.path)

    def write(self, run: Run) -> None:
        """Writes the file whole or not at all.

        Raises:
            HarnessError: It cannot be written.
        """
        write_file(self.option, self.path, self.render(run))


def report_files(
    reports: Iterable[str], *, write_known: Path | None, known: Sequence[KnownFile]
) -> tuple[ReportFile, ...]:
    """The files that options ask for; that they can be written is checked.

    Args:
        reports: Values of `--report`, as `json=FILE`.
        write_known: The file of `--write-known`.
        known: Lists whose reasons and links that file takes over.

    Raises:
        HarnessError: A report's format is unknown, or a file cannot be written.
    """
    files = [_report_file(report) for report in reports]
    if write_known is not None:
        option = f"--write-known {write_known}"
        render = partial(written, before=known)
        files.append(ReportFile(option=option, path=write_known, render=render))
    for file in files:
        file.check()
    return tuple(files)


def _report_file(report: str) -> ReportFile:
    form, equals, name = report.partition("=")
    if form != "json" or not equals or not name:
        raise HarnessError(f"--report {report}: unknown report", hint="--report json=FILE")
    return ReportFile(option=f"--report {report}", path=Path(name), render=json_report.render)
