"""Runs of the program as a person starts them, and what looks for things that they left."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from traces import below, containers, groups, mounting, networks

from harness.runs.memory import folder_of_runs
from harness.storage.store import Store, default_root

PROGRAM = Path(sys.executable).with_name("cache-harness")
REPOSITORY = Path(__file__).resolve().parents[1]
SCENARIOS = REPOSITORY / "scenarios"
LONGEST = 900.0


def store() -> Store:
    """The store that all tests share: images and runtimes are long in the making."""
    return Store(root=default_root().resolve())


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

    process: subprocess.Popen[bytes]
    folder: Path
    id: str = ""

    def watch(self) -> None:
        """Learns the run's id, which is the name of the folder in whose lock its process stands."""
        for lock in store().runs.glob("*/lock"):
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
        found = (path for folder in folders_of(self.id) for path in below(folder))
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


@contextlib.contextmanager
def going(folder: Path, *arguments: str | Path) -> Iterator[StartedRun]:
    """A run of `cache-harness run` that builds; it is ended as ^C would when the block is left."""
    folder.mkdir(parents=True)
    command = [str(PROGRAM), "run", "--fresh", *map(str, arguments)]
    command += ["--store", str(store().root), "--report", f"json={folder / 'report.json'}"]
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=folder)
    try:
        yield StartedRun(process=process, folder=folder)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
        process.kill()
        process.wait()


def run(folder: Path, *arguments: str | Path) -> EndedRun:
    """A whole run, which must leave nothing behind."""
    with going(folder, *arguments) as started:
        ran = started.ended()
    assert "Traceback" not in ran.said
    assert left_of(ran.id) == {}, (left_of(ran.id), ran.said)
    return ran


def folders_of(run_id: str) -> tuple[Path, ...]:
    """A run's folders: in the store, and in memory where there is any to be had."""
    return tuple(runs / run_id for runs in (store().runs, folder_of_runs()) if runs is not None)


def left_of(run_id: str) -> dict[str, list[str]]:
    """Everything of a run that is still there, by kind."""
    assert run_id
    folders = folders_of(run_id)
    everything = {
        "folders": [str(folder) for folder in folders if folder.exists()],
        "containers": containers(run_id),
        "networks": networks(run_id),
        "control groups": [str(group) for group in groups(run_id)],
        # A sandbox's processes see the run's folders among their mounts.
        "mounts": mounting(f"/{run_id}/"),
    }
    return {name: found for name, found in everything.items() if found}


def nothing_left_of(run_id: str) -> None:
    """Checks it, after a while for what the kernel is still at."""
    end = time.monotonic() + 20
    while (left := left_of(run_id)) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == {}, left


# --- inputs ----------------------------------------------------------------------------------


def buildpack(folder: Path, script: str) -> Path:
    """A buildpack whose compile is the script; `$packages` is its site-packages, made."""
    head = (
        "#!/usr/bin/env bash\nset -euo pipefail\n"
        "build=$1 cache=$2\n"
        "packages=$build/.heroku/python/lib/python3.11/site-packages\n"
        'mkdir -p "$packages" "$build/.heroku/python/bin"\n'
    )
    for name, text in (("detect", "#!/bin/sh\nexit 0\n"), ("compile", head + script)):
        program = folder / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    return folder


def bundled_copy(name: str, folder: Path) -> Path:
    """A bundled buildpack as a folder of its own, to plant a fault in."""
    shutil.copytree(REPOSITORY / "fixtures/buildpacks" / name, folder)
    return folder


PLAIN = """\
description = "A page is added to an app of one file"

[app.files]
"requirements.txt" = ""

[[commits]]
message = "Add a page"
edits = [{ do = "write", path = "page.html", text = "<h1>Hello</h1>" }]
"""


def scenario(folder: Path, text: str = PLAIN) -> Path:
    """A scenario file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "planted.toml"
    file.write_text(text)
    return file
