"""What ends a run, and what the next run finds and removes of it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import benches
import pytest
from benches import Stack
from traces import OUTSIDE, WITH_OUTSIDE, containers, groups, need, processes

from harness.errors import SandboxError, StoreError
from harness.runs.memory import folder_of_runs
from harness.runs.workspace import Workspace, sweep
from harness.sandboxes.registry import backends
from harness.storage.store import Store
from harness.trees.removal import remove_tree

pytestmark = pytest.mark.timeout(120)
SCRIPT = Path(__file__).with_name("killable.py")


@dataclass(kw_only=True)
class Run:
    """A harness process in the middle of a job."""

    process: subprocess.Popen[str]
    id: str
    marker: str
    store: Store

    @property
    def folder(self) -> Path:
        return self.store.runs / self.id

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(30)


@contextlib.contextmanager
def running(kind: str, store: Store, stack: Stack, *, where: str = "in a job") -> Iterator[Run]:
    marker = f"31415.{uuid.uuid4().int % 10**9}"
    process = subprocess.Popen(
        [
            *(sys.executable, str(SCRIPT), kind, str(store.root)),
            *(stack.image, str(stack.rootfs), marker, where),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{Path(benches.__file__).parent}:{OUTSIDE}"},
    )
    with process:
        assert process.stdout is not None
        try:
            run = process.stdout.readline().strip()
            assert process.stdout.readline() == "on\n"
            yield Run(process=process, id=run, marker=marker, store=store)
        finally:
            process.kill()
            process.wait()
            sweep(store)


@pytest.fixture(params=WITH_OUTSIDE)
def kind(request: pytest.FixtureRequest) -> str:
    need(request.param)
    return str(request.param)


def left_of(run: Run) -> dict[str, object]:
    """Everything of a run that is still there, by kind."""
    everything = {
        "folder": [run.folder] if run.folder.exists() else [],
        "containers": containers(run.id),
        "processes": [line for line in processes(run.marker) if SCRIPT.name not in line],
        "groups": groups(run.id),
        "mounts": [
            line
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if str(run.folder) in line
        ],
    }
    return {name: found for name, found in everything.items() if found}


def test_killed_run_is_swept(kind: str, store: Store, stack: Stack) -> None:
    with running(kind, store, stack) as run:
        run.end(signal.SIGKILL)
        assert run.folder.exists()
        assert sweep(store) == (run.id,)
        wait_until_gone(run)
        assert sweep(store) == ()


def test_no_job_begins_after_its_run_was_killed(kind: str, store: Store, stack: Stack) -> None:
    with running(kind, store, stack, where="before a job") as run:
        run.end(signal.SIGKILL)
        time.sleep(1)
        assert not list((run.folder / "out").iterdir())
        assert sweep(store) == (run.id,)
        wait_until_gone(run)


def test_live_run_is_left_alone(kind: str, store: Store, stack: Stack) -> None:
    with running(kind, store, stack) as run:
        before = left_of(run)
        assert sweep(store) == ()
        assert left_of(run).keys() == before.keys() >= {"folder", "processes"}
        assert run.process.poll() is None


def test_interrupted_run_cleans_up_after_itself(kind: str, store: Store, stack: Stack) -> None:
    with running(kind, store, stack) as run:
        run.end(signal.SIGINT)
        assert left_of(run) == {}


def test_terminated_run_is_swept(kind: str, store: Store, stack: Stack) -> None:
    with running(kind, store, stack) as run:
        run.end(signal.SIGTERM)
        sweep(store)
        wait_until_gone(run)


def wait_until_gone(run: Run) -> None:
    end = time.monotonic() + 10
    while (left := left_of(run)) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == {}


def test_sweepers_do_not_fight(store: Store) -> None:
    dead = [f"{number:012x}" for number in range(30)]
    for name in dead:
        (store.runs / name / "a" / "b").mkdir(parents=True)
        (store.runs / name / "lock").touch()
    with ThreadPoolExecutor(8) as pool:
        removed = [name for swept in pool.map(sweep, [store] * 8) for name in swept]
    assert sorted(removed) == dead
    assert [path.name for path in store.runs.iterdir()] == [".lock"]


def test_workspace_is_removed_or_kept(store: Store) -> None:
    with Workspace.open(store) as workspace:
        (workspace.folder / "x").mkdir()
        assert (workspace.folder / "lock").read_text() == f"{os.getpid()}\n"
        assert sweep(store) == ()
    assert not workspace.folder.exists()
    with Workspace.open(store, keep=True) as kept:
        (kept.folder / "x").mkdir()
    assert sweep(store) == ()
    assert (kept.folder / "x").exists()


def test_what_a_dead_run_left_in_memory_is_swept(store: Store, tmp_path: Path) -> None:
    runs = folder_of_runs()
    if runs is None:
        pytest.skip("there is no memory to work in")
    with Workspace.open(store) as live:
        assert live.memory is not None
        dead = runs / "0123456789ab"
        (dead / "builds" / "tmp").mkdir(parents=True)
        (dead / "lock").touch()
        # The run's store may be gone, so that any other sweeps for it.
        sweep(Store(root=tmp_path / "another"))
        assert not dead.exists()
        assert live.memory.exists()
    assert not live.memory.exists()
    with Workspace.open(store, keep=True) as kept:
        assert kept.memory is None


def test_workspace_is_removed_when_its_run_fails(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), Workspace.open(store) as workspace:
        raise KeyboardInterrupt
    assert not workspace.folder.exists()


class Down:
    """A kind whose engine does not answer."""

    @classmethod
    def sweep(cls, *_: object) -> None:
        raise SandboxError("no engine answers")


def test_run_stays_until_its_engine_can_be_asked(store: Store) -> None:
    (store.runs / "dead" / "docker").mkdir(parents=True)
    assert sweep(store, {"docker": Down}) == ()  # type: ignore[dict-item]
    assert (store.runs / "dead").exists()
    (store.runs / "other" / "bubblewrap").mkdir(parents=True)
    assert sweep(store, {"docker": Down}) == ("other",)  # type: ignore[dict-item]


def test_staging_folders_of_the_dead_are_swept(store: Store) -> None:
    store.images.mkdir(parents=True)
    old = store.images / ".staged-old"
    new = store.images / ".staged-new"
    for folder in (old, new):
        (folder / "x").mkdir(parents=True)
    with store.staged(store.images / "final") as live:
        for folder in (old, live):
            os.utime(folder, (0, 0))
        sweep(store)
        assert not old.exists()
        assert new.exists()
        assert live.exists()
    assert (store.images / "final").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_mounts_below_a_dead_run_are_detached(store: Store) -> None:
    inner = store.runs / "dead" / "a folder" / "m"
    inner.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(inner)], check=True)
    (inner / "held").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(inner / "held")], check=True)
    with (inner / "open").open("w"):
        assert sweep(store) == ("dead",)
    assert str(inner) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.docker
@pytest.mark.skipif(os.geteuid() != 0, reason="makes another user's files")
def test_files_of_another_user_are_reclaimed(tmp_path: Path, stack: Stack) -> None:
    need("docker")
    tree = tmp_path / "tree"
    (tree / "d").mkdir(parents=True)
    (tree / "d" / "file").touch()
    for path in (tree / "d" / "file", tree / "d"):
        os.chown(path, 4321, 4321)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "image").write_text(stack.image)
    assert backends()["docker"].reclaim(tree, scratch)
    assert {path.stat().st_uid for path in tree.rglob("*")} == {os.getuid()}


# --- removing trees --------------------------------------------------------------------------


def test_remove_tree_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(outside)
    (tmp_path / "alias").symlink_to(outside)
    remove_tree(tree)
    remove_tree(tmp_path / "alias")
    remove_tree(tmp_path / "nothing")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside"]
    assert (outside / "kept").exists()


def test_remove_tree_has_no_limit_on_depth(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    here = os.open(tree, os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("down", dir_fd=here)
        os.close(os.open("beside", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        inner = os.open("down", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    remove_tree(tree)
    assert not tree.exists()


def test_remove_tree_says_what_it_cannot_remove(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot remove"):
        remove_tree(Path("/proc/self/cmdline"))
