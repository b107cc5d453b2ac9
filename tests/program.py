"""The program as a person starts it, and what its runs left on the machine."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from traces import below, containers, groups, mounting, need, networks

from harness.runs.memory import folder_of_runs
from harness.storage.store import Store

PROGRAM = Path(sys.executable).with_name("cache-harness")
REPOSITORY = Path(__file__).resolve().parents[1]
SCENARIOS = REPOSITORY / "scenarios"
LONGEST = 900.0


@dataclass(kw_only=True)
class EndedRun:
    """A run that has ended."""

    id: str
    status: int
    out: str
    err: str
    report: dict[str, Any]
    by_scenario: dict[str, dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        results = self.report.get("results", ())
        self.by_scenario = {result["scenario"]: result for result in results}

    @property
    def verdicts(self) -> dict[str, str]:
        return {name: result["verdict"] for name, result in self.by_scenario.items()}

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The steps of the one scenario that ran."""
        (result,) = self.by_scenario.values()
        return list(result["steps"])

    @property
    def said(self) -> str:
        return f"exit status {self.status}\n{self.out}\n{self.err}"


@dataclass(kw_only=True)
class StartedRun:
    """A run that goes on."""

    program: "Program"
    process: subprocess.Popen[bytes]
    folder: Path
    id: str = ""

    def watch(self) -> None:
        """Learns the run's id, which is the name of the folder in whose lock its process stands."""
        for lock in self.program.store.runs.glob("*/lock"):
            # Runs beside this one end meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if lock.read_text() == f"{self.process.pid}\n":
                    self.id = lock.parent.name

    def until_it_builds(self, mark: str) -> None:
        """Waits until a build has made `mark` in its folder."""
        end = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < end:
            self.watch()
            if self.id and self._has_made(mark):
                return
            time.sleep(0.05)
        raise AssertionError(self.ended().said)

    def _has_made(self, mark: str) -> bool:
        found = (path for folder in self.program.folders_of(self.id) for path in below(folder))
        return any(path.name == mark and path.parts[-3] == "tmp" for path in found)

    def ended(self, *, within: float = LONGEST) -> EndedRun:
        """Waits for the end and reads what the run wrote."""
        end = time.monotonic() + within
        while self.process.poll() is None and time.monotonic() < end:
            if not self.id:
                self.watch()
            time.sleep(0.02)
        assert self.process.poll() is not None, f"still runs after {within} s"
        report = self.folder / "report.json"
        return EndedRun(
            id=self.id,
            status=self.process.returncode,
            out=(self.folder / "out").read_text(),
            err=(self.folder / "err").read_text(),
            report=json.loads(report.read_text()) if report.exists() else {},
        )


@dataclass(frozen=True, kw_only=True)
class Program:
    """`cache-harness run` with a store."""

    store: Store

    @contextlib.contextmanager
    def started(
        self, folder: Path, *arguments: str | Path, sandbox: str = "bubblewrap"
    ) -> Iterator[StartedRun]:
        """A run that writes into a new folder; it is ended as ^C would when the block is left."""
        need(sandbox)
        folder.mkdir(parents=True)
        command = [str(PROGRAM), "run", *map(str, arguments), "--sandbox", sandbox]
        command += ["--store", str(self.store.root), "--report", f"json={folder / 'report.json'}"]
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(command, stdout=out, stderr=err, cwd=folder)
        try:
            yield StartedRun(program=self, process=process, folder=folder)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(60)
            process.kill()
            process.wait()

    def run(self, folder: Path, *arguments: str | Path, sandbox: str = "bubblewrap") -> EndedRun:
        """A whole run, which must leave nothing behind."""
        with self.started(folder, *arguments, sandbox=sandbox) as started:
            ran = started.ended()
        assert "Traceback" not in ran.said
        assert self.left_of(ran.id) == {}, (self.left_of(ran.id), ran.said)
        return ran

    def folders_of(self, run_id: str) -> tuple[Path, ...]:
        """A run's folders: in the store, and in memory where builds work there."""
        assert run_id
        places = (self.store.runs, folder_of_runs())
        return tuple(runs / run_id for runs in places if runs is not None)

    def left_of(self, run_id: str) -> dict[str, list[str]]:
        """Everything of a run that is still there, by kind."""
        everything = {
            "folders": [str(folder) for folder in self.folders_of(run_id) if folder.exists()],
            "containers": containers(run_id),
            "networks": networks(run_id),
            "control groups": [str(group) for group in groups(run_id)],
            # A sandbox's processes see the run's folders among their mounts.
            "mounts": mounting(f"/{run_id}/"),
        }
        return {name: found for name, found in everything.items() if found}

    def nothing_is_left_of(self, run_id: str) -> None:
        """Checks it, after a while for what the kernel is still at."""
        end = time.monotonic() + 20
        while (left := self.left_of(run_id)) and time.monotonic() < end:
            time.sleep(0.1)
        assert left == {}, left
