"""Answers name queries in a thread of its own, and knows how long the slowest one waited."""

import os
import select
import socket
import struct
import time
from contextlib import AbstractContextManager
from threading import Thread
from types import TracebackType
from typing import Self

from harness.internet import names

_LARGEST = 65535
_SO_TIMESTAMPNS = getattr(socket, "SO_TIMESTAMPNS", 35)  # socket(7); not in Python's module yet
_TIME = struct.Struct("@ll")


class NameServer(AbstractContextManager["NameServer"]):
    """Serves a UDP socket until the block ends; what came before the end is still answered.

    It has no part in the event loop that serves files: however long that is at a request, names
    are answered. A client gives up on its own, and its build then fails for the harness's sake, so
    the wait of each query is taken from the time at which the kernel got it.

    Attributes:
        slowest: The longest time, in seconds, from a query's arrival to its answer.
        failure: What ended the service before the block did, or None.
    """

    def __init__(self, listener: socket.socket) -> None:
        """Args: the socket, which stays the caller's and is not closed."""
        self.slowest = 0.0
        self.failure: Exception | None = None
        self._listener = listener
        self._stop = os.eventfd(0)
        self._thread = Thread(target=self._work, name="name server", daemon=True)

    def __enter__(self) -> Self:
        self._listener.settimeout(0)
        self._listener.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.close(self._stop)

    def _work(self) -> None:
        try:
            poll = select.poll()
            poll.register(self._listener, select.POLLIN)
            poll.register(self._stop, select.POLLIN)
            stopping = False
            while not stopping:
                stopping = any(ready == self._stop for ready, _ in poll.poll())
                self._answer_all()
        except Exception as error:  # noqa: BLE001  (whatever it is, the job must not be judged by it)
            self.failure = error

    def _answer_all(self) -> None:
        while True:
            try:
                query, notes, _, sender = self._listener.recvmsg(
                    _LARGEST, socket.CMSG_SPACE(_TIME.size)
                )
            except BlockingIOError:
                return
            if reply := names.answer(query):
                self._listener.sendto(reply, sender)
            for level, kind, data in notes:
                if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                    seconds, nanoseconds = _TIME.unpack(data[: _TIME.size])
                    waited = time.time() - seconds - nanoseconds / 1e9
                    self.slowest = max(self.slowest, waited)
