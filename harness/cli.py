"""The command line."""

import os
import signal
import sys

import click
from rich.console import Console

from harness import __version__
from harness.commands.doctor import doctor
from harness.commands.image import image
from harness.commands.importing import import_
from harness.commands.matrix import matrix
from harness.commands.record import record
from harness.commands.run import run
from harness.commands.runtime import runtime
from harness.commands.schema import schema
from harness.commands.store import store
from harness.commands.tape import tape
from harness.errors import ExitCode, HarnessError, refusal
from harness.reports.printing import printable


def main() -> None:
    """The `cache-harness` command: exits 0 as expected, 1 on a finding, 2 where it cannot tell."""
    # A terminated run ends as an interrupted one does, so that it leaves nothing behind either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = cli.main(prog_name="cache-harness", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        _say_error("interrupted")
        status = ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        _say_error("interrupted")
        status = ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        status = ExitCode.UNKNOWN
    except HarnessError as error:
        _say_error(str(error))
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
        _say_error(str(refused))
        status = refused.exit_code
    sys.exit(int(status or 0))


def _say_error(text: str) -> None:
    told = "\n".join(map(printable, f"cache-harness: {text}".splitlines()))
    Console(stderr=True, soft_wrap=True).print(told, markup=False, style="red")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cache-harness")
def cli() -> None:
    """Proves whether a buildpack's cached builds equal clean ones, and names what differs."""


for _command in (run, matrix, record, import_, image, runtime, tape, store, doctor, schema):
    cli.add_command(_command)
