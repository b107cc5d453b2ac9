"""The Pythons of distribution suites, extracted beside whatever else is done."""

import shutil
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Self

from harness.ecosystems.python.runtimes.suite import extract_suite
from harness.stack.bootstrap import OnLine, quiet
from harness.stack.processes import Processes


class ExtractedSuites:
    """Trees with the Pythons of suites; safe to use from several threads.

    Each is extracted once, one after the other: apt and tar take no more of a machine, so that
    there is room for what is made from those that are ready. Used as a context manager, at whose
    end the trees are removed, and what is under way is ended.
    """

    def __init__(self, folder: Path, *, on_line: OnLine = quiet) -> None:
        """Begins with none.

        Args:
            folder: A new folder for the trees; it is made when it is needed.
            on_line: Called with each line of progress, from several threads.
        """
        self._folder = folder
        self._on_line = on_line
        self._lock = threading.Lock()
        self._trees: dict[str, Future[Path]] = {}
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="extract")
        self._processes = Processes()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._threads.shutdown(cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def begin(self, suites: Iterable[str]) -> None:
        """Begins to extract what `tree` is soon to be asked for; failures show there."""
        for suite in suites:
            self._future(suite)

    @contextmanager
    def tree(self, suite: str) -> Iterator[Path]:
        """Yields the root folder of a suite's Python, once it is there; it is removed afterwards.

        Raises:
            ImageError: The packages are unavailable, or they were ended.
        """
        root = self._future(suite).result()
        try:
            yield root
        finally:
            with self._lock:
                del self._trees[suite]
            shutil.rmtree(root, ignore_errors=True)

    def end(self) -> None:
        """Ends what is under way, for nobody waits for it any more."""
        self._processes.end()

    def _future(self, suite: str) -> Future[Path]:
        with self._lock:
            if suite not in self._trees:
                self._trees[suite] = self._threads.submit(self._extract, suite)
            return self._trees[suite]

    def _extract(self, suite: str) -> Path:
        root = self._folder / suite
        on_line = partial(self._tell, suite)
        extract_suite(suite, root, on_line=on_line, processes=self._processes)
        return root

    def _tell(self, suite: str, line: str) -> None:
        # Several things are under way at once.
        self._on_line(f"{suite}: {line}")
