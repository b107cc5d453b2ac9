"""Processes under way that another thread may end."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Process = subprocess.Popen[Any]


class Processes:
    """Processes that are ended together; safe to use from several threads."""

    def __init__(self) -> None:
        """Begins with none."""
        self._lock = threading.Lock()
        self._running: set[Process] = set()
        self._ended = False

    @contextmanager
    def including(self, process: Process) -> Iterator[None]:
        """Counts a process among them while the block runs; ends it at once if they have ended."""
        with self._lock:
            self._running.add(process)
            if self._ended:
                process.terminate()
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(process)

    def end(self) -> None:
        """Has them end, and those to come: each is asked to (SIGTERM), so that it can clean up."""
        with self._lock:
            self._ended = True
            for process in self._running:
                process.terminate()
