"""Sandboxes of bubblewrap's that outlived the harness that made them, and their end.

The process that becomes a sandbox's first asks the kernel to be killed with its parent only once
its job begins, and the parent asks it a little after it began itself (bubblewrap 0.11 still): where
the harness is killed before, they stay.
"""

import os
import select
import signal
import time
from contextlib import ExitStack, suppress
from itertools import pairwise

import psutil

from harness.errors import SandboxError

_LONGEST = 10.0


def mark(run: str) -> tuple[str, str]:
    """Arguments of bwrap's that name a run and do nothing else: no job has such a variable."""
    return ("--unsetenv", f"cache-harness-{run}")


def end_orphans(run: str) -> None:
    """Kills the sandboxes of a dead run, and waits for their end.

    Raises:
        SandboxError: One of them does not end.
    """
    with ExitStack() as stack:
        killed = []
        for pid in psutil.pids():
            with ExitStack() as own, suppress(ProcessLookupError, PermissionError, psutil.Error):
                # Open before it is looked at: whoever has the number by then is not killed.
                process = os.pidfd_open(pid)
                own.callback(os.close, process)
                if _is_of(run, psutil.Process(pid).cmdline()):
                    signal.pidfd_send_signal(process, signal.SIGKILL)
                    stack.push(own.pop_all())
                    killed.append(process)
        end = time.monotonic() + _LONGEST
        for process in killed:
            poll = select.poll()
            poll.register(process, select.POLLIN)
            if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
                raise SandboxError(
                    f"a sandbox of the dead run {run} does not end",
                    hint=f"look at what `ps -ef | grep cache-harness-{run}` lists",
                )


def _is_of(run: str, arguments: list[str]) -> bool:
    return mark(run) in pairwise(arguments)
