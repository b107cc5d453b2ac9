"""Scenario files as pytest items, and the reports of all that ran, from every process."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from harness.commands.options import RunOptions
from harness.commands.report_files import ReportFile, report_files
from harness.errors import ExitCode, HarnessError, refusal
from harness.reports import console
from harness.runs.opening import open_session
from harness.runs.runner import run_scenarios
from harness.runs.session import Session
from harness.scenarios.scenario import load_scenario
from harness.storage.records import dump, load
from harness.verdicts.known import KnownFile, load_known, with_known
from harness.verdicts.result import Builds, Result, Run

_NOT_SCENARIOS = frozenset({"pyproject.toml", "repo.toml", "buildpack.toml", "uv.lock"})
# What a report brings from pytest-xdist's processes, as text: only that passes between them.
_RUN = "cache_harness_run"
_KEPT = "cache_harness_kept"


@dataclass(slots=True, kw_only=True)
class Scenarios:
    """The plug-in that collects and runs scenario files.

    Attributes:
        options: What pytest was given.
        known: Lists of what is known of the buildpack.
        files: Reports that are written at the end; in the one process that has all results.
        jobs: How many builds run at once.
    """

    options: RunOptions
    known: Sequence[KnownFile]
    files: Sequence[ReportFile]
    jobs: int
    _exits: ExitStack = field(default_factory=ExitStack)
    _session: Session | None = None
    _found: dict[str, Run] = field(default_factory=dict)
    _kept: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, config: pytest.Config, options: RunOptions) -> Self:
        """The plug-in for what pytest was given.

        Raises:
            pytest.UsageError: A file of known divergences cannot be read, or a report not written.
        """
        is_worker = hasattr(config, "workerinput")
        try:
            known = tuple(load_known(file) for file in options.known_files)
            files = () if is_worker else report_files(
                options.reports, write_known=options.write_known, known=known
            )  # fmt: skip
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from error
        jobs = options.jobs or (1 if is_worker else os.cpu_count() or 1)
        return cls(options=options, known=known, files=files, jobs=jobs)

    def run(self, file: Path) -> Run:
        """Runs all builds of a scenario, and holds what they show against what is known.

        Raises:
            HarnessError: The harness could not tell.
        """
        scenario = load_scenario(file)
        if self._session is None:
            self._session = self._exits.enter_context(open_session(self.options.settings()))
        found = run_scenarios((scenario,), session=self._session, jobs=self.jobs, known=self.known)
        return with_known(found, self.known)

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> "ScenarioFile | None":
        """Takes scenario files."""
        if file_path.suffix == ".toml" and file_path.name not in _NOT_SCENARIOS:
            return ScenarioFile.from_parent(parent, path=file_path, scenarios=self)
        return None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[None]:
        """Gives a scenario's report what it showed, for the process that writes all reports."""
        report = yield
        if isinstance(item, ScenarioItem) and call.when == "call" and item.found is not None:
            setattr(report, _RUN, dump(item.found))
            if self.options.keep and self._session is not None:
                setattr(report, _KEPT, str(self._session.folder))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gathers what scenarios showed, wherever they ran."""
        if text := getattr(report, _RUN, ""):
            self._found[report.nodeid] = load(Run, text)
        if folder := getattr(report, _KEPT, ""):
            self._kept.add(folder)

    def pytest_sessionfinish(self) -> None:
        """Writes the reports that were asked for."""
        if not self._found:
            return
        run = _joined(run for _, run in sorted(self._found.items()))
        try:
            for file in self.files:
                file.write(run)
        except HarnessError as error:
            pytest.exit(str(error), returncode=ExitCode.UNKNOWN)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Prints which work folders were kept."""
        for folder in sorted(self._kept):
            terminalreporter.write_line(f"kept: {folder}")

    def pytest_unconfigure(self) -> None:
        """Removes the session's sandbox and work folder."""
        self._exits.close()


class ScenarioFile(pytest.File):
    """A scenario file; its one item is the scenario."""

    def __init__(self, *, scenarios: Scenarios, **of_file: Any) -> None:
        super().__init__(**of_file)
        self.scenarios = scenarios

    def collect(self) -> Iterable["ScenarioItem"]:
        """Yields the item; the file is read when the item runs, so that faults are its failure."""
        yield ScenarioItem.from_parent(self, name=self.path.stem, scenarios=self.scenarios)


class ScenarioItem(pytest.Item):
    """A scenario: passes where every commit is as expected.

    Attributes:
        found: What its run showed, once it has run.
    """

    def __init__(self, *, scenarios: Scenarios, **of_item: Any) -> None:
        super().__init__(**of_item)
        self.found: Run | None = None
        self._scenarios = scenarios

    def runtest(self) -> None:
        """Runs all of the scenario's builds.

        Raises:
            ScenarioFailed: A commit is not as expected.
            HarnessError: The harness could not tell.
        """
        try:
            self.found = self._scenarios.run(self.path)
        except HarnessError as error:
            self.found = self._without_verdict(error)
            raise
        (result,) = self.found.results
        for line in _timing(result):
            self.add_report_section("call", "builds", line)
        if result.skipped:
            pytest.skip(result.skipped)
        if result.exit_code:
            raise ScenarioFailed(result)
        reasons = dict.fromkeys(known.reason for step in result.steps for known in step.known)
        if reasons:
            pytest.xfail("; ".join(reasons))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The divergence report or the harness's own message; no traceback."""
        error = excinfo.value
        if isinstance(error, ScenarioFailed):
            return console.plain(error.result)
        if isinstance(error, OSError):
            error = refusal(error) or error
        if isinstance(error, HarnessError):
            return str(error)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The scenario file, as pytest names it in its report."""
        return self.path, None, str(self.path.name)

    def _without_verdict(self, error: HarnessError) -> Run:
        """The result of a scenario that could not be run."""
        options = self._scenarios.options
        result = Result(
            scenario=self.name,
            file=self.nodeid.partition("::")[0],
            buildpack=options.buildpack,
            sandbox=options.sandbox or "",
            image=options.image or "",
            steps=(),
            error=str(error),
        )
        return Run(results=(result,), builds=Builds(needed=0, run=0, reused=0))


class ScenarioFailed(Exception):  # noqa: N818 - it is a failure, not an error
    """A scenario's commits were not as expected."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.scenario)
        self.result = result


def _joined(runs: Iterable[Run]) -> Run:
    """Several runs as one."""
    runs = tuple(runs)
    return Run(
        results=tuple(result for run in runs for result in run.results),
        builds=Builds(
            needed=sum(run.builds.needed for run in runs),
            run=sum(run.builds.run for run in runs),
            reused=sum(run.builds.reused for run in runs),
        ),
    )


def _timing(result: Result) -> Iterator[str]:
    for number, step in enumerate(result.steps, start=1):
        yield (
            f"commit {number}: {step.verdict}, cache {step.reuse}, "
            f"cached {step.seconds.cached:.1f} s, clean {step.seconds.clean:.1f} s\n"
        )
