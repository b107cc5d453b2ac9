"""Every planted fault is found, as the matrix of faults says, and nothing else is."""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from program import PROGRAM, REPOSITORY
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
    read("installers", "build.sh", "detect.sh", "every-input.sh", "managers.sh", "whole.sh"),
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


def expected(rows: Iterable[Row], fault: str, commit: int) -> Shown:
    """What one buildpack must show at one commit of a scenario with these rows."""
    shown: Shown = {}
    for row in rows:
        if fault in row.faults and commit in row.commits:
            shown |= row.shows
    return shown


def found(step: dict[str, Any]) -> Shown:
    """What a report says of a commit, with paths relative to the build dir."""
    shown: Shown = {"unmet": step["unmet"], "unstable": [each["path"] for each in step["noise"]]}
    for each in step["divergences"]:
        shown.setdefault(each["kind"], []).append(each["path"])
    return {kind: what for kind, what in shown.items() if what}


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
def test_every_buildpack_and_every_scenario_is_in_the_matrix(matrix: Matrix) -> None:
    there = {program.parent.parent.name for program in matrix.buildpacks.glob("*/bin/compile")}
    assert {*matrix.faults, *matrix.right} == there
    assert not set(matrix.faults) & set(matrix.right)
    assert {row.scenario for row in matrix.rows} == matrix.scenarios.keys()


def test_every_kind_of_divergence_is_in_the_matrix() -> None:
    assert {kind for one in MATRICES for row in one.rows for kind in row.shows} == set(FOUND)


@BUILDPACK
def test_every_buildpack_says_which_it_is_has_its_scripts_and_is_another_one(
    matrix: Matrix, name: str, store: Store, tmp_path: Path
) -> None:
    folder = matrix.buildpacks / name
    text = (folder / "bin/compile").read_text()
    assert re.match(r"#!/usr/bin/env bash\n# [A-Z].*\n", text), name
    here = resolve(str(folder), store=store, into=tmp_path / "here")
    right = resolve(str(matrix.buildpacks / "right"), store=store, into=tmp_path / "right")
    assert sorted(file.name for file in (here.folder / "lib").iterdir()) == [*matrix.scripts]
    assert not [path for path in here.folder.rglob("*") if path.is_symlink()]
    assert (here.digest == right.digest) == (name == "right")


def test_the_document_has_the_matrix() -> None:
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


def results(matrix: Matrix, scenario: str, folder: Path, store: Store) -> dict[str, Any]:
    """A scenario's results by buildpack: of those that are right, and of those that it shows."""
    need("bubblewrap")
    report = folder / "report.json"
    command = [PROGRAM, "matrix", matrix.scenarios[scenario], "--sandbox", "bubblewrap"]
    for name in (*matrix.right, *faults(matrix.of(scenario))):
        command += ["--buildpack", matrix.buildpacks / name]
    command += ["--store", store.root, "--report", f"json={report}"]
    done = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    document = json.loads(report.read_text())
    return {Path(result["buildpack"]).name: result for result in document["results"]}


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
@SCENARIO
def test_each_fault_shows_what_the_matrix_says_and_nothing_else(
    session_store: Store, tmp_path: Path, matrix: Matrix, scenario: str
) -> None:
    shown = results(matrix, scenario, tmp_path, session_store)
    rows = matrix.of(scenario)
    assert shown.keys() == {*matrix.right, *faults(rows)}
    wrong = {name: faulty(shown[name], rows, name) for name in faults(rows)}
    wrong |= {name: faulty(shown[name], [], name) for name in matrix.right}
    assert {name: said for name, said in wrong.items() if said} == {}
    # A fault that was fixed would show nothing, as those that are right do.
    unnoticed = [
        fault
        for name in matrix.right
        for fault in faults(rows)
        if not faulty(shown[name], rows, fault)
    ]
    assert unnoticed == []
