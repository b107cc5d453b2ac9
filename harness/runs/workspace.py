"""The folder of a run under way, and the removal of what dead runs left."""

import contextlib
import ctypes
import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, SandboxError, StoreError
from harness.runs.memory import folder_of_runs
from harness.sandboxes.registry import Backend, backends
from harness.storage.locks import locked
from harness.storage.staging import sweep_staged
from harness.storage.store import Store
from harness.trees.removal import remove_tree

LOCK = "lock"
KEPT = "kept"
MNT_DETACH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A run's folder, kept for as long as the run lives.

    Attributes:
        id: The run's: what the run makes elsewhere, such as containers, carries it.
        folder: The run's own folder in the store.
        memory: The run's own folder in memory; None where none is available.
    """

    id: str
    folder: Path
    memory: Path | None = None

    def scratch(self, kind: str) -> Path:
        """The folder of the run's that a kind of sandbox has to itself; it is not made."""
        return _scratch(self.folder, kind)

    @classmethod
    @contextlib.contextmanager
    def open(cls, store: Store, *, keep: bool = False) -> Iterator["Workspace"]:
        """Yields a new run's workspace, which is removed when the block ends.

        It is locked by this process until then, so that no other takes it for a dead run's; see
        `sweep`. What cannot be removed at the end is left for a sweep.

        Args:
            store: Where it is made.
            keep: Whether the folder stays, for somebody to look at it and remove it.

        Raises:
            StoreError: The store cannot be written.
        """
        run = secrets.token_hex(6)
        # What somebody wants to look at should outlive the machine's next start.
        in_memory = None if keep else folder_of_runs()
        with contextlib.ExitStack() as stack:
            with _writing(store):
                folder = stack.enter_context(_run_folder(store.runs, run))
            memory = None
            if in_memory is not None:
                with contextlib.suppress(OSError):
                    memory = stack.enter_context(_run_folder(in_memory, run))
            try:
                yield cls(id=run, folder=folder, memory=memory)
            finally:
                if keep:
                    (folder / KEPT).touch()
                else:
                    for each in filter(None, (memory, folder)):
                        with contextlib.suppress(HarnessError, OSError):
                            _clear(each, folder, backends())


def sweep(store: Store, kinds: Mapping[str, Backend] | None = None) -> tuple[str, ...]:
    """Removes what dead runs left: containers, control groups, mounts, folders.

    A run is dead when nobody holds its lock, which its process does to its end, however it ends.
    Several processes may sweep at once.

    Args:
        store: The store whose runs are looked at.
        kinds: The kinds of sandbox to ask; every installed one unless given.

    Returns:
        The ids of the runs that were removed. One whose sandboxes cannot be seen to now (an engine
        that is down) stays for a later sweep.

    Raises:
        StoreError: The store cannot be written.
    """
    if kinds is None:
        kinds = backends()
    removed: list[str] = []
    # One sweep at a time: the lock of a run is removed with its folder, and may be made again.
    with contextlib.ExitStack() as alone:
        if store.runs.is_dir():
            alone.enter_context(locked(store.runs))
            with _writing(store):
                removed = _sweep_runs(store.runs, kinds)
    # After the containers that may still write there. Runs of other stores are seen to as well.
    in_memory = folder_of_runs()
    if in_memory is not None:
        with contextlib.suppress(OSError), locked(in_memory):
            _sweep_runs(in_memory, kinds)
    for each in (store.images, store.runtimes, store.tools, store.releases):
        sweep_staged(each)
    for each in store.builds.glob("??"):
        sweep_staged(each)
    return tuple(removed)


def _sweep_runs(runs: Path, kinds: Mapping[str, Backend]) -> list[str]:
    """Removes the dead runs' folders; gives their ids."""
    removed = []
    for run, lock in _dead(runs):
        with lock:
            folder = runs / run
            try:
                _sweep_sandboxes(run, folder, kinds)
                _unmount_below(folder)
                _clear(folder, folder, kinds)
            except (SandboxError, StoreError):
                continue
            removed.append(run)
    return removed


@contextlib.contextmanager
def _run_folder(runs: Path, run: str) -> Iterator[Path]:
    """Makes a run's folder and holds its lock, in which its process stands for people to see."""
    folder = runs / run
    with contextlib.ExitStack() as stack:
        with locked(runs / f".{LOCK}"):
            folder.mkdir(mode=0o700)
            (folder / LOCK).write_text(f"{os.getpid()}\n", encoding="ascii")
            stack.enter_context(locked(folder / LOCK))
        yield folder


def _dead(runs: Path) -> Iterator[tuple[str, contextlib.ExitStack]]:
    """Runs whose lock could be taken, each with the lock."""
    for entry in sorted(runs.iterdir()):
        if entry.name.startswith(".") or (entry / KEPT).exists() or not entry.is_dir():
            continue
        with contextlib.ExitStack() as stack:
            try:
                # A run makes its folder and takes its lock while it holds this one.
                with locked(runs / f".{LOCK}"):
                    stack.enter_context(locked(entry / LOCK, wait=False))
            except (BlockingIOError, FileNotFoundError):
                continue
            yield entry.name, stack.pop_all()


def _scratch(folder: Path, kind: str) -> Path:
    return folder / kind


def _sweep_sandboxes(run: str, folder: Path, kinds: Mapping[str, Backend]) -> None:
    for name, kind in kinds.items():
        if _scratch(folder, name).exists():
            kind.sweep(run, _scratch(folder, name))


def _clear(folder: Path, own: Path, kinds: Mapping[str, Backend]) -> None:
    """Removes a run's folder, what helps to remove it last, so that it can be tried again.

    Args:
        folder: The folder.
        own: The run's folder with what its sandboxes keep; mostly the same.
        kinds: The kinds of sandbox.

    Raises:
        StoreError: Something in it cannot be removed.
    """
    helps = {*kinds, LOCK}
    for path in sorted(folder.iterdir(), key=lambda path: path.name in helps):
        try:
            remove_tree(path)
        except StoreError:
            if not any(kind.reclaim(path, _scratch(own, name)) for name, kind in kinds.items()):
                raise
            remove_tree(path)
    remove_tree(folder)


def _unmount_below(folder: Path) -> None:
    """Detaches what is mounted below a folder, the innermost first, where this user may."""
    root = os.fsencode(folder.resolve()) + b"/"
    points = []
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        point = line.split(b" ")[4].decode("unicode_escape").encode("latin-1")
        if point.startswith(root):
            points.append(point)
    libc = ctypes.CDLL(None, use_errno=True)
    for point in sorted(points, reverse=True):
        if libc.umount2(point, MNT_DETACH) != 0 and ctypes.get_errno() != errno.EINVAL:
            raise StoreError(
                f"cannot unmount {os.fsdecode(point)}, which a dead run left: "
                f"{os.strerror(ctypes.get_errno())}",
                hint=f"sudo umount {os.fsdecode(point)}",
            )


@contextlib.contextmanager
def _writing(store: Store) -> Iterator[None]:
    try:
        store.runs.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write to the store at {store.root}: {error.strerror or error}",
            hint="free some room, or choose another folder with --store DIR",
        ) from error
