"""`doctor`: whether this machine has what the harness needs."""

from pathlib import Path

import click

from harness.commands.click_options import store_option
from harness.commands.output import stdout
from harness.errors import ExitCode


@click.command()
@store_option
def doctor(store: Path) -> int:
    """Check the machine, and print how to fix what is missing.

    It looks at sandboxes, the stack image, git, runtimes and the disk.
    """
    from rich.markup import escape

    from harness.commands.checks import checks, usable
    from harness.storage.store import Store

    console = stdout()
    found = checks(Store(root=store))
    for check in found:
        mark = "[green]ok[/]  " if check.ok else "[red]no[/]  "
        console.print(mark + escape(f"{check.name}: {check.found}"))
        if not check.ok:
            console.print(escape(f"      {check.advice}"))
    return int(ExitCode.EXPECTED if usable(found) else ExitCode.UNKNOWN)
