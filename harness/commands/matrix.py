"""`matrix`: scenarios against several buildpacks."""

from pathlib import Path

import click

from harness.commands.click_options import scenarios_argument, takes
from harness.commands.options import MatrixOptions


@click.command()
@scenarios_argument
@takes(MatrixOptions)
def matrix(scenarios: tuple[Path, ...], options: MatrixOptions) -> int:
    """Run scenarios against several buildpacks, side by side.

    The buildpacks may be releases of one, as PATH@v1 and PATH@v2. The report shows where they part.

    SCENARIOS are scenario files and folders of them; without any, the suite that ships.
    """
    from harness.commands.running import run_builds
    from harness.reports import matrix

    return run_builds(scenarios, options, matrix.render)
