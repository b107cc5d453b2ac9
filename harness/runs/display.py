"""Shows a run while it goes on: live on a terminal, a line a build elsewhere."""

import os
import sys
import termios
import threading
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from select import select
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from harness.reports.printing import printable
from harness.runs.progress import Label, Observer
from harness.verdicts.result import Verdict

_TAIL_LINES = 12
_LOG_KEY = "l"


@contextmanager
def showing(console: Console) -> Iterator[Observer]:
    """Yields what to tell a run's progress to, for as long as it is to be shown."""
    if not console.is_terminal:
        yield _Plain(console)
        return
    live = _Live()
    keys = _Keys(live.toggle_log)
    with Live(get_renderable=live.render, console=console, refresh_per_second=8, transient=True):
        keys.start()
        try:
            yield live
        finally:
            keys.stop()


class _Plain:
    """A line when a build ends."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def build_started(self, label: Label) -> None:
        del label

    def build_line(self, label: Label, line: str) -> None:
        del label, line

    def build_ended(self, label: Label, how: str, seconds: float) -> None:
        which = f"{label.scenario}: commit {label.commit}/{label.commits} {label.arm}"
        self._say(f"{which} {how} ({seconds:.1f} s)")

    def scenario_ended(self, scenario: str, verdict: Verdict) -> None:
        self._say(f"{scenario}: {verdict}")

    def note(self, text: str) -> None:
        self._say(text)

    def _say(self, text: str) -> None:
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)


@dataclass(slots=True)
class _Row:
    started: float
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))


class _Live:
    """A row for each build under way; the key `l` shows and hides the log's last lines."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[Label, _Row] = {}
        self._verdicts: dict[Verdict, int] = dict.fromkeys(Verdict, 0)
        self._note = ""
        self._log = False
        self._spinner = Spinner("dots")

    def toggle_log(self) -> None:
        self._log = not self._log

    def build_started(self, label: Label) -> None:
        with self._lock:
            self._rows[label] = _Row(started=time.monotonic())
            self._note = ""

    def build_line(self, label: Label, line: str) -> None:
        self._rows[label].lines.append(printable(line))

    def build_ended(self, label: Label, how: str, seconds: float) -> None:
        del how, seconds
        with self._lock:
            self._rows.pop(label, None)

    def scenario_ended(self, scenario: str, verdict: Verdict) -> None:
        del scenario
        with self._lock:
            self._verdicts[verdict] += 1

    def note(self, text: str) -> None:
        self._note = printable(text)

    def render(self) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        with self._lock:
            rows = list(self._rows.items())
        tails: list[Text] = []
        for label, row in rows:
            last = row.lines[-1].strip() if row.lines else ""
            seconds = f"{time.monotonic() - row.started:.0f} s"
            commit = f"commit {label.commit}/{label.commits}"
            shown = Text(last, no_wrap=True, overflow="ellipsis", style="dim")
            grid.add_row(self._spinner, Text(label.scenario), commit, label.arm, seconds, shown)
            if self._log:
                tails.append(Text(f"── {label.scenario}, {commit} {label.arm}", style="bold"))
                tails.extend(
                    Text(line, no_wrap=True, overflow="ellipsis", style="dim")
                    for line in tuple(row.lines)
                )
        done = ", ".join(f"{count} {verdict}" for verdict, count in self._verdicts.items() if count)
        hint = f"{done or 'nothing done yet'}   [{_LOG_KEY}] log"
        head = Text(self._note or hint, style="dim")
        return Group(grid, *tails, head)


class _Keys(threading.Thread):
    """Watches the keyboard for the one key that there is, leaving ^C as it is."""

    def __init__(self, on_log: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._on_log = on_log
        self._stop_asked = threading.Event()
        self._kept: list[Any] | None = None

    def run(self) -> None:
        if not sys.stdin.isatty():
            return
        self._kept = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)
        while not self._stop_asked.is_set():
            ready, _, _ = select([sys.stdin], [], [], 0.2)
            if ready and os.read(sys.stdin.fileno(), 1) == _LOG_KEY.encode():
                self._on_log()

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()
        if self._kept is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._kept)
