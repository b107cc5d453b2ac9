"""`matrix`: scenarios against several buildpacks."""

from pathlib import Path
from typing import Any

import click

from harness.commands.options import running_options, scenarios_argument
from harness.commands.running import run_builds
from harness.reports import matrix as matrix_report


@click.command()
@scenarios_argument
@click.option(
    "--buildpack",
    "buildpacks",
    multiple=True,
    required=True,
    metavar="PATH|GIT-URL@REF|NAME",
    help="A buildpack, as for `run`; given once for each column, the oldest first.",
)
@running_options
def matrix(scenarios: tuple[Path, ...], buildpacks: tuple[str, ...], **options: Any) -> int:
    """Runs scenarios against several buildpacks, or releases of one, and shows where they part.

    SCENARIOS are scenario files and folders of them; without any, the suite that ships.
    """
    return run_builds(scenarios, buildpacks, matrix_report.render, **options)
