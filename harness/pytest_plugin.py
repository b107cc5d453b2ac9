"""Runs scenario files as pytest items: `pytest scenarios --buildpack NAME`, also with `-n auto`."""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError, refusal
from harness.reports import console
from harness.runs.runner import run_scenarios
from harness.runs.session import Session, Settings
from harness.scenarios.scenario import load_scenario
from harness.storage.store import Store, default_root
from harness.verdicts.known import load_known, with_known
from harness.verdicts.result import Result

_SESSION = pytest.StashKey[Session]()
_EXITS = pytest.StashKey[ExitStack]()
_NOT_SCENARIOS = frozenset({"pyproject.toml", "repo.toml", "buildpack.toml", "uv.lock"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options that say what the scenarios are run against."""
    group = parser.getgroup("cache harness", "scenario files as tests")
    group.addoption(
        "--buildpack",
        metavar="PATH|REPOSITORY@REF|NAME",
        help="run the scenario files (*.toml) found in the arguments against this buildpack",
    )
    group.addoption(
        "--sandbox", metavar="NAME", help="where builds run; what `cache-harness doctor` names"
    )
    group.addoption("--image", metavar="IMAGE", help="the stack image; built where there is none")
    group.addoption("--store", metavar="DIR", type=Path, help="what is kept between runs")
    group.addoption(
        "--tape",
        metavar="FILE",
        type=Path,
        help="a tape, from which builds are answered what their scenarios do not have",
    )
    group.addoption(
        "--known",
        dest="known_files",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="what the buildpack is known to do wrong: such items xfail, and fail once they do not",
    )
    group.addoption(
        "--python",
        dest="pythons",
        action="append",
        default=[],
        metavar="VERSION",
        help="a kept runtime: the first is ${python@default}, the second ${python@other}",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ScenarioFile | None":
    """Takes scenario files, once a buildpack is named."""
    asked = parent.config.getoption("buildpack") is not None
    if asked and file_path.suffix == ".toml" and file_path.name not in _NOT_SCENARIOS:
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes the session's sandbox and work folder."""
    exits = config.stash.get(_EXITS, None)
    if exits is not None:
        exits.close()


class ScenarioFile(pytest.File):
    """A scenario file; its one item is the scenario."""

    def collect(self) -> Iterable["ScenarioItem"]:
        """Yields the item; the file is read when the item runs, so that faults are its failure."""
        yield ScenarioItem.from_parent(self, name=self.path.stem)


class ScenarioItem(pytest.Item):
    """A scenario: passes where every commit is as expected."""

    def runtest(self) -> None:
        """Runs all of the scenario's builds.

        Raises:
            ScenarioFailed: A commit is not as expected.
            HarnessError: The harness could not tell.
        """
        scenario = load_scenario(self.path)
        # With pytest-xdist there is a process for each core already.
        jobs = 1 if hasattr(self.config, "workerinput") else os.cpu_count() or 1
        known = [load_known(file) for file in self.config.getoption("known_files")]
        session = _session(self.config)
        found = run_scenarios((scenario,), session=session, jobs=jobs, known=known)
        (result,) = with_known(found, known).results
        for line in _timing(result):
            self.add_report_section("call", "builds", line)
        if result.exit_code:
            raise ScenarioFailed(result)
        told = dict.fromkeys(known.reason for step in result.steps for known in step.known)
        if told:
            pytest.xfail("; ".join(told))

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


class ScenarioFailed(Exception):  # noqa: N818 - it is a failure, not an error
    """A scenario's commits were not as expected."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.scenario)
        self.result = result


def _session(config: pytest.Config) -> Session:
    """The one session of this process, opened by the first scenario that runs."""
    if _SESSION not in config.stash:
        settings = Settings(
            buildpack=config.getoption("buildpack"),
            sandbox=config.getoption("sandbox"),
            image=config.getoption("image"),
            store=Store(root=config.getoption("store") or default_root()),
            pythons=tuple(config.getoption("pythons")),
            tape=config.getoption("tape"),
        )
        exits = ExitStack()
        config.stash[_SESSION] = exits.enter_context(Session.open(settings))
        config.stash[_EXITS] = exits
    return config.stash[_SESSION]


def _timing(result: Result) -> Iterator[str]:
    for number, step in enumerate(result.steps, start=1):
        yield (
            f"commit {number}: {step.verdict}, cache {step.reuse}, "
            f"cached {step.seconds.cached:.1f} s, clean {step.seconds.clean:.1f} s\n"
        )
