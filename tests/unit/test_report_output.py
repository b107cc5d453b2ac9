"""Each report, whole, of a run of each kind."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console, RenderableType
from sample_results import RUNS
from syrupy.assertion import SnapshotAssertion

from harness.reports import console, json, matrix
from harness.verdicts.result import Run


def printed(render: Callable[[Run], RenderableType], run: Run) -> str:
    """What a report prints on a terminal of 100 columns, without its colours."""
    terminal = Console(file=io.StringIO(), width=100, soft_wrap=True)
    terminal.print(render(run))
    assert isinstance(terminal.file, io.StringIO)
    # A table fills its lines with spaces.
    return "".join(f"{line.rstrip()}\n" for line in terminal.file.getvalue().splitlines())


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
class TestReport:
    def test_on_the_console(self, run: Run, snapshot: SnapshotAssertion) -> None:
        assert printed(console.render, run) == snapshot

    def test_in_json(self, run: Run, snapshot: SnapshotAssertion) -> None:
        assert json.render(run) == snapshot

    def test_as_a_matrix(self, run: Run, snapshot: SnapshotAssertion) -> None:
        assert printed(matrix.render, run) == snapshot
