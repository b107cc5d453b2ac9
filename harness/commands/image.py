"""`image`: the stack image that builds run in."""

from pathlib import Path

import click

from harness.commands.click_options import store_option
from harness.commands.output import grid, stdout


@click.group()
def image() -> None:
    """Build and list the stack images that builds run in."""


@image.command("build")
@click.option("--suite", metavar="NAME", help="A Debian or Ubuntu suite.  [default: by the host]")
@click.option("--mirror", metavar="URL", help="A package archive.  [default: the host's own]")
@click.option("--fresh", is_flag=True, help="Make it again even where one is stored.")
@store_option
def image_build(*, suite: str | None, mirror: str | None, fresh: bool, store: Path) -> None:
    """Make the stack image from the distribution's packages."""
    from harness.runs.display import showing
    from harness.stack.image import build_image
    from harness.storage.store import Store

    console = stdout()
    with showing(console) as observer:
        made = build_image(
            Store(root=store), suite=suite, mirror=mirror, fresh=fresh, on_line=observer.note
        )
    console.print(made.tag, markup=False)


@image.command("list")
@store_option
def image_list(store: Path) -> None:
    """List the stored images, newest first."""
    from harness.stack.image import kept_images
    from harness.storage.store import Store

    rows = [(kept.tag, kept.suite, kept.built) for kept in kept_images(Store(root=store))]
    stdout().print(grid(("image", "suite", "built"), rows))
