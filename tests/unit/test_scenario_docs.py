"""`docs/scenario-format.md`: its examples load, and it names every key."""

import re
from pathlib import Path
from typing import get_args

import pytest

from harness.commands.schema import schema_of
from harness.scenarios.expectation import Expectation
from harness.scenarios.fork import load_fork
from harness.scenarios.scenario import load_scenario

PAGE = (Path(__file__).parents[2] / "docs" / "scenario-format.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_scenario_of_the_page_loads(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text(EXAMPLES[0])
    assert len(load_scenario(path).stages({"default": "3.12.1"})) == 2


def test_expectations_of_the_page_load(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text(EXAMPLES[0].partition("expect = ")[0] + EXAMPLES[1])
    expected = load_scenario(path).commits[-1].expect
    assert len(expected) == 7
    kinds = get_args(get_args(Expectation)[0])
    assert {type(one) for one in expected} == {get_args(kind)[0] for kind in kinds}


def test_commit_of_the_page_loads(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    (commit,) = (text for text in EXAMPLES if text.startswith("[[commits]]"))
    app = '[app.files]\n".python-version" = "3.12"\n"requirements.txt" = ""\n'
    path.write_text(f'description = "d"\n{app}{commit}')
    _, last = load_scenario(path).stages({"other": "3.9.2"})
    assert (set(last.tree), len(last.of_clean.tree.entries)) == ({"requirements.txt"}, 2)


def test_fork_of_the_page_loads(tmp_path: Path) -> None:
    (tmp_path / "countries").mkdir()
    (tmp_path / "countries" / "list.txt").write_text("DE\n")
    (tmp_path / "countries" / "repo.toml").write_text('description = "Data"\n')
    (tmp_path / "forms" / "forms").mkdir(parents=True)
    (tmp_path / "forms" / "forms" / "field.html").write_text("old\n")
    (tmp_path / "forms" / "repo.toml").write_text(EXAMPLES[-1])
    fork = load_fork(tmp_path / "forms")
    assert [revision.name for revision in fork.revisions] == ["v1", "fixed", "reverted"]
    assert fork.branches == (("main", "fixed"),)
    assert fork.tags == (("v1.0", "v1"),)
    assert "forms/countries/list.txt" in fork.revision("reverted").checkout


def names() -> set[str]:
    """Every key and every word that the schemas know."""
    found: set[str] = set()
    for whole in (schema_of("scenario"), schema_of("repo")):
        for table in (whole, *whole["$defs"].values()):
            found |= set(table.get("enum", ())) | set(table.get("properties", ()))
            found |= {value["const"] for value in table.get("properties", {}).values()
                      if "const" in value}  # fmt: skip
    return found


@pytest.mark.parametrize("name", sorted(names()))
def test_page_names(name: str) -> None:
    assert re.search(rf'`"?{re.escape(name)}"?( = [^`]*)?`', PAGE)
