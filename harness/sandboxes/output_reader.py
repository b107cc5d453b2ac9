"""Follows a job's output within its limits of time and bytes."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from harness.sandboxes import End, Limits, OnOutput

LOOK = 1.0


class Follower(AbstractContextManager["Follower"]):
    """Reads a job's output in a thread of its own and hands it on in the caller's.

    Args:
        chunks: The output; ends when the job closes it.
        limits: The job's limits; the time starts now.
    """

    def __init__(self, chunks: Iterable[bytes], limits: Limits) -> None:
        self._chunks = chunks
        self._limits = limits
        # Unbounded, but never holds more than the limit on output.
        self._queue: queue.SimpleQueue[bytes | End | BaseException] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, name="job output", daemon=True)
        self.started = time.monotonic()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.join(timeout=10)

    def _read(self) -> None:
        room = self._limits.output
        try:
            for chunk in self._chunks:
                # Read on where nobody wants it: an engine whose output is stuck cannot kill.
                if room < 0:
                    continue
                self._queue.put(chunk[:room])
                room -= len(chunk)
                if room < 0:
                    self._queue.put(End.OUTPUT)
        except BaseException as error:  # noqa: BLE001  (handed to the caller's thread)
            self._queue.put(error)
        else:
            self._queue.put(End.EXITED)

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds until the job has used its time."""
        return self._limits.seconds - self.seconds

    def follow(self, on_output: OnOutput, look: Callable[[], End | None] | None = None) -> End:
        """Hands on the output until it ends.

        Args:
            on_output: Called with each piece.
            look: Asked each second whether the job went over a limit that is not looked after here.

        Returns:
            `EXITED` where the job closed its output, else the limit that it went over; the caller
            kills it then.

        Raises:
            BaseException: What `on_output` raised, or what reading raised.
        """
        while (left := self.left) > 0:
            try:
                item = self._queue.get(timeout=left if look is None else min(left, LOOK))
            except queue.Empty:
                if look is not None and (end := look()) is not None:
                    return end
                continue
            if isinstance(item, End):
                return item
            if isinstance(item, BaseException):
                raise item
            if item:
                on_output(item)
        return End.TIMEOUT
