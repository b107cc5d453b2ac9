"""Keeps what was judged, each under the digest of all that it rests on."""

import contextlib
import os
from pathlib import Path
from typing import Generic, TypeVar

from harness.errors import StoreError
from harness.storage.builds import writing
from harness.storage.records import dump, load
from harness.storage.staging import staged_file
from harness.storage.store import Store

T = TypeVar("T")


class Judgements(Generic[T]):
    """The stored judgements; safe to use from several threads and processes at once."""

    def __init__(self, store: Store, kind: type[T], *, fresh: bool = False) -> None:
        """Opens a store's judgements.

        Args:
            store: Where they are kept.
            kind: The type of what is judged, a frozen dataclass.
            fresh: Whether what earlier runs kept is passed over.
        """
        self._store = store
        self._kind = kind
        self._fresh = fresh
        self._own: set[str] = set()

    def find(self, key: str) -> T | None:
        """What was judged under a key before, or None; what is damaged is removed."""
        if self._fresh and key not in self._own:
            return None
        path = self._path(key)
        try:
            found = load(self._kind, path.read_bytes().decode("ascii", "replace"))
            os.utime(path)
        except FileNotFoundError:
            return None
        except StoreError:
            path.unlink(missing_ok=True)
            return None
        return found

    def keep(self, key: str, judged: T) -> None:
        """Stores what was judged.

        Raises:
            StoreError: The store cannot be written.
        """
        path = self._path(key)
        with writing(self._store):
            path.parent.mkdir(parents=True, exist_ok=True)
            with staged_file(path) as staged:
                staged.write_text(dump(judged), encoding="ascii")
        self._own.add(key)

    def forget_own(self) -> None:
        """Removes what this run stored."""
        for key in self._own:
            with contextlib.suppress(OSError):
                self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._store.judgements / key[:2] / key
