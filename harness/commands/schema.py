"""`schema`: the JSON Schemas of the files that people write, for editors."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from harness.scenarios.document import Shape, shape
from harness.scenarios.fork import RepoTable
from harness.scenarios.scenario_file import ScenarioTable
from harness.verdicts.known import KnownTable

DIALECT = "https://json-schema.org/draft/2020-12/schema"

SCHEMAS = {
    "scenario": (shape(ScenarioTable), "A scenario of the cache harness"),
    "repo": (shape(RepoTable), "A fork of the cache harness"),
    "known": (shape(KnownTable), "What a buildpack is known to do wrong"),
}
"""The form of each kind of file: `scenario`, a fork's `repo.toml`, a list of what is `known`."""


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of a kind of file, one of `SCHEMAS`."""
    return _schema(*SCHEMAS[name])


def rendered(schema: dict[str, Any]) -> str:
    """A schema as the text of a file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> None:
    """Writes every schema into a folder, each as `<kind>.schema.json`."""
    for name in SCHEMAS:
        (folder / f"{name}.schema.json").write_text(rendered(schema_of(name)))


def _schema(of: Shape[Any], title: str) -> dict[str, Any]:
    return {"$schema": DIALECT, **_tidied(of.schema), "title": title}


def _tidied(value: Any) -> Any:
    """The schema without what TOML cannot say: it has no null."""
    if isinstance(value, list):
        return [_tidied(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _tidied(item) for key, item in value.items()}
    options = [option for option in kept.get("anyOf", ()) if option != {"type": "null"}]
    if "anyOf" in kept and len(options) == 1:
        del kept["anyOf"]
        kept = options[0] | kept
        if kept.get("default", "") is None:
            del kept["default"]
    return kept


@click.command()
@click.argument("what", type=click.Choice(list(SCHEMAS)), default="scenario")
def schema(what: str) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    click.echo(rendered(schema_of(what)), nl=False)


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
