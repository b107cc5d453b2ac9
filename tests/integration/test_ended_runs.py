"""Runs that are ended from outside: what they say, what they leave, and who removes it."""

import signal
import time
from pathlib import Path

import pytest
from planted import buildpack, run_planted, scenario
from program import Program
from stores import store_without_builds

from harness.runs.workspace import sweep

pytestmark = [pytest.mark.image, pytest.mark.timeout(300)]

WAITS = """\
mkdir -p "$build/closed/inner"
chmod 000 "$build/closed"
sleep 600 &
touch "$build/on"
sleep 600
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """With a store of its own: any run sweeps what a killed one left in the store that it uses."""
    return Program(store=store_without_builds(tmp_path / "store"))


@pytest.fixture
def waits(tmp_path: Path) -> tuple[str | Path, ...]:
    """The arguments of a run whose build waits."""
    pack = buildpack(tmp_path / "waits", WAITS)
    return (scenario(tmp_path), "--buildpack", pack)


def test_nothing_of_a_killed_run_outlives_the_next_run(
    program: Program, kind: str, tmp_path: Path, waits: tuple[str | Path, ...]
) -> None:
    # Another build: one that is under way is waited for.
    other = buildpack(tmp_path / "other", f"true\n{WAITS}")
    with (
        program.started(tmp_path / "killed", *waits, sandbox=kind) as killed,
        program.started(tmp_path / "live", *waits[:-1], other, sandbox=kind) as live,
    ):
        killed.until_it_builds("on")
        live.until_it_builds("on")
        killed.process.kill()
        killed.process.wait()
        assert "folders" in program.left_of(killed.id)
        ran = run_planted(program, tmp_path, 'touch "$packages/module.py"\n', sandbox=kind)
        assert ran.status == 0, ran.said
        program.nothing_is_left_of(killed.id)
        assert live.process.poll() is None
        assert {"folders", "mounts"} <= program.left_of(live.id).keys()
        live.process.send_signal(signal.SIGINT)
        assert live.ended(within=60).status == 130
        assert program.left_of(live.id) == {}


def test_interrupted_run_says_so_and_leaves_nothing(
    program: Program, kind: str, tmp_path: Path, waits: tuple[str | Path, ...]
) -> None:
    with program.started(tmp_path / "run", *waits, sandbox=kind) as started:
        started.until_it_builds("on")
        assert {"folders", "mounts"} <= program.left_of(started.id).keys()
        begun = time.monotonic()
        started.process.send_signal(signal.SIGINT)
        ran = started.ended(within=60)
    assert ran.status == 130, ran.said
    assert time.monotonic() - begun < 30
    assert "interrupted" in ran.err
    assert "Traceback" not in ran.said
    assert program.left_of(ran.id) == {}


@pytest.mark.bubblewrap
def test_run_that_waits_for_another_s_build_can_be_interrupted(
    program: Program, tmp_path: Path, waits: tuple[str | Path, ...]
) -> None:
    with program.started(tmp_path / "first", *waits) as first:
        first.until_it_builds("on")
        with program.started(tmp_path / "second", *waits) as second:
            while not second.id:
                second.watch()
            time.sleep(2)
            second.process.send_signal(signal.SIGINT)
            assert second.ended(within=30).status == 130
        assert first.process.poll() is None


@pytest.mark.bubblewrap
def test_sweep_alone_removes_a_killed_run(
    program: Program, tmp_path: Path, waits: tuple[str | Path, ...]
) -> None:
    with program.started(tmp_path / "run", *waits) as killed:
        killed.until_it_builds("on")
        killed.process.kill()
        killed.process.wait()
        sweep(program.store)
        program.nothing_is_left_of(killed.id)
