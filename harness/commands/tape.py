"""`tape`: what a recording holds."""

from pathlib import Path

import click

from harness.commands.output import stdout
from harness.internet.tape import read_index
from harness.reports import tape as tape_report


@click.group("tape")
def tape() -> None:
    """What real hosts answered once, and is answered from a file ever after."""


@tape.command("show")
@click.argument("file", type=click.Path(path_type=Path))
def tape_show(file: Path) -> None:
    """Lists what FILE holds: each answer with what selects it, and the build tools."""
    stdout().print(tape_report.listing(read_index(file)), highlight=False)
