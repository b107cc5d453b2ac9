"""`run`: scenarios against a buildpack."""

from pathlib import Path
from typing import Any

import click

from harness.commands.options import buildpack_option, running_options, scenarios_argument
from harness.commands.running import run_builds
from harness.reports import console as console_report


@click.command()
@scenarios_argument
@buildpack_option
@click.option(
    "--write-known",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write all that diverges as a list for --known; reasons and links are for people to fill"
    " in, those of --known are taken over.  [default: written nowhere]",
)
@running_options
def run(
    scenarios: tuple[Path, ...], buildpack: str, write_known: Path | None, **options: Any
) -> int:
    """Runs scenarios: builds each commit cached and clean, and compares what was installed.

    SCENARIOS are scenario files and folders of them; without any, the suite that ships.
    """
    return run_builds(
        scenarios, (buildpack,), console_report.render, write_known=write_known, **options
    )
