"""Buildpacks side by side: a row a scenario, a column a buildpack, and where they part."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.ecosystems.reuse import Reuse
from harness.reports.console import STYLES, packages_anew, verdict_name
from harness.reports.counts import builds_line
from harness.trees.manifest import escape
from harness.verdicts.result import Result, Run

_REUSE = {
    Reuse.REUSED: "r",
    Reuse.DISCARDED: "d",
    Reuse.EMPTY: "",
    Reuse.UNKNOWN: "?",
}
_WIDEST = 10_000
_LEGEND = (
    "after the verdict, commit by commit: r the cache was reused, p reused but for the packages,"
    " d discarded, ? not known;"
    " » differs from the column to its left"
)


def render(run: Run) -> RenderableType:
    """The table, and what its marks mean."""
    buildpacks = tuple(dict.fromkeys(result.buildpack for result in run.results))
    scenarios = tuple(dict.fromkeys(result.scenario for result in run.results))
    cells = {(result.scenario, result.buildpack): result for result in run.results}
    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("scenario", no_wrap=True)
    for name in shortened(buildpacks).values():
        grid.add_column(Text(escape(name)), no_wrap=True)
    for scenario in scenarios:
        row = [cells[scenario, buildpack] for buildpack in buildpacks]
        before = (None, *row)
        grid.add_row(
            Text(escape(scenario)),
            *(_cell(left, cell) for left, cell in zip(before, row, strict=False)),
        )
    return Group(_Whole(grid), Text(_LEGEND, style="dim"), Text(builds_line(run.builds)))


@dataclass(frozen=True, slots=True)
class _Whole:
    """A table as wide as it is: many columns that are squeezed into a terminal cannot be read."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        anything = options.update(max_width=_WIDEST)
        wanted = Measurement.get(console, anything, self.table).maximum
        yield from console.render(self.table, options.update(width=wanted))


def shortened(buildpacks: tuple[str, ...]) -> Mapping[str, str]:
    """What to call each buildpack in a narrow column: what comes after the part all share."""
    short = {name: name.rpartition("@")[2] or name for name in buildpacks}
    if len(set(short.values())) < len(buildpacks):
        return {name: name for name in buildpacks}
    return short


def _cell(left: Result | None, cell: Result) -> Text:
    text = _told(cell)
    changed = left is not None and _told(left) != text
    return Text(("» " if changed else "  ") + text, style=STYLES[cell.verdict])


def _told(cell: Result) -> str:
    marks = "".join("p" if packages_anew(step) else _REUSE[step.reuse] for step in cell.steps)
    found = sum(
        len(step.divergences) + sum(one.divergence is not None for one in step.known)
        for step in cell.steps
    )
    count = f" {found}" if found else ""
    return f"{verdict_name(cell)}{count} {marks}".rstrip()
