"""What commands share: the console, tables, and files that are written."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.reports.printing import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PLAIN_WIDTH = 160


def stdout() -> "Console":
    """The console: wide and plain where no terminal reads it."""
    from rich.console import Console

    console = Console(soft_wrap=True)
    return console if console.is_terminal else Console(soft_wrap=True, width=_PLAIN_WIDTH)


def print_error(text: str) -> None:
    """Prints on the standard error what the command could not do."""
    from rich.console import Console

    shown = "\n".join(map(printable, f"cache-harness: {text}".splitlines()))
    Console(stderr=True, soft_wrap=True).print(shown, markup=False, style="red")


def grid(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> "Table":
    """A table without lines."""
    from rich.table import Table

    table = Table(*titles, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table


def check_writable(option: str, path: Path) -> None:
    """Holds before any work is done that a file can be written.

    Args:
        option: The option that names it, for the error.
        path: The file.

    Raises:
        HarnessError: Its folder is not there, or it is a folder itself.
    """
    if not path.parent.is_dir() or path.is_dir():
        raise HarnessError(
            f"{option}: {path} cannot be written", hint="name a file in an existing folder"
        )


def write_file(option: str, path: Path, text: str) -> None:
    """Writes a file whole or not at all; arguments and errors are those of `check_writable`."""
    from harness.storage.staging import staged_file

    try:
        with staged_file(path) as staged:
            staged.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"{option}: {error.strerror}", hint="choose another file") from error
