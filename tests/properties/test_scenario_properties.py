"""A property of what people write: whatever is in a file, it is what it should be or faults."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.bundled import bundled_repositories, bundled_scenarios
from harness.errors import InputError, Problem
from harness.scenarios.fork import Fork, load_fork
from harness.scenarios.scenario import Stage, load_scenario

SOURCES = sorted(file.read_text() for file in bundled_scenarios().rglob("*.toml"))
WITH_SUBMODULES = ("invoices", "currencies", "countries")
VALUES = st.sampled_from(
    ["1", "-1", "1.5", "inf", "nan", "true", '""', '"x"', "[]", "[1]", "{}", '["x"]', "[{}]",
     "2024-01-01", "10:00:00", '"${forms@v1}"', '"${x@y}"', '"../x"', '"a\\u0000"', "[[[]]]",
     '{ sub = "countries@v2" }', '{ sub = "invoices@v1" }', '{ "sub/x" = "forms@v1" }', '"v1"',
     '{ do = "write" }', '[{ do = "copy", from = "forms@v1", path = "." }]', "99999999999999999999"]
)  # fmt: skip
KEYS = st.sampled_from(
    ["description", "forks", "app", "app.files", "app.copy", "app.env", "commits", "axes",
     "issue", "edits", "path", "expect", "releases", "branches", "tags", "env", "unset", "stack",
     "revisions", "submodules", "parent", "base", "owner", "name", "tag", "fork", "revision",
     "buildpack", "build", "reuse", "do", "from", "to", "nope", '"q q"']
)  # fmt: skip


@st.composite
def mangled(draw: st.DrawFn, sources: list[str]) -> str:
    """A file's text with lines that are lost, doubled, or have another value."""
    lines = draw(st.sampled_from(sources)).split("\n")
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "double", "value", "insert", "cut"])):
            case "drop":
                del lines[at : at + 1]
            case "double":
                lines.insert(at, lines[at])
            case "value" if " = " in lines[at]:
                lines[at] = f"{lines[at].split(' = ')[0]} = {draw(VALUES)}"
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case _:
                lines.insert(at, f"{draw(KEYS)} = {draw(VALUES)}")
        lines = lines or [""]
    return "\n".join(lines)


@given(text=mangled(SOURCES))
@settings(deadline=None, max_examples=150)
def test_file_is_a_scenario_or_a_list_of_faults(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.toml"
        path.write_text(text)
        problems: tuple[Problem, ...] = ()
        stages: tuple[Stage, ...] = ()
        try:
            stages = load_scenario(path).stages({"default": "3.12.1", "other": "3.11.2"})
        except InputError as error:
            problems = error.problems
    assert bool(stages) != bool(problems)
    assert all(0 <= problem.line <= text.count("\n") + 1 for problem in problems)
    assert all(problem.message for problem in problems)


@pytest.mark.parametrize("name", WITH_SUBMODULES)
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_fork_has_all_that_its_references_name_or_faults(name: str, data: st.DataObject) -> None:
    source = (bundled_repositories() / name / "repo.toml").read_text()
    text = data.draw(mangled([source]))
    with tempfile.TemporaryDirectory() as folder:
        for other in WITH_SUBMODULES:
            shutil.copytree(bundled_repositories() / other, Path(folder) / other)
        (Path(folder) / name / "repo.toml").write_text(text)
        fork: Fork | None = None
        problems: tuple[Problem, ...] = ()
        try:
            fork = load_fork(Path(folder) / name)
        except InputError as error:
            problems = error.problems
    assert bool(fork) != bool(problems)
    assert all(problem.message for problem in problems)
    if fork is None:
        return
    named = [revision for _, revision in (*fork.branches, *fork.tags)]
    assert set(named) <= set(fork.shas)
    for revision in fork.revisions:
        assert set(revision.tree) <= set(revision.checkout)
        assert (".gitmodules" in revision.tree) == bool(revision.submodules)
        for path, sha in revision.gitlinks.items():
            assert len(sha) == 40
            assert path not in revision.tree
            assert not revision.tree.below(path)
            assert revision.checkout.below(path)


@pytest.mark.parametrize("shape", ["a = {deep}", 'description = "x"\n[app]\nfiles = {deep}'])
@pytest.mark.parametrize("levels", [19, 30, 150, 350, 900, 5000])
def test_deep_nesting_is_a_fault(tmp_path: Path, shape: str, levels: int) -> None:
    path = tmp_path / "case.toml"
    path.write_text(shape.format(deep="[" * levels + "]" * levels))
    with pytest.raises(InputError):
        load_scenario(path)


def test_deep_table_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text(".".join("a" * 900) + " = 1")
    with pytest.raises(InputError, match="nested too deeply"):
        load_scenario(path)
