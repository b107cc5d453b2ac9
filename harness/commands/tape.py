"""`tape`: what a recording holds."""

from pathlib import Path

import click

from harness.commands.output import stdout


@click.group("tape")
def tape() -> None:
    """Show what a tape holds."""


@tape.command("show")
@click.argument("file", type=click.Path(path_type=Path))
def tape_show(file: Path) -> None:
    """List the answers that FILE holds, and the build tools."""
    from harness.internet.tape import read_index
    from harness.reports.tape import listing

    stdout().print(listing(read_index(file)), highlight=False)
