"""Every planted fault is found, as the matrix of faults says, and nothing else is."""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from runs import PROGRAM, REPOSITORY, store
from traces import need

from harness.buildpacks.source import resolve
from harness.bundled import bundled_folder
from harness.storage.store import Store
from harness.verdicts.divergence import DivergenceKind

# Those that the program itself takes for its own: in tox it is installed, and has its own copies.
FIXTURES = bundled_folder("fixtures")
KINDS = [str(kind) for kind in DivergenceKind]
FOUND = (*KINDS, "unstable", "unmet")
DOCUMENT = REPOSITORY / "docs/planted-faults.md"

# What a build shows: the kinds, each with its paths or sentences.
Shown = dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What some buildpacks show at some commits of a scenario."""

    faults: tuple[str, ...]
    scenario: str
    commits: tuple[int, ...]
    shows: Shown


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Buildpacks with a fault each, the scenarios that show it, and what they show."""

    name: str
    scripts: tuple[str, ...]
    right: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def buildpacks(self) -> Path:
        return FIXTURES / "buildpacks" / self.name

    @property
    def scenarios(self) -> dict[str, Path]:
        return {file.stem: file for file in (FIXTURES / self.name / "scenarios").glob("*.toml")}

    @property
    def faults(self) -> list[str]:
        return faults(self.rows)

    def of(self, scenario: str) -> list[Row]:
        return [row for row in self.rows if row.scenario == scenario]


def faults(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(fault for row in rows for fault in row.faults))


def read(name: str, *scripts: str) -> Matrix:
    document = tomllib.loads((FIXTURES / f"{name}.toml").read_text())
    rows = tuple(_row(table, document["places"]) for table in document["shows"])
    return Matrix(name=name, scripts=scripts, right=tuple(document["right"]), rows=rows)


def _row(table: dict[str, Any], places: dict[str, str]) -> Row:
    assert table.keys() & set(FOUND), table
    assert table.keys() <= {"fault", "scenario", "commit", *FOUND}, table
    fault, commit = table["fault"], table["commit"]
    kinds = {kind: table[kind] for kind in FOUND if kind in table}
    return Row(
        faults=tuple(fault if isinstance(fault, list) else [fault]),
        scenario=table["scenario"],
        commits=tuple(commit if isinstance(commit, list) else [commit]),
        shows={
            kind: [""] if what is True else [_placed(each, places) for each in what]
            for kind, what in kinds.items()
        },
    )


def _placed(path: str, places: dict[str, str]) -> str:
    first, slash, rest = path.partition("/")
    return f"{places.get(first, first)}{slash}{rest}"


MATRICES = (
    read(
        "faults",
        *("build.sh", "detect.sh", "every-input.sh", "managers.sh", "small.sh", "thrifty.sh"),
    ),
    read("mutations", "detect.sh", "policy.sh", "release.sh"),
)


def cases(parts: Callable[[Matrix], Iterable[tuple[str, ...]]]) -> list[Any]:
    return [
        pytest.param(matrix, *each, id="-".join((matrix.name, *each)))
        for matrix in MATRICES
        for each in parts(matrix)
    ]


MATRIX = pytest.mark.parametrize("matrix", MATRICES, ids=[matrix.name for matrix in MATRICES])
BUILDPACK = pytest.mark.parametrize(
    ("matrix", "name"), cases(lambda one: [(name,) for name in (*one.faults, *one.right)])
)
SCENARIO = pytest.mark.parametrize(
    ("matrix", "scenario"), cases(lambda one: [(name,) for name in one.scenarios])
)
FAULT = pytest.mark.parametrize(
    ("matrix", "scenario", "fault"),
    cases(lambda one: [(s, f) for s in one.scenarios for f in faults(one.of(s))]),
)


def expected(rows: Iterable[Row], fault: str, commit: int) -> Shown:
    """What one buildpack must show at one commit of a scenario with these rows."""
    shown: Shown = {}
    for row in rows:
        if fault in row.faults and commit in row.commits:
            shown |= row.shows
    return shown


def found(step: dict[str, Any]) -> Shown:
    """What a report says of a commit, with paths relative to the build dir."""
    shown: Shown = {"unmet": step["unmet"], "unstable": [_path(each) for each in step["noise"]]}
    for each in step["divergences"]:
        shown.setdefault(each["kind"], []).append(_path(each))
    return {kind: what for kind, what in shown.items() if what}


def _path(divergence: dict[str, Any]) -> str:
    root, path = divergence["root"], divergence["path"]
    if root in {"", "."}:
        return path
    return root if path == "." else f"{root}/{path}"


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


@MATRIX
def test_every_buildpack_and_every_scenario_is_in_the_matrix(matrix):
    there = {program.parent.parent.name for program in matrix.buildpacks.glob("*/bin/compile")}
    assert {*matrix.faults, *matrix.right} == there
    assert not set(matrix.faults) & set(matrix.right)
    assert {row.scenario for row in matrix.rows} == matrix.scenarios.keys()


def test_every_kind_of_divergence_is_in_the_matrix():
    assert {kind for one in MATRICES for row in one.rows for kind in row.shows} == set(FOUND)


@BUILDPACK
def test_every_fault_says_which_it_is(matrix, name):
    program = (matrix.buildpacks / name / "bin/compile").read_text()
    assert re.match(r"#!/usr/bin/env bash\n# [A-Z].*\n", program), name


@BUILDPACK
def test_every_buildpack_has_its_scripts_and_is_another_one(matrix, name, tmp_path):
    folder, unused = matrix.buildpacks / name, Store(root=tmp_path / "store")
    here = resolve(str(folder), store=unused, into=tmp_path / "here")
    right = resolve(str(matrix.buildpacks / "right"), store=unused, into=tmp_path / "right")
    assert sorted(file.name for file in (here.folder / "lib").iterdir()) == [*matrix.scripts]
    assert not [path for path in here.folder.rglob("*") if path.is_symlink()]
    assert (here.digest == right.digest) == (name == "right")


def test_the_document_has_the_matrix():
    rows = [
        f"| `{fault}` | `{row.scenario}` | {', '.join(row.shows)} |"
        for matrix in MATRICES
        for row in matrix.rows
        for fault in row.faults
    ]
    lines = [re.sub(r" +", " ", line) for line in DOCUMENT.read_text().splitlines()]
    told = [re.sub(r"^(\|[^|]+)\|[^|]+(\|.*)$", r"\1\2", line) for line in lines]
    assert [line for line in told if line.startswith("| `")] == rows


# --- what is found -----------------------------------------------------------------------------

Results = Callable[[Matrix, str], dict[str, Any]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Gives a scenario's results by buildpack; its builds are run once, in a store of their own."""
    need("bubblewrap")
    shared, own = store().root, tmp_path_factory.mktemp("faults")
    for name in ("images", "runtimes", "tools", "releases"):
        (shared / name).mkdir(parents=True, exist_ok=True)
        (own / name).symlink_to(shared / name)

    @cache
    def of(matrix: str, scenario: str) -> dict[str, Any]:
        (one,) = (each for each in MATRICES if each.name == matrix)
        report = own / f"{matrix}-{scenario}.json"
        command = [PROGRAM, "matrix", one.scenarios[scenario], "--sandbox", "bubblewrap"]
        for name in (*one.right, *faults(one.of(scenario))):
            command += ["--buildpack", one.buildpacks / name]
        command += ["--store", own, "--report", f"json={report}"]
        done = subprocess.run(
            list(map(str, command)), cwd=own, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1, done.stdout + done.stderr
        document = json.loads(report.read_text())
        return {Path(result["buildpack"]).name: result for result in document["results"]}

    return lambda matrix, scenario: of(matrix.name, scenario)


def faulty(result: dict[str, Any], rows: Iterable[Row], fault: str) -> list[str]:
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
    @SCENARIO
    def test_right_buildpacks_show_nothing(self, results, matrix, scenario):
        for name in matrix.right:
            assert faulty(results(matrix, scenario)[name], [], name) == []

    @FAULT
    def test_fault_shows_what_the_matrix_says_and_nothing_else(
        self, results, matrix, scenario, fault
    ):
        shown = results(matrix, scenario)[fault]
        assert faulty(shown, matrix.of(scenario), fault) == []

    @SCENARIO
    def test_a_fault_that_is_mended_would_be_noticed(self, results, matrix, scenario):
        rows = matrix.of(scenario)
        for name in matrix.right:
            for fault in faults(rows):
                assert faulty(results(matrix, scenario)[name], rows, fault), fault
