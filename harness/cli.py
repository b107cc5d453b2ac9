"""The command line."""

import os
import signal
import sys

import click

from harness import __version__
from harness.commands.lazy import LazyGroup, Listed
from harness.commands.output import print_error
from harness.errors import ExitCode, HarnessError, refusal

COMMANDS = {
    "doctor": "Check the machine, and print how to fix what is missing.",
    "image": "Build and list the stack images that builds run in.",
    "import": "Make a scenario from a project's commits, or from an app.",
    "log": "Print the log of a build that is stored.",
    "matrix": "Run scenarios against several buildpacks, side by side.",
    "record": "Run scenarios, and record what their builds fetch on a tape.",
    "run": "Run scenarios: build each commit cached and clean, and compare.",
    "runtime": "Pack and list Python runtimes, for buildpacks that download one.",
    "schema": "Print the JSON Schema of a kind of file, for editors.",
    "store": "Show, prune and verify what is stored between runs.",
    "tape": "Show what a tape holds.",
}
"""What each command is for: the first sentence of its help, so that a list imports none."""

_PLACES = {name: f"harness.commands.{name}:{name}" for name in COMMANDS} | {
    # Python keeps the word to itself.
    "import": "harness.commands.importing:import_"
}


def main() -> None:
    """The `cache-harness` command: exits 0 as expected, 1 on a finding, 2 where it cannot tell."""
    # A terminated run ends as an interrupted one does, so that it leaves nothing behind either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = cli.main(prog_name="cache-harness", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        print_error("interrupted")
        status = ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        print_error("interrupted")
        status = ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        status = ExitCode.UNKNOWN
    except HarnessError as error:
        print_error(str(error))
        status = error.exit_code
    except (BrokenPipeError, SystemExit):
        # Whoever read the output has gone, and there is nobody to tell; click and rich then exit
        # with 1, which would be a finding.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = ExitCode.UNKNOWN
    except OSError as error:
        refused = refusal(error)
        if refused is None:
            raise
        print_error(str(refused))
        status = refused.exit_code
    sys.exit(int(status or 0))


@click.group(
    cls=LazyGroup,
    commands=[
        Listed(name, where=_PLACES[name], summary=summary) for name, summary in COMMANDS.items()
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="cache-harness")
def cli() -> None:
    """Prove whether a buildpack's cached builds equal clean ones, and name what differs."""
