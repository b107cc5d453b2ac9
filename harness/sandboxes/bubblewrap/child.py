"""The first process of a sandbox, whose job waits for leave to begin."""

import contextlib
import io
import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

CHUNK = 64 * 1024


@dataclass(eq=False, slots=True, kw_only=True)
class Child:
    """A sandbox's first process, known by a descriptor, so that a reused pid is never killed."""

    pid: int
    descriptor: int
    process: subprocess.Popen[bytes]
    status_file: io.FileIO
    block_file: io.FileIO
    tail: bytearray = field(default_factory=bytearray)

    def release(self) -> None:
        """Lets the job start."""
        with contextlib.suppress(BrokenPipeError):  # it was killed already
            self.block_file.write(b"x")

    def chunks(self) -> Iterator[bytes]:
        """The job's output, as it comes."""
        assert self.process.stdout is not None  # noqa: S101  (for the type checker: a pipe)
        descriptor = self.process.stdout.fileno()
        while chunk := os.read(descriptor, CHUNK):
            self.tail = (self.tail + chunk)[-1000:]
            yield chunk

    @property
    def said(self) -> str:
        """The end of the output."""
        return self.tail.decode(errors="replace").strip()

    def kill(self) -> None:
        """Kills the process, and with it all of its namespace (pid_namespaces(7))."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)

    def wait(self, seconds: float) -> bool:
        """Waits until the namespace is empty; tells whether it is."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        return bool(poll.poll(max(0, seconds) * 1000))

    def kill_and_wait(self) -> None:
        """Leaves no process of the sandbox's."""
        if not self.wait(0):
            self.kill()
            self.wait(60)
        self.process.wait()

    def status(self) -> int | None:
        """The job's exit status as bwrap reports it; None where it was killed or never started."""
        for line in self.status_file.read().splitlines():
            found = json.loads(line)
            if "exit-code" in found:
                return int(found["exit-code"])
        return None
