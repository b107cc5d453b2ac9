"""`record`: a tape of what builds fetch from the real hosts."""

from pathlib import Path

import click

from harness.commands.click_options import scenarios_argument, takes
from harness.commands.options import RecordOptions


@click.command()
@scenarios_argument
@takes(RecordOptions)
def record(scenarios: tuple[Path, ...], options: RecordOptions) -> int:
    """Run scenarios, and record what their builds fetch on a tape.

    What FILE holds already is answered from it; the rest is fetched from the real hosts, and added.
    Afterwards `run`, `matrix` and pytest need no network with `--tape FILE`.

    SCENARIOS are scenario files and folders of them; without any, the suite that ships.
    """
    from harness.commands.running import run_builds
    from harness.reports import console

    return run_builds(scenarios, options, console.render)
