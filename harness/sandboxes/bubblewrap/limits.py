"""Holds a bubblewrap sandbox to its memory and processes: by a control group, else by watching."""

import contextlib
import errno
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, Self

import psutil

from harness.sandboxes import OPEN_FILES, End, Limits

PREFIX = "cache-harness-"
INTERVAL = 0.05
CONTROLLERS = ("memory", "pids")


class Confinement(Protocol):
    """Holds the processes of one sandbox to their limits."""

    def add(self, pid: int) -> None:
        """Takes in a process; its later children are in as well."""
        ...

    def excess(self) -> End | None:
        """The limit that was gone over, if any."""
        ...

    def close(self) -> None:
        """Leaves nothing behind; the processes are dead by then."""
        ...


class ControlGroup:
    """A control group per controller (version 1), or one for both (version 2); see cgroups(7)."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._folders = folders

    @classmethod
    def make(cls, name: str, limits: Limits) -> "ControlGroup | None":
        """A group with the limits, or None where this process may not make one."""
        for parents in _places():
            folders = [parent / f"{PREFIX}{name}" for parent in dict.fromkeys(parents)]
            group = cls(tuple(folders))
            try:
                for folder in folders:
                    folder.mkdir()
                group._limit(limits)
            except OSError:
                group.close()
                continue
            return group
        return None

    def _limit(self, limits: Limits) -> None:
        for folder in self._folders:
            if (folder / "memory.max").exists():
                (folder / "memory.max").write_text(str(limits.memory))
                _write_if_there(folder / "memory.swap.max", "0")
            elif (folder / "memory.limit_in_bytes").exists():
                (folder / "memory.limit_in_bytes").write_text(str(limits.memory))
                _write_if_there(folder / "memory.memsw.limit_in_bytes", str(limits.memory))
        pids = [folder / "pids.max" for folder in self._folders if (folder / "pids.max").exists()]
        if not pids or not self._memory_events():
            raise OSError(errno.ENOTSUP, "controllers are not enabled here")
        pids[0].write_text(str(limits.processes))

    def _memory_events(self) -> Path | None:
        for folder in self._folders:
            for name in ("memory.events", "memory.oom_control"):
                if (folder / name).exists():
                    return folder / name
        return None

    def add(self, pid: int) -> None:
        """Takes in a process; its later children are in as well."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def excess(self) -> End | None:
        """`MEMORY` once the kernel has killed a process for want of it."""
        events = self._memory_events()
        text = events.read_text() if events else ""
        counts = dict(line.split(None, 1) for line in text.splitlines() if " " in line)
        return End.MEMORY if int(counts.get("oom_kill", 0)) else None

    def close(self) -> None:
        """Removes the group."""
        for folder in self._folders:
            _remove_group(folder)


def sweep_groups(run: str) -> None:
    """Removes the control groups that a dead run left, whichever group it ran in itself."""
    for point in set(_mounts().values()):
        # Others' groups come and go meanwhile, which `os.walk` passes over and `rglob` does not.
        for parent, names, _ in os.walk(point):
            for name in names:
                if name.startswith(f"{PREFIX}{run}-"):
                    _remove_group(Path(parent, name))


def _remove_group(folder: Path) -> None:
    # The kernel lets go of the dead a little after they are waited for.
    for _ in range(100):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)
        else:
            return


def _mounts() -> dict[str, Path]:
    """Where the hierarchies of control groups are, by controller; version 2's by no name."""
    mounts: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        point = Path(before.split(" ")[4])
        if kind == "cgroup2":
            mounts.setdefault("", point)
        elif kind == "cgroup":
            for controller in set(CONTROLLERS) & set(options.split(" ")[-1].split(",")):
                mounts.setdefault(controller, point)
    return mounts


def _places() -> Iterator[tuple[Path, ...]]:
    """Folders in which a group might be made, best first."""
    mounts = _mounts()
    own: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), path.lstrip("/")))
    if all(controller in mounts for controller in CONTROLLERS):
        yield tuple(mounts[name] / own.get(name, "") for name in CONTROLLERS)
        yield tuple(mounts[name] for name in CONTROLLERS)
    if "" in mounts:
        # A group that holds processes, such as our own, cannot hand its controllers down.
        inner = mounts[""] / own.get("", "")
        yield (inner,)
        for outer in inner.relative_to(mounts[""]).parents:
            yield (mounts[""] / outer,)


def _write_if_there(path: Path, text: str) -> None:
    with contextlib.suppress(OSError):
        path.write_text(text)


class Watch:
    """Counts a sandbox's processes and their memory from outside, where no group can be made.

    It sees the sandbox's first process and all that descend from it: orphans stay among them,
    since a process namespace's first process inherits them.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: psutil.Process | None = None
        self._found: End | None = None

    def add(self, pid: int) -> None:
        """Watches this process and its descendants."""
        with contextlib.suppress(psutil.Error):
            self._process = psutil.Process(pid)

    def excess(self) -> End | None:
        """The limit that was gone over, now or before."""
        if self._found is None and self._process is not None:
            with contextlib.suppress(psutil.Error, OSError):
                self._found = self._look(self._process)
        return self._found

    def _look(self, first: psutil.Process) -> End | None:
        threads = rough = 0
        family = [first, *first.children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.Error, OSError):
                threads += process.num_threads()
                rough += process.memory_info().rss
        if threads > self._limits.processes + 1:  # one for the process that reaps the others
            return End.PROCESSES
        # Shared pages count once for each process in the quick sum, and the exact one is slow.
        if rough > self._limits.memory and _proportional(family) > self._limits.memory:
            return End.MEMORY
        return None

    def close(self) -> None:
        """Has nothing to leave behind."""


def _proportional(family: list[psutil.Process]) -> int:
    total = 0
    for process in family:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
                # File-backed pages can be dropped and read again: they are not what is limited.
                if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                    total += int(line.split()[1]) * 1024
    return total


class Warden:
    """Looks at a confinement now and then, and kills the sandbox once it goes over a limit.

    A context manager; `excess` tells which limit it was, the last look included.
    """

    def __init__(self, confinement: Confinement, kill: Callable[[], None]) -> None:
        self._confinement = confinement
        self._kill = kill
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="job limits", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(INTERVAL):
            if self._confinement.excess() is not None:
                self._kill()
                return

    def excess(self) -> End | None:
        """The limit that was gone over, if any."""
        return self._confinement.excess()


def set_resource_limits(pid: int, limits: Limits, *, confined: bool) -> None:
    """Sets what the kernel holds each process to (getrlimit(2)).

    Args:
        pid: A process that waits; what it becomes and what descends from it inherits the limits.
        limits: The job's limits.
        confined: Whether a control group counts the processes.
    """

    def lower(kind: int, soft: int, hard: int) -> None:
        _, most = resource.prlimit(pid, kind)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.prlimit(pid, kind, (soft, hard))

    lower(resource.RLIMIT_CORE, 0, 0)
    lower(resource.RLIMIT_FSIZE, limits.file_size, limits.file_size)
    lower(resource.RLIMIT_NOFILE, *OPEN_FILES)
    if not confined and _counts_by_namespace():
        lower(resource.RLIMIT_NPROC, limits.processes + 1, limits.processes + 1)


def _counts_by_namespace() -> bool:
    # From Linux 5.14 on a user's processes are counted in each user namespace by itself; before, a
    # limit for the sandbox would have counted all that the user runs.
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(filter(str.isdigit, minor)))) >= (5, 14)
