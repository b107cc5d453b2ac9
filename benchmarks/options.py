"""The options that every benchmark takes."""

from collections.abc import Callable
from pathlib import Path

import click

from harness.storage.store import default_root

Decorated = Callable[..., Path]

DEFAULT_OUT = Path("build/benchmarks")


def options(rounds: int) -> Callable[[Decorated], Decorated]:
    """Adds `--rounds`, `--store` and `--out`; `rounds` is how often all is measured by default."""

    def decorate(command: Decorated) -> Decorated:
        for option in (
            click.option(
                "--rounds",
                type=click.IntRange(min=1),
                default=rounds,
                show_default=True,
                help="How often each thing is measured; the median is reported.",
            ),
            click.option(
                "--store",
                type=click.Path(path_type=Path, file_okay=False),
                default=default_root,
                show_default="CACHE_HARNESS_STORE, or the platform's cache folder",
                help="The store that holds image, runtimes and tools; it is not written to.",
            ),
            click.option(
                "--out",
                type=click.Path(path_type=Path, file_okay=False),
                default=DEFAULT_OUT,
                show_default=True,
                help="Where the JSON goes.",
            ),
        ):
            command = option(command)
        return command

    return decorate
