"""`record`: a tape of what builds fetch from the real hosts."""

from pathlib import Path
from typing import Any

import click

from harness.commands.options import buildpack_option, running_options, scenarios_argument
from harness.commands.running import run_builds
from harness.reports import console as console_report


@click.command()
@scenarios_argument
@buildpack_option
@click.option("--anew", is_flag=True, help="Begin with an empty tape, whatever FILE holds.")
@running_options
def record(scenarios: tuple[Path, ...], buildpack: str, tape: Path | None, **options: Any) -> int:
    """Runs scenarios and records on a tape what their builds fetch from the real hosts.

    What FILE holds already is answered from it; the rest is fetched and added. Afterwards `run`,
    `matrix` and pytest need no network with `--tape FILE`.

    SCENARIOS are scenario files and folders of them; without any, the suite that ships.
    """
    if tape is None:
        raise click.UsageError("Missing option '--tape': the file that is recorded to.")
    return run_builds(
        scenarios, (buildpack,), console_report.render, tape=tape, recording=True, **options
    )
