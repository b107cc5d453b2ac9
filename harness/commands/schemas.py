"""`schema`: the JSON Schemas of the files that people write."""

import click

from harness.schema import SCHEMAS, rendered
from harness.schema import schema as schema_of


@click.command()
@click.argument("what", type=click.Choice(list(SCHEMAS)), default="scenario")
def schema(what: str) -> None:
    """Prints the JSON Schema of a kind of file, for editors."""
    click.echo(rendered(schema_of(what)), nl=False)
