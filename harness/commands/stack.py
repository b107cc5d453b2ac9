"""`image`, `runtime` and `doctor`: what builds stand on."""

from pathlib import Path

import click
from rich.markup import escape

from harness.commands.checks import checks, usable
from harness.commands.output import grid, stdout, store_option
from harness.ecosystems.python.runtimes.runtime import available_runtimes, pack_runtime
from harness.errors import ExitCode
from harness.runs.display import showing
from harness.stack.image import build_image, kept_images
from harness.storage.store import Store


@click.group()
def image() -> None:
    """The stack image that builds run in."""


@image.command("build")
@click.option("--suite", metavar="NAME", help="A Debian or Ubuntu suite.  [default: by the host]")
@click.option("--mirror", metavar="URL", help="A package archive.  [default: the host's own]")
@click.option("--fresh", is_flag=True, help="Make it anew though one is kept.")
@store_option
def image_build(*, suite: str | None, mirror: str | None, fresh: bool, store: Path) -> None:
    """Makes the stack image from the distribution's packages and names it by its content."""
    console = stdout()
    with showing(console) as observer:
        made = build_image(
            Store(root=store), suite=suite, mirror=mirror, fresh=fresh, on_line=observer.note
        )
    console.print(made.tag, markup=False)


@image.command("list")
@store_option
def image_list(store: Path) -> None:
    """Lists the kept images, newest first."""
    rows = [(kept.tag, kept.suite, kept.built) for kept in kept_images(Store(root=store))]
    stdout().print(grid(("image", "suite", "built"), rows))


@click.group()
def runtime() -> None:
    """Python runtimes, for buildpacks that download one."""


@runtime.command("pack")
@click.argument("prefix", type=click.Path(path_type=Path, exists=True))
@store_option
def runtime_pack(prefix: Path, store: Path) -> None:
    """Packs the CPython installed at PREFIX (a prefix or an executable) and keeps the archives."""
    kept = Store(root=store)
    images = kept_images(kept)
    packed = pack_runtime(prefix, kept, image=images[0] if images else None)
    stdout().print(f"Python {packed.version}: {packed.gz.parent}", markup=False)


@runtime.command("list")
@store_option
def runtime_list(store: Path) -> None:
    """Lists the kept runtimes, newest version first."""
    rows = [
        (
            kept.version,
            kept.origin + (f", without {', '.join(kept.left_out)}" if kept.left_out else ""),
        )
        for kept in available_runtimes(Store(root=store))
    ]
    stdout().print(grid(("version", "packed from"), rows))


@click.command()
@store_option
def doctor(store: Path) -> int:
    """Checks the machine: engine, image, bubblewrap, git, disk; says what to do for each."""
    console = stdout()
    found = checks(Store(root=store))
    for check in found:
        mark = "[green]ok[/]  " if check.ok else "[red]no[/]  "
        console.print(mark + escape(f"{check.name}: {check.found}"))
        if not check.ok:
            console.print(escape(f"      {check.advice}"))
    return int(ExitCode.EXPECTED if usable(found) else ExitCode.UNKNOWN)
