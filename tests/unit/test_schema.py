"""The JSON Schemas in `docs/`: current, and as strict as the reader."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.commands.schema import SCHEMAS, rendered, schema_of, write_schemas

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", SCHEMAS)
def test_committed_schema_is_current(name: str) -> None:
    again = "run: python -m harness.commands.schema docs"
    assert (DOCS / f"{name}.schema.json").read_text() == rendered(schema_of(name)), again


def test_module_writes_the_schemas(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "harness.commands.schema", str(tmp_path)], check=True)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    write_schemas(tmp_path)
    assert written == {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(written) == {f"{name}.schema.json" for name in SCHEMAS}


def test_every_table_is_closed_and_every_key_described() -> None:
    for kind in SCHEMAS:
        whole = schema_of(kind)
        for name, table in {"": whole, **whole["$defs"]}.items():
            if table.get("type") != "object":
                assert "enum" in table, name
                continue
            assert table["additionalProperties"] is False, name
            for key, held in table["properties"].items():
                # A reference to a table that is described in the same words has none of its own.
                value = (
                    whole["$defs"][held["$ref"].rsplit("/")[-1]] | held if "$ref" in held else held
                )
                assert "const" in value or value.get("description"), f"{name}.{key}"


def test_schema_says_nothing_that_toml_cannot() -> None:
    assert "null" not in json.dumps([schema_of(kind) for kind in SCHEMAS])
