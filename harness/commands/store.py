"""`store`: what is kept between runs."""

from pathlib import Path

import click

from harness.commands.click_options import store_option
from harness.commands.output import grid, stdout
from harness.errors import ExitCode, HarnessError

_MEGABYTE = 1_000_000


@click.group("store")
def store() -> None:
    """Show, prune and verify what is stored between runs."""


@store.command("show")
@store_option
def store_show(store: Path) -> None:
    """Show disk usage."""
    from rich.filesize import decimal

    from harness.storage.store import Store
    from harness.storage.upkeep import Upkeep

    kept = Store(root=store)
    stored = Upkeep(kept)
    builds = stored.listing()
    caches = [one.listings for one in builds if one.has_caches]
    contents = stored.contents_rooms()
    rows = [
        ("builds", str(len(builds)), decimal(sum(one.size for one in builds))),
        ("their caches", str(len(caches)), decimal(sum(caches))),
        ("contents of both", str(len(contents)), decimal(sum(contents))),
    ]
    for folder in (kept.images, kept.runtimes, kept.tools, kept.releases):
        count, size = kept.room_of(folder)
        rows.append((folder.name, str(count), decimal(size)))
    console = stdout()
    console.print(str(store), markup=False, highlight=False)
    console.print(grid(("", "count", "size"), rows))


@store.command("prune")
@click.option(
    "--size",
    type=click.FloatRange(min=0),
    metavar="MB",
    help="Megabytes that builds may take; the least recently used are removed."
    "  [default: as after a run]",
)
@click.option(
    "--days",
    type=click.FloatRange(min=0),
    help="Remove what has not been used for this many days.  [default: whatever its age]",
)
@click.option("--all", "everything", is_flag=True, help="Remove every build and judgement.")
@store_option
def store_prune(*, size: float | None, days: float | None, everything: bool, store: Path) -> None:
    """Remove the least recently used caches, then builds."""
    from rich.filesize import decimal

    from harness.storage.store import Store
    from harness.storage.upkeep import DEFAULT_LIMIT, Upkeep

    builds = Upkeep(Store(root=store))
    if everything:
        freed = builds.prune(limit=0, age=0)
    elif size is None and days is None:
        freed = builds.make_room()
    else:
        freed = builds.prune(
            limit=DEFAULT_LIMIT if size is None else int(size * _MEGABYTE),
            age=None if days is None else days * 24 * 3600,
        )
    if freed is None:
        raise HarnessError(
            "another run is using the store, so nothing was removed",
            hint="try again when it has ended; it makes room itself when it ends",
        )
    stdout().print(f"{decimal(freed)} freed", markup=False, highlight=False)


@store.command("verify")
@store_option
def store_verify(store: Path) -> int:
    """Read every stored build, and remove those that are damaged."""
    from harness.storage.store import Store
    from harness.storage.upkeep import Upkeep

    console = stdout()
    builds = Upkeep(Store(root=store))
    with builds.in_use():
        damaged = list(builds.verify())
    for key, fault in damaged:
        console.print(f"{key[:12]}: {fault}; removed", markup=False, highlight=False)
    whole = len(builds.listing())
    console.print(f"{whole} builds whole, {len(damaged)} damaged", markup=False, highlight=False)
    return int(ExitCode.FINDING if damaged else ExitCode.EXPECTED)
