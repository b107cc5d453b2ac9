"""What commands share: the console, tables, the store's option, and files that are written."""

import os
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness.errors import HarnessError

_PLAIN_WIDTH = 160


def stdout() -> Console:
    """The console: wide and plain where no terminal reads it."""
    console = Console(soft_wrap=True)
    return console if console.is_terminal else Console(soft_wrap=True, width=_PLAIN_WIDTH)


def grid(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    """A table without lines."""
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
            f"{option}: {path} cannot be written", hint="name a file in a folder that is there"
        )


def write_file(option: str, path: Path, text: str) -> None:
    """Writes a file whole or not at all; arguments and errors are those of `check_writable`."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        staged.write_text(text, encoding="utf-8")
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise HarnessError(f"{option}: {error.strerror}", hint="choose another file") from error
