"""What is imported before there is anything to do: so little that help shows at once."""

import json
import subprocess
import sys

import pytest

FOR_A_LIST = {
    "harness", "harness.builds", "harness.builds.escapes", "harness.cli", "harness.commands",
    "harness.commands.lazy", "harness.commands.output", "harness.errors", "harness.reports",
    "harness.reports.printing",
}  # fmt: skip
FOR_OPTIONS = {
    "harness.bundled", "harness.commands.click_options", "harness.commands.option",
    "harness.commands.options", "harness.sandboxes",
}  # fmt: skip
MODULES = """
import atexit, json, os, sys

given = {*sys.modules}
atexit.register(lambda: os.write(2, json.dumps(sorted({*sys.modules} - given)).encode()))
from harness.cli import main
main()
"""


def imported(*arguments: str) -> set[str]:
    """The modules that a command imports."""
    done = subprocess.run(
        (sys.executable, "-c", MODULES, *arguments), capture_output=True, text=True, check=True
    )
    assert done.stdout
    return set(json.loads(done.stderr))


def split(modules: set[str]) -> tuple[set[str], set[str]]:
    """The harness's modules, and the packages of others, but Python's own."""
    own = {name for name in modules if name.partition(".")[0] == "harness"}
    return own, {name.partition(".")[0] for name in modules - own} - sys.stdlib_module_names


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)], ids=" ".join)
def test_a_list_of_the_commands_imports_none(arguments: tuple[str]) -> None:
    assert split(imported(*arguments)) == (FOR_A_LIST, {"click"})


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help")], ids=" ".join)
def test_no_entry_point_is_looked_up_for_help(arguments: tuple[str, ...]) -> None:
    assert "importlib.metadata" not in imported(*arguments)


@pytest.mark.parametrize("name", ["run", "matrix", "record"])
def test_help_for_what_runs_builds_imports_nothing_that_does(name: str) -> None:
    own, others = split(imported(name, "--help"))
    assert own == FOR_A_LIST | FOR_OPTIONS | {f"harness.commands.{name}"}
    assert others == {"click"}


@pytest.mark.parametrize("name", ["doctor", "image", "runtime", "store", "tape"])
def test_help_for_other_commands_imports_nothing_that_works(name: str) -> None:
    own, others = split(imported(name, "--help"))
    assert own <= FOR_A_LIST | FOR_OPTIONS | {f"harness.commands.{name}"}
    assert others == {"click"}


def test_an_import_would_be_seen() -> None:
    modules = imported("schema")
    assert {"harness.commands.schema", "pydantic", "importlib.metadata"} <= modules
    own, others = split(modules)
    assert "harness.scenarios.scenario_file" in own
    assert {"click", "pydantic"} <= others
