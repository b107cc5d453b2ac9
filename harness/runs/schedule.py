"""Runs tasks that wait for one another on a few threads, what matters most first."""

import heapq
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from harness.errors import HarnessError, SandboxError, StoreError

Rank = tuple[float, ...]
"""Of the tasks that could run, the one of the lowest rank does."""

FATAL = (SandboxError, StoreError)
"""What no other task would fare better with."""


@dataclass(slots=True)
class _Task:
    name: str
    rank: Rank
    work: Callable[[], None]
    waits: set[str] = field(default_factory=set)


class Schedule:
    """Tasks by name; a task may add further ones while it runs.

    A task that raises HarnessError fails, and with it those that wait for it; the others go on.
    Of any other error, and of those that every task would meet, the whole run ends.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, _Task] = {}
        self._ready: list[tuple[Rank, str, _Task]] = []
        self._followers: defaultdict[str, list[str]] = defaultdict(list)
        self._done: set[str] = set()
        self._names: set[str] = set()
        self._running = 0
        self._broken: BaseException | None = None
        self.failed: dict[str, HarnessError] = {}

    def add(
        self, name: str, work: Callable[[], None], *, after: Iterable[str] = (), rank: Rank
    ) -> None:
        """Adds a task, unless there is one of its name.

        Args:
            name: Its name, which no other task has.
            work: What it does.
            after: Tasks that were added before, whose end it waits for.
            rank: Its place among tasks that could run.
        """
        with self._changed:
            if name in self._names:
                return
            self._names.add(name)
            task = _Task(name=name, rank=rank, work=work)
            error: HarnessError | None = None
            for other in after:
                if other in self.failed:
                    error = self.failed[other]
                elif other not in self._done:
                    task.waits.add(other)
                    self._followers[other].append(name)
            self._waiting[name] = task
            if error is not None:
                self._fail(name, error)
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
                    self._fail(task.name, error)
                    self._ended()
            except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
                with self._changed:
                    self._broken = self._broken or error
                    self._ended()
            else:
                with self._changed:
                    self._done.add(task.name)
                    for name in self._followers.pop(task.name, ()):
                        follower = self._waiting.get(name)
                        if follower is not None:
                            follower.waits.discard(task.name)
                            if not follower.waits:
                                self._make_ready(follower)
                    self._ended()

    def _next(self) -> _Task | None:
        with self._changed:
            while True:
                if self._broken is not None:
                    return None
                if self._ready:
                    self._running += 1
                    return heapq.heappop(self._ready)[2]
                self._changed.wait()

    def _make_ready(self, task: _Task) -> None:
        del self._waiting[task.name]
        heapq.heappush(self._ready, (task.rank, task.name, task))

    def _fail(self, name: str, error: HarnessError) -> None:
        ahead = [name]
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
