"""What a benchmark found: shown as tables, kept as JSON, gathered as Markdown."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.machine import Machine

_WIDTH = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: the first column names the row, the others are numbers as text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that one benchmark found.

    Attributes:
        name: The benchmark's.
        machine: Where and when.
        tables: What a person reads.
        measured: Every single measurement behind the tables, for JSON.
    """

    name: str
    machine: Machine
    tables: tuple[Table, ...]
    measured: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median of some measurements, and the least and the most of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """The spread of one or more values."""
        found = sorted(values)
        return cls(median=median(found), least=found[0], most=found[-1])

    def seconds(self) -> str:
        """As seconds: `12.3 (11.9 to 14.0)`."""
        return self._shown(1.0)

    def milliseconds(self) -> str:
        """As milliseconds."""
        return self._shown(1000.0)

    def _shown(self, unit: float) -> str:
        middle, least, most = (_short(x * unit) for x in (self.median, self.least, self.most))
        return middle if least == most else f"{middle} ({least} to {most})"


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def show(report: Report) -> None:
    """Prints a report's tables."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    console.print(f"{report.name}: {report.machine}", highlight=False, markup=False)
    for table in report.tables:
        shown = RichTable(title=table.title, title_justify="left")
        for number, name in enumerate(table.columns):
            shown.add_column(name, justify="right" if number else "left")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
        for note in table.notes:
            console.print(f"  {note}", highlight=False, markup=False)


def save(report: Report, folder: Path) -> None:
    """Writes `<name>.json` into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(report), indent=1, default=str)
    (folder / f"{report.name}.json").write_text(text + "\n", encoding="utf-8")


def saved(name: str, folder: Path) -> Report | None:
    """The report that `save` wrote last, or None."""
    file = folder / f"{name}.json"
    if not file.exists():
        return None
    found = json.loads(file.read_text(encoding="utf-8"))
    return Report(
        name=found["name"],
        machine=Machine(**found["machine"]),
        tables=tuple(
            Table(
                title=table["title"],
                columns=tuple(table["columns"]),
                rows=tuple(tuple(row) for row in table["rows"]),
                notes=tuple(table["notes"]),
            )
            for table in found["tables"]
        ),
        measured=found["measured"],
    )


def markdown(report: Report) -> str:
    """A report as a section of a Markdown page."""
    lines = [f"## {report.name}", "", str(report.machine), ""]
    for table in report.tables:
        lines += [f"### {table.title}", ""]
        lines += [_row(table.columns), _row(["---", *["---:"] * (len(table.columns) - 1)])]
        lines += [_row(row) for row in table.rows]
        lines += ["", *(f"- {note}" for note in table.notes)]
        lines += [""] if table.notes else []
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
