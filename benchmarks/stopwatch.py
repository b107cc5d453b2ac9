"""Where the time of a process goes, each moment of a thread counted once."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar
from unittest.mock import patch

P = ParamSpec("P")
R = TypeVar("R")


class Stopwatch:
    """Sums time by label; what is timed within something else counts for the inner label alone."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._own = threading.local()

    @contextmanager
    def span(self, label: str) -> Iterator[None]:
        """Counts the block's time for a label."""
        labels: list[str] = self._own.__dict__.setdefault("labels", [])
        self._charge(labels)
        labels.append(label)
        with self._lock:
            self.calls[label] += 1
        try:
            yield
        finally:
            self._charge(labels)
            labels.pop()

    def timed(self, label: str, function: Callable[P, R]) -> Callable[P, R]:
        """The function, with its time counted for a label."""

        @wraps(function)
        def inner(*args: P.args, **kwargs: P.kwargs) -> R:
            with self.span(label):
                return function(*args, **kwargs)

        return inner

    def move(self, seconds: float, *, of: str, to: str) -> None:
        """Counts some of a label's time for another: what the measured code itself reported."""
        with self._lock:
            self.seconds[of] -= seconds
            self.seconds[to] += seconds

    @contextmanager
    def on(self, places: Iterable[tuple[object, str, str]]) -> Iterator[None]:
        """Times functions where they are looked up: owner, name, and the label to count for."""
        with ExitStack() as stack:
            for owner, name, label in places:
                timed = self.timed(label, getattr(owner, name))
                stack.enter_context(patch.object(owner, name, timed))
            yield

    def _charge(self, labels: list[str]) -> None:
        now = time.perf_counter()
        if labels:
            with self._lock:
                self.seconds[labels[-1]] += now - self._own.since
        self._own.since = now
