"""`run`: scenarios against a buildpack."""

from pathlib import Path

import click

from harness.commands.click_options import scenarios_argument, takes
from harness.commands.options import RunOptions


@click.command()
@scenarios_argument
@takes(RunOptions)
def run(scenarios: tuple[Path, ...], options: RunOptions) -> int:
    """Run scenarios: build each commit cached and clean, and compare.

    SCENARIOS are scenario files and folders of them; without any, the suite that ships.
    """
    from harness.commands.running import run_builds
    from harness.reports import console

    return run_builds(scenarios, options, console.render, write_known=options.write_known)
