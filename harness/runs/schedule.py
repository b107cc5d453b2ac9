"""Runs tasks that wait for one another on a few threads, what matters most first."""

import heapq
import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, TypeVar

from harness.errors import HarnessError, SandboxError, StoreError

Key = TypeVar("Key", bound=Hashable)

Rank = tuple[int | str, ...]
"""Of the tasks that could run, the one of the lowest rank does; of several, the first added."""

FATAL = (SandboxError, StoreError)
"""What no other task would fare better with."""


@dataclass(slots=True)
class _Task(Generic[Key]):
    key: Key
    rank: Rank
    number: int
    work: Callable[[], None]
    waits: set[Key] = field(default_factory=set)


class Schedule(Generic[Key]):
    """Tasks by keys; a task may add further ones while it runs.

    A task that raises HarnessError fails, and with it those that wait for it; the others go on.
    Of any other error, and of those that every task would meet, the whole run ends.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = count()
        self._waiting: dict[Key, _Task[Key]] = {}
        self._ready: list[tuple[Rank, int, _Task[Key]]] = []
        self._followers: defaultdict[Key, list[Key]] = defaultdict(list)
        self._done: set[Key] = set()
        self._known: set[Key] = set()
        self._running = 0
        self._broken: BaseException | None = None
        self.failed: dict[Key, HarnessError] = {}

    def add(
        self, key: Key, work: Callable[[], None], *, after: Iterable[Key] = (), rank: Rank
    ) -> None:
        """Adds a task, unless there is one of its key.

        Args:
            key: Its key, which no other task has.
            work: What it does.
            after: Tasks that were added before, whose end it waits for.
            rank: Its place among tasks that could run.
        """
        with self._changed:
            if key in self._known:
                return
            self._known.add(key)
            task = _Task(key=key, rank=rank, number=next(self._numbers), work=work)
            error: HarnessError | None = None
            for other in after:
                if other in self.failed:
                    error = self.failed[other]
                elif other not in self._done:
                    task.waits.add(other)
                    self._followers[other].append(key)
            self._waiting[key] = task
            if error is not None:
                self._fail(key, error)
            elif not task.waits:
                self._make_ready(task)
            self._changed.notify_all()

    def run(self, jobs: int) -> None:
        """Runs all tasks to their end.

        Args:
            jobs: How many run at once.

        Raises:
            BaseException: What ended the run as a whole, in whatever thread. Tasks under way are
                left to themselves: the caller cuts them short, then calls `join`.
        """
        self._threads = [
            threading.Thread(target=self._work, name=f"job {number}", daemon=True)
            for number in range(1, jobs + 1)
        ]
        for thread in self._threads:
            thread.start()
        with self._changed:
            try:
                while self._broken is None and (self._running or self._ready or self._waiting):
                    self._changed.wait()
            except BaseException as error:
                self._broken = error
                raise
            finally:
                if self._broken is None:
                    self._broken = _Over()
                self._changed.notify_all()
        if not isinstance(self._broken, _Over):
            raise self._broken
        self.join()

    def join(self) -> None:
        """Waits for tasks that were under way when the run ended."""
        for thread in self._threads:
            thread.join()

    @property
    def stopped(self) -> bool:
        """Whether the run has ended, so that nothing new is to be begun."""
        return self._broken is not None

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                task.work()
            except HarnessError as error:
                with self._changed:
                    if isinstance(error, FATAL):
                        self._broken = self._broken or error
                    self._fail(task.key, error)
                    self._ended()
            except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
                with self._changed:
                    self._broken = self._broken or error
                    self._ended()
            else:
                with self._changed:
                    self._done.add(task.key)
                    for key in self._followers.pop(task.key, ()):
                        follower = self._waiting.get(key)
                        if follower is not None:
                            follower.waits.discard(task.key)
                            if not follower.waits:
                                self._make_ready(follower)
                    self._ended()

    def _next(self) -> _Task[Key] | None:
        with self._changed:
            while True:
                if self._broken is not None:
                    return None
                if self._ready:
                    self._running += 1
                    return heapq.heappop(self._ready)[2]
                self._changed.wait()

    def _make_ready(self, task: _Task[Key]) -> None:
        del self._waiting[task.key]
        heapq.heappush(self._ready, (task.rank, task.number, task))

    def _fail(self, key: Key, error: HarnessError) -> None:
        ahead = [key]
        while ahead:
            failed = ahead.pop()
            self.failed[failed] = error
            self._waiting.pop(failed, None)
            ahead.extend(self._followers.pop(failed, ()))

    def _ended(self) -> None:
        self._running -= 1
        self._changed.notify_all()


class _Over(Exception):  # noqa: N818 - no error: there is nothing left to do
    """All tasks are done."""
