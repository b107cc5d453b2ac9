"""Every planted fault is found, as the matrix of faults says, and nothing else is."""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from runs import PROGRAM, REPOSITORY, store
from traces import need

from harness.buildpacks.source import resolve
from harness.bundled import bundled_folder
from harness.compare import DivergenceKind
from harness.store import Store

# Those that the program itself takes for its own: in tox it is installed, and has its own copies.
FIXTURES = bundled_folder("fixtures")
BUILDPACKS = FIXTURES / "buildpacks/faults"
SCENARIOS = {file.stem: file for file in (FIXTURES / "faults/scenarios").glob("*.toml")}
MATRIX = tomllib.loads((FIXTURES / "faults.toml").read_text())
RIGHT: tuple[str, ...] = tuple(MATRIX["right"])
ROWS: list[dict[str, Any]] = MATRIX["shows"]
KINDS = [str(kind) for kind in DivergenceKind]
FOUND = (*KINDS, "unstable", "unmet")
SCRIPTS = ["build.sh", "detect.sh", "every-input.sh", "managers.sh", "small.sh", "thrifty.sh"]
DOCUMENT = REPOSITORY / "docs/planted-faults.md"

# What a build shows: the kinds, each with its paths or sentences.
Shown = dict[str, list[str]]


def faults(rows: Iterable[dict[str, Any]] = ROWS) -> list[str]:
    return list(dict.fromkeys(row["fault"] for row in rows))


def in_scenario(name: str) -> list[dict[str, Any]]:
    return [row for row in ROWS if row["scenario"] == name]


def commits(row: dict[str, Any]) -> list[int]:
    commit = row["commit"]
    return commit if isinstance(commit, list) else [commit]


def expected(rows: Iterable[dict[str, Any]], fault: str, commit: int) -> Shown:
    """What one buildpack must show at one commit of a scenario with these rows."""
    shown: Shown = {}
    for row in rows:
        if row["fault"] == fault and commit in commits(row):
            kinds = {kind: row[kind] for kind in FOUND if kind in row}
            shown |= {kind: [""] if what is True else what for kind, what in kinds.items()}
    return shown


def found(step: dict[str, Any]) -> Shown:
    """What a report says of a commit."""
    shown: Shown = {"unmet": step["unmet"], "unstable": [_path(each) for each in step["noise"]]}
    for each in step["divergences"]:
        shown.setdefault(each["kind"], []).append(_path(each))
    return {kind: what for kind, what in shown.items() if what}


def _path(divergence: dict[str, Any]) -> str:
    root, path = divergence["root"].rpartition("/")[2], divergence["path"]
    return root if path == "." else f"{root}/{path}".strip("/")


def verdict(shown: Shown) -> str:
    if shown.keys() & set(KINDS):
        return "diverges"
    return "unstable" if "unstable" in shown else "agrees"


def differences(wanted: Shown, shown: Shown) -> list[str]:
    """What is found and not expected, and what is expected and not found."""
    said = []
    for kind in FOUND:
        patterns, what = wanted.get(kind, []), shown.get(kind, [])
        said += [
            f"{kind}: {each} is not in the matrix"
            for each in what
            if not any(_matches(pattern, each) for pattern in patterns)
        ]
        said += [
            f"{kind}: {pattern} is not found"
            for pattern in patterns
            if not any(_matches(pattern, each) for each in what)
        ]
    return said


def _matches(pattern: str, text: str) -> bool:
    # What is not met is a sentence, which may itself hold a pattern.
    if pattern == text:
        return True
    inside, below, _ = pattern.partition("/**")
    expression = re.escape(inside).replace(r"\*", "[^/]*") + ("(/.*)?" if below else "")
    return re.fullmatch(expression, text) is not None


# --- the matrix --------------------------------------------------------------------------------


def test_every_buildpack_and_every_scenario_is_in_the_matrix():
    there = {program.parent.parent.name for program in BUILDPACKS.glob("*/bin/compile")}
    assert {*faults(), *RIGHT} == there
    assert not set(faults()) & set(RIGHT)
    assert {row["scenario"] for row in ROWS} == SCENARIOS.keys()


def test_every_kind_of_divergence_is_in_the_matrix():
    assert {kind for row in ROWS for kind in FOUND if kind in row} == set(FOUND)


def test_no_row_is_empty_or_misspelt():
    for row in ROWS:
        assert row.keys() & set(FOUND), row
        assert row.keys() <= {"fault", "scenario", "commit", *FOUND}, row


def test_every_fault_says_which_it_is():
    for name in (*faults(), *RIGHT):
        program = (BUILDPACKS / name / "bin/compile").read_text()
        assert re.match(r"#!/usr/bin/env bash\n# [A-Z].*\n", program), name


@pytest.mark.parametrize("name", [*faults(), *RIGHT])
def test_every_buildpack_has_its_scripts_and_is_another_one(name, tmp_path):
    folder, unused = BUILDPACKS / name, Store(root=tmp_path / "store")
    here = resolve(str(folder), store=unused, into=tmp_path / "here")
    right = resolve(str(BUILDPACKS / "right"), store=unused, into=tmp_path / "right")
    assert sorted(file.name for file in (here.folder / "lib").iterdir()) == SCRIPTS
    assert not [path for path in here.folder.rglob("*") if path.is_symlink()]
    assert (here.digest == right.digest) == (name == "right")


def test_the_document_has_the_matrix():
    rows = [
        f"| `{row['fault']}` | `{row['scenario']}` |"
        f" {', '.join(kind for kind in FOUND if kind in row)} |"
        for row in ROWS
    ]
    lines = [re.sub(r" +", " ", line) for line in DOCUMENT.read_text().splitlines()]
    told = [re.sub(r"^(\|[^|]+)\|[^|]+(\|.*)$", r"\1\2", line) for line in lines]
    assert [line for line in told if line.startswith("| `")] == rows


# --- what is found -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """Gives a scenario's results by buildpack; its builds are run once, in a store of their own."""
    need("bubblewrap")
    shared, own = store().root, tmp_path_factory.mktemp("faults")
    for name in ("images", "runtimes", "tools", "releases"):
        (shared / name).mkdir(parents=True, exist_ok=True)
        (own / name).symlink_to(shared / name)

    @cache
    def of(scenario: str) -> dict[str, Any]:
        report = own / f"{scenario}.json"
        command = [PROGRAM, "matrix", SCENARIOS[scenario], "--sandbox", "bubblewrap"]
        for name in (*RIGHT, *faults(in_scenario(scenario))):
            command += ["--buildpack", BUILDPACKS / name]
        command += ["--store", own, "--report", f"json={report}"]
        done = subprocess.run(
            list(map(str, command)), cwd=own, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1, done.stdout + done.stderr
        document = json.loads(report.read_text())
        return {Path(result["buildpack"]).name: result for result in document["results"]}

    return of


def faulty(result: dict[str, Any], rows: list[dict[str, Any]], fault: str) -> list[str]:
    """How a scenario's result is another than the matrix has it, a line each."""
    said = [result["error"]] if result.get("error") else []
    for number, step in enumerate(result["steps"], start=1):
        wanted = expected(rows, fault, number)
        said += [f"commit {number}: {each}" for each in differences(wanted, found(step))]
        if step["verdict"] != verdict(wanted):
            said.append(f"commit {number}: {step['verdict']} and not {verdict(wanted)}")
    return said


@pytest.mark.image
@pytest.mark.bubblewrap
@pytest.mark.timeout(600)
class TestMatrix:
    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_right_buildpacks_show_nothing(self, results, scenario):
        for name in RIGHT:
            assert faulty(results(scenario)[name], [], name) == []

    @pytest.mark.parametrize(
        ("scenario", "fault"), [(s, f) for s in SCENARIOS for f in faults(in_scenario(s))]
    )
    def test_fault_shows_what_the_matrix_says_and_nothing_else(self, results, scenario, fault):
        rows = in_scenario(scenario)
        assert faulty(results(scenario)[fault], rows, fault) == []

    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_a_fault_that_is_mended_would_be_noticed(self, results, scenario):
        rows = in_scenario(scenario)
        for name in RIGHT:
            for fault in faults(rows):
                assert faulty(results(scenario)[name], rows, fault), fault
