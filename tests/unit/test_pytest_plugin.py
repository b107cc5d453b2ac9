"""Scenario files as pytest items: the options, the reports, and what others pay for the plug-in."""

import json
import tomllib
from pathlib import Path

import pytest
from _pytest.config import Config
from _pytest.pytester import Pytester

from harness.cli import cli
from harness.commands.lazy import Listed
from harness.commands.options import RunOptions
from harness.pytest_plugin import RENAMED

pytest_plugins = ("pytester",)

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
NOT_OFFERED: dict[str, str] = {}
"""Options of `run` that pytest does not have, each with the reason."""

SCENARIO = """
description = "An unchanged rebuild."
[app]
files = { "requirements.txt" = "" }
[[commits]]
message = "Rebuild"
"""
# Builds take a sandbox. What a run of one would show depends on the scenario's name alone.
WITHOUT_BUILDS = """
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from harness.pytest_plugin import scenarios
from harness.verdicts.divergence import Divergence, DivergenceKind
from harness.verdicts.result import Builds, Result, Reuse, Run, Seconds, Step, Verdict


@contextmanager
def opened(settings):
    yield SimpleNamespace(settings=settings, folder=Path("work"))


def judged(given, *, session, jobs, known):
    (scenario,) = given
    found = ()
    if scenario.name.startswith("bad"):
        found = (Divergence(path="left\\udcff", kind=DivergenceKind.LEFTOVER, why="w"),)
    step = Step(
        commit="0" * 40,
        message=f"{jobs} jobs",
        verdict=Verdict.DIVERGES if found else Verdict.AGREES,
        reuse=Reuse.REUSED,
        seconds=Seconds(cached=1, clean=2),
        compared=3,
        divergences=found,
    )
    result = Result(
        scenario=scenario.name,
        file=scenario.file.name,
        buildpack=session.settings.buildpack,
        sandbox="none",
        image="none",
        steps=(step,),
    )
    return Run(results=(result,), builds=Builds(needed=2, run=1, reused=1))


scenarios.open_session = opened
scenarios.run_scenarios = judged
"""


@pytest.fixture
def files(pytester: Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pytester:
    """Three scenarios, of which the first agrees, the second does not, the third is no TOML."""
    monkeypatch.setenv("CACHE_HARNESS_STORE", str(tmp_path / "store"))
    pytester.makeconftest(WITHOUT_BUILDS)
    for name, text in (("good", SCENARIO), ("bad", SCENARIO), ("none", "nothing")):
        pytester.makefile(".toml", **{name: text})
    return pytester


def test_each_option_of_run_is_offered(pytestconfig: Config) -> None:
    run = cli.commands["run"]
    assert isinstance(run, Listed)
    flags = {flag for option in run.load().params for flag in option.opts if flag[:2] == "--"}
    assert set(NOT_OFFERED) <= flags
    for flag in flags - {*NOT_OFFERED}:
        pytestconfig.getoption(RENAMED.get(flag, flag))


def test_what_is_given_arrives(pytester: Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_HARNESS_STORE", "/store")
    pytester.makefile(".toml", known="")
    config = pytester.parseconfigure(
        *("--buildpack", "b", "--sandbox", "s", "--image", "i", "--jobs", "3", "--tape", "t"),
        *("--report", "json=a", "--report", "json=c", "--known", "known.toml", "--fresh"),
        *("--python", "3.12.1", "--compare", "c", "--tool", "pip==1", "--build-timeout", "1.5"),
        *("--memory", "7", "--keep", "--write-known", "w"),
    )  # fmt: skip
    plugin = config.pluginmanager.get_plugin("cache-harness-scenarios")
    assert plugin.options == RunOptions(
        buildpack="b", sandbox="s", image="i", jobs=3, tape=Path("t"),
        reports=("json=a", "json=c"), known_files=(Path("known.toml"),), fresh=True,
        pythons=("3.12.1",), compare=("c",), tools=("pip==1",), timeout=1.5, memory=7,
        keep=True, write_known=Path("w"), store=Path("/store"),
    )  # fmt: skip
    assert plugin.jobs == 3


def test_what_is_not_given_is_as_for_run(pytester: Pytester) -> None:
    config = pytester.parseconfigure("--buildpack", "b")
    plugin = config.pluginmanager.get_plugin("cache-harness-scenarios")
    assert plugin.options == RunOptions(buildpack="b")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--jobs", "0"), "--jobs: 0 is less than 1"),
        (("--build-timeout", "x"), "--build-timeout: 'x' is not a number"),
        (("--report", "xml=f"), "--report xml=f: unknown report"),
        (("--report", "json=no/f"), "--report json=no/f: no/f cannot be written"),
        (("--write-known", "no/f"), "--write-known no/f: no/f cannot be written"),
        (("--known", "no"), "no: cannot be read: No such file or directory"),
    ],
)
def test_a_mistake_is_reported_before_anything_runs(
    pytester: Pytester, arguments: tuple[str, str], said: str
) -> None:
    with pytest.raises(pytest.UsageError) as error:
        pytester.parseconfigure("--buildpack", "b", *arguments)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_reports_have_what_every_process_found(files: Pytester, processes: tuple[str, ...]) -> None:
    files.makefile(".toml", bad2=SCENARIO)
    arguments = ("--report", "json=r.json", "--write-known", "known.toml", "--keep")
    done = files.runpytest_subprocess("--buildpack", "b", *arguments, *processes)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.assert_outcomes(passed=1, failed=3)
    report = json.loads((files.path / "r.json").read_text())
    assert [(one["scenario"], one["verdict"]) for one in report["results"]] == [
        ("bad", "diverges"), ("bad2", "diverges"), ("good", "agrees"), ("none", "failed"),
    ]  # fmt: skip
    assert report["builds"] == {"needed": 6, "run": 3, "reused": 3}
    bad, _, good, none = report["results"]
    assert bad["steps"][0]["divergences"][0]["path"] == "left\\xff"
    assert (good["steps"][0]["message"] == "1 jobs") is bool(processes)
    assert none["file"] == "none.toml"
    assert "/none.toml:1: is not TOML" in none["error"]
    known = tomllib.loads((files.path / "known.toml").read_text())["known"]
    assert [entry["scenario"] for entry in known] == ["bad", "bad2"]
    assert done.stdout.str().count("kept: work\n") == 1


KNOWN = r"""
[[known]]
scenario = "bad"
commit = 1
reason = "slow"
link = "https://example.invalid/1"
leftover = ['left\xff']
"""


def test_what_is_known_is_an_expected_failure(files: Pytester) -> None:
    files.makefile(".toml", known=KNOWN)
    done = files.runpytest_subprocess(
        "--buildpack", "b", "--known", "known.toml", "bad.toml", "-rx"
    )
    done.assert_outcomes(xfailed=1)
    assert "slow" in done.stdout.str()


def test_a_report_that_cannot_be_written_at_the_end_ends_with_status_2(files: Pytester) -> None:
    files.makeconftest(
        WITHOUT_BUILDS + "def pytest_runtestloop(session):\n    Path('r.json').mkdir()\n"
    )
    done = files.runpytest_subprocess("--buildpack", "b", "--report", "json=r.json", "good.toml")
    assert done.ret == 2
    assert "--report json=r.json: Is a directory" in done.stderr.str()


def test_without_a_buildpack_no_scenario_is_collected(files: Pytester) -> None:
    done = files.runpytest_subprocess("--report", "json=r.json")
    assert done.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert not (files.path / "r.json").exists()


MODULES = """
import sys

def test_nothing():
    print("imported:", *sys.modules)
"""


def imported(pytester: Pytester, *arguments: str) -> set[str]:
    """The modules that are there when a test runs."""
    # Other plug-ins that happen to be installed here import what they like.
    quiet = ("-p", "no:xdist", "-p", "no:hypothesispytest", "-p", "no:anyio", "-s")
    done = pytester.runpytest_subprocess(*quiet, *arguments)
    done.assert_outcomes(passed=1)
    (line,) = (one for one in done.outlines if "imported:" in one)
    return set(line.partition("imported:")[2].split())


def requirements() -> set[str]:
    """The packages that the harness requires, as they are imported.

    Without those that pytest has anyhow: its own, and a plug-in of platformdirs.
    """
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    names = {line.partition(">")[0].lower() for line in project["dependencies"]}
    renamed = {"gitpython": "git"}
    return {renamed.get(name, name).replace("-", "_") for name in names} - {
        "pytest",
        "packaging",
        "platformdirs",
    }


def test_pytest_pays_next_to_nothing_until_a_buildpack_is_named(pytester: Pytester) -> None:
    pytester.makepyfile(MODULES)
    modules = imported(pytester)
    assert {name for name in modules if name.partition(".")[0] == "harness"} == {
        "harness", "harness.bundled", "harness.commands", "harness.commands.option",
        "harness.commands.options", "harness.errors", "harness.pytest_plugin", "harness.sandboxes",
    }  # fmt: skip
    assert modules & requirements() == set()


def test_an_import_would_be_seen(pytester: Pytester) -> None:
    pytester.makepyfile(MODULES)
    modules = imported(pytester, "--buildpack", "b")
    assert "harness.runs.session" in modules
    assert {"git", "pydantic", "uvicorn"} <= modules & requirements()
