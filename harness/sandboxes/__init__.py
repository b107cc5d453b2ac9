"""What a sandbox is: one command, run in a container that sees only what it is given."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from socket import socket
from typing import Protocol

NAME_SERVER = "127.0.0.53"
WEB_SERVER = "127.0.0.80"

# resolv.conf(5): on a machine with too much to do an answer may be late, and a job must not be
# judged by that.
RESOLVER_OPTIONS = ("timeout:5", "attempts:5")
RESOLVER_PATIENCE = 20  # seconds in which a resolver with these options has not given up

MEBIBYTE = 1024 * 1024
OPEN_FILES = (1024, 4096)
"""Files that each process of a job may have open, and to how many it may raise that itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file or folder of the host's that the sandbox shows at `target`.

    A mount is read-only unless `writable`. What the sandbox writes to a writable one is there for
    the caller afterwards, owned by the caller or at least readable and removable by it.
    """

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a job may use: seconds of wall time, bytes of memory, processes (threads count), bytes
    of output (stdout and stderr together), and bytes of one file."""  # noqa: D205, D209

    seconds: float = 900
    memory: int = 4096 * MEBIBYTE
    processes: int = 1024
    output: int = 32 * MEBIBYTE
    file_size: int = 4096 * MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One command and all that it may see; pure data.

    Attributes:
        argv: The command. Its program is looked up in the sandbox.
        env: The whole environment; nothing of the host's is added.
        cwd: An absolute path in the sandbox.
        mounts: Parents before children; targets need not exist in the image.
        limits: What it may use.
    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    mounts: tuple[Mount, ...] = ()
    limits: Limits = field(default_factory=Limits)


class End(StrEnum):
    """Why a job ended."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT = "output"
    PROCESSES = "processes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job ended: `status` is the exit status (128 + N after signal N), and seconds of wall
    time. Where `end` is not `EXITED` the job was killed for its limit."""  # noqa: D205, D209

    end: End
    status: int
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether it exited with status 0 within its limits."""
        return self.end is End.EXITED and self.status == 0

    def how(self) -> str:
        """How it ended, in a few words."""
        if self.passed:
            return "passes"
        if self.end is End.EXITED:
            return f"fails with exit status {self.status}"
        return f"is stopped by its {self.end} limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Sockets bound inside a sandbox's network namespace, from which the host's server accepts.

    The namespace has a loopback interface and no other: there is no way out but through these.
    `dns` is a UDP socket at `NAME_SERVER`:53; `http` and `https` listen at `WEB_SERVER`:80 and 443.
    """

    dns: socket
    http: socket
    https: socket


Serve = Callable[[Listeners], AbstractContextManager[object]]
OnOutput = Callable[[bytes], None]


class Sandbox(Protocol):
    """Runs jobs, each in a container of its own. Safe to use from several threads."""

    name: str

    def run(self, job: Job, *, serve: Serve | None = None, on_output: OnOutput) -> Outcome:
        """Runs a job to its end and leaves nothing of it behind.

        Args:
            job: The command and what it sees.
            serve: Entered with the sandbox's sockets before the job starts and left after it ends;
                without it the job has no network at all.
            on_output: Called with stdout and stderr, interleaved as written, while the job runs.

        Raises:
            SandboxError: The container could not be made or was lost.
        """
        ...

    def close(self) -> None:
        """Removes whatever is kept between jobs; does nothing the second time."""
        ...
