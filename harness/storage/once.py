"""Values that are made once, though several threads want them."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Once(Generic[Key, Value]):
    """Values by their keys; while one is made, only those who want the same wait for it."""

    def __init__(self) -> None:
        """Begins with none."""
        self._lock = threading.Lock()
        self._locks: dict[Key, threading.Lock] = {}
        self._made: dict[Key, Value] = {}

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Returns the value of a key, making it unless it is there.

        What cannot be made raises as `make` does, and is tried again when it is next wanted.
        """
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]
