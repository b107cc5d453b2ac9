"""`runtime`: Python runtimes, for buildpacks that download one."""

from pathlib import Path

import click

from harness.commands.click_options import store_option
from harness.commands.output import grid, stdout


@click.group()
def runtime() -> None:
    """Pack and list Python runtimes, for buildpacks that download one."""


@runtime.command("pack")
@click.argument("prefix", type=click.Path(path_type=Path, exists=True))
@store_option
def runtime_pack(prefix: Path, store: Path) -> None:
    """Pack the CPython installed at PREFIX, and store the archives.

    PREFIX is a prefix, or an executable in it.
    """
    from harness.ecosystems.python.runtimes.interpreter import read_interpreter
    from harness.ecosystems.python.runtimes.pack import pack_runtime
    from harness.stack.image import kept_images
    from harness.storage.store import Store

    kept = Store(root=store)
    images = kept_images(kept)
    packed = pack_runtime(read_interpreter(prefix), kept, image=images[0] if images else None)
    stdout().print(f"Python {packed.version}: {packed.gz.parent}", markup=False)


@runtime.command("list")
@store_option
def runtime_list(store: Path) -> None:
    """List the stored runtimes, newest version first."""
    from harness.ecosystems.python.runtimes.runtime import available_runtimes
    from harness.storage.store import Store

    rows = [
        (
            kept.version,
            kept.origin + (f", without {', '.join(kept.left_out)}" if kept.left_out else ""),
        )
        for kept in available_runtimes(Store(root=store))
    ]
    stdout().print(grid(("version", "packed from"), rows))
