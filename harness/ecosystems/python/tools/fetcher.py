"""Build tools on their way: each is fetched once in a run, several side by side."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Self

from harness.ecosystems.python.tools.closure import fetch_closure
from harness.ecosystems.python.tools.single import fetch_tool
from harness.internet import Release, ReleaseFile
from harness.internet.tape import Toolbox
from harness.storage.store import Store

_AT_ONCE = 4
"""Each is a pip that waits for the index most of the time."""

Found = tuple[Release, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What some builds are offered.

    Attributes:
        tools: Exact pins of tools, each offered alone.
        managers: Exact pins of package managers, offered with all that they need.
        others: Exact pins of what the operator named, offered with all that it needs to those of
            the Pythons that can have it.
        pythons: Full versions of the Pythons that the managers and others are for.
    """

    tools: tuple[str, ...]
    managers: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()


class Fetcher:
    """Fetches the tools that builds are offered; safe to use from several threads.

    Used as a context manager: what is not there when it ends is not fetched any more.
    """

    def __init__(self, store: Store, toolbox: Toolbox | None = None) -> None:
        """Takes where wheels are kept, and what is asked before the operator's index."""
        self._store = store
        self._toolbox = toolbox
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch")
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._begun: dict[tuple[str, str, tuple[str, ...]], Future[Found]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._threads.shutdown(cancel_futures=True)

    def forget_failures(self) -> None:
        """Has what could not be fetched tried again when it is next wanted."""
        with self._lock:
            failed = [key for key, each in self._begun.items() if each.done() and each.exception()]
            for key in failed:
                del self._begun[key]

    def begin(self, wanted: Wanted) -> None:
        """Begins to fetch what `releases` is soon to be asked for."""
        self._futures(wanted)

    def releases(self, wanted: Wanted) -> Found:
        """Waits for the releases of what is wanted.

        Raises:
            ReleaseError: One is not an exact pin, or could not be fetched.
        """
        return merged(*(each.result() for each in self._futures(wanted)))

    def _futures(self, wanted: Wanted) -> list[Future[Found]]:
        # What takes longest is begun first.
        closures = [self._future(pin, wanted.pythons, self._closure) for pin in wanted.managers]
        closures += [self._future(pin, wanted.pythons, self._other) for pin in wanted.others]
        return [*(self._future(pin, (), self._tool) for pin in wanted.tools), *closures]

    def _future(
        self, pin: str, pythons: tuple[str, ...], fetch: Callable[[str, tuple[str, ...]], Found]
    ) -> Future[Found]:
        key = (fetch.__name__, pin, pythons)
        with self._lock:
            if key not in self._begun:
                self._begun[key] = self._threads.submit(fetch, pin, pythons)
            return self._begun[key]

    def _tool(self, pin: str, _: tuple[str, ...]) -> Found:
        return (fetch_tool(pin, store=self._store, toolbox=self._toolbox, stop=self._stop),)

    def _closure(self, pin: str, pythons: tuple[str, ...]) -> Found:
        return fetch_closure(
            pin, pythons, store=self._store, toolbox=self._toolbox, stop=self._stop
        )

    def _other(self, pin: str, pythons: tuple[str, ...]) -> Found:
        return fetch_closure(
            pin, pythons, some=True, store=self._store, toolbox=self._toolbox, stop=self._stop
        )


def merged(*groups: Iterable[Release]) -> tuple[Release, ...]:
    """The releases of several groups, each file once."""
    files: dict[tuple[str, str], dict[str, ReleaseFile]] = {}
    for release in chain.from_iterable(groups):
        own = files.setdefault((release.project, release.version), {})
        own.update((file.name, file) for file in release.files)
    return tuple(
        Release(project=project, version=version, files=tuple(own.values()))
        for (project, version), own in files.items()
    )
