"""`log`: what a build printed."""

import shlex
import sys
from typing import TYPE_CHECKING

import click

from harness.commands.click_options import takes
from harness.commands.option import written
from harness.commands.options import LogOptions
from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.runs.stored import WantedBuild


@click.command()
@click.argument("scenario")
@click.argument("commit", required=False)
@click.argument("arm", required=False)
@takes(LogOptions)
def log(scenario: str, commit: str | None, arm: str | None, options: LogOptions) -> None:
    """Print the log of a build that is stored.

    SCENARIO is a scenario file, or a scenario's name as reports print it. COMMIT is counted from 1;
    without it, it is the last one. ARM is `cached`, `clean`, `control` (the second clean build) or
    `repeated` (the second cached one); without it, it is `cached`.

    Give the options with which the scenario was run: with others, the builds are others. Colours
    are kept where a terminal shows them.
    """
    from rich.console import Console

    from harness.builds.log import plain
    from harness.reports.printing import coloured
    from harness.runs.display import showing
    from harness.runs.opening import open_session
    from harness.runs.stored import stored_build

    wanted = _wanted(scenario, commit, arm)
    settings = options.settings()
    if not any(settings.store.builds.glob("??/*")):
        raise _nothing(wanted, options)
    # What is made ready meanwhile is no part of the log, and mostly it is nothing.
    aside = Console(stderr=True, force_terminal=False)
    with showing(aside) as observer, open_session(settings, observer=observer) as session:
        found = stored_build(wanted, session, observer)
        text = found.text if found else ""
    if found is None:
        raise _nothing(wanted, options)
    click.echo(coloured(text) if sys.stdout.isatty() else plain(text), nl=False)


def _wanted(called: str, commit: str | None, arm: str | None) -> "WantedBuild":
    """The build that the arguments name.

    Raises:
        HarnessError: There is no such scenario, commit or arm.
    """
    from harness.runs.stored import WantedBuild
    from harness.scenarios.by_name import scenario_file
    from harness.scenarios.scenario import load_scenario
    from harness.verdicts.arms import Arm

    if commit in {*Arm} and arm is None:
        commit, arm = None, commit
    if arm is not None and arm not in {*Arm}:
        raise HarnessError(f"there is no build {arm!r}", hint=f"name one of {', '.join(Arm)}")
    scenario = load_scenario(scenario_file(called))
    last = len(scenario.commits) + 1
    numbers = {str(number): number for number in range(1, last + 1)}
    number = last if commit is None else numbers.get(commit)
    if number is None:
        raise HarnessError(
            f"{scenario.name} has no commit {commit!r}", hint=f"name a number from 1 to {last}"
        )
    return WantedBuild(scenario=scenario, commit=number, arm=Arm(arm or Arm.CACHED))


def _nothing(wanted: "WantedBuild", options: LogOptions) -> HarnessError:
    """That no such build is stored, with the command by which one is."""
    from harness.verdicts.arms import Arm

    scenario, arm = wanted.scenario, wanted.arm
    command = shlex.join(("cache-harness", "run", str(scenario.file), *written(options)))
    why = ""
    if arm in {Arm.CONTROL, Arm.REPEATED}:
        why = "; it is made where the cached and the clean build differ"
    return HarnessError(
        f"no {arm} build of commit {wanted.commit} of {scenario.name} is stored that was made with"
        f" {options.buildpack} and these options{why}",
        hint=f"`{command}`, with the options of the run that is meant; what a time limit ended is"
        " not stored, and its log is left by `--keep`",
    )
