"""The runtimes of an ordinary run: the kept ones, and as many more as are lacking."""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self

from harness.ecosystems.python.runtimes.check import works
from harness.ecosystems.python.runtimes.extracted import ExtractedSuites
from harness.ecosystems.python.runtimes.interpreter import (
    host_prefixes,
    installed_minors,
    read_interpreter,
)
from harness.ecosystems.python.runtimes.pack import OLDEST, pack_runtime, packing
from harness.ecosystems.python.runtimes.runtime import Runtime, available_runtimes, by_version
from harness.ecosystems.python.runtimes.suite import origin_of
from harness.errors import HarnessError, RuntimeArchiveError
from harness.stack.bootstrap import OnLine, quiet
from harness.stack.distro import SUITES, distro_of
from harness.stack.image import Image, default_suite
from harness.storage.store import Store

WANTED: Final = 3
"""How many minor versions to aim for."""
LEAST: Final = 2
"""How many there must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Where one more Python may come from: its name for people, and what packs it."""

    name: str
    pack: Callable[[], Runtime]


class OrdinaryRuntimes:
    """The runtimes that every run has, made where they are missing.

    Used as a context manager, at whose end what is under way is given up.
    """

    def __init__(self, store: Store, folder: Path, *, on_line: OnLine = quiet) -> None:
        """Begins with nothing under way.

        Args:
            store: Where runtimes are kept.
            folder: A new folder for what they are made from.
            on_line: Called with each line of progress, from several threads.
        """
        self._store = store
        self._on_line = on_line
        self._suites = ExtractedSuites(folder, on_line=on_line)
        self._exits = ExitStack()
        self._held = ExitStack()
        self._ahead = False

    def __enter__(self) -> Self:
        self._exits.enter_context(self._held)
        self._exits.enter_context(self._suites)
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def begin(self) -> None:
        """Begins to make what a store without runtimes lacks, though there is no image yet.

        Other runs wait for these runtimes from now on. Where another already makes some, or nothing
        can be begun, nothing is: `ensure` has the last word.
        """
        if self._kept():
            return
        with suppress(BlockingIOError, HarnessError):
            self._held.enter_context(packing(self._store, wait=False))
            self._ahead = True
            if not self._kept():
                self._suites.begin(_other_suites(default_suite())[: WANTED - 1])

    def ensure(self, image: Image) -> tuple[Runtime, ...]:
        """Runtimes of different minor versions that work in an image; those are packed that lack.

        Taken are the image's own Python, then those of other suites of its distribution,
        then the host's: nothing need be installed for it.

        Args:
            image: The image that builds run in.

        Returns:
            One runtime of each minor version, newest first.

        Raises:
            RuntimeArchiveError: There are fewer than `LEAST`; it says why each candidate failed.
        """
        with self._held.pop_all() if self._ahead else packing(self._store):
            self._ahead = False
            return self._ensure(image)

    def _kept(self) -> tuple[Runtime, ...]:
        return tuple(each for each in available_runtimes(self._store) if not each.on_demand)

    def _ensure(self, image: Image) -> tuple[Runtime, ...]:
        """Takes the kept runtimes and packs more, as many at once as are lacking."""
        chosen: dict[str, Runtime] = {}
        failures: list[str] = []
        for runtime in self._kept():
            if runtime.minor not in chosen and works(runtime, image):
                chosen[runtime.minor] = runtime
        waiting = [*self._of_image(image, chosen.keys()), *self._of_suites(image)]
        hosts = self._of_host(image, chosen)
        while lacking := max(0, WANTED - len(chosen)):
            batch, waiting = waiting[:lacking], waiting[lacking:]
            # What else there is on the host is known only when it is known what that is not.
            batch = batch or [each for each in (next(hosts, None),) if each is not None]
            if not batch:
                break
            for packed in self._packed(batch):
                if isinstance(packed, Runtime):
                    chosen.setdefault(packed.minor, packed)
                else:
                    failures.append(packed)
        if len(chosen) < LEAST:
            raise RuntimeArchiveError(
                f"{LEAST} minor versions of Python are needed, and there are {len(chosen)}:\n"
                + "\n".join(f"  {failure}" for failure in failures),
                hint="pack another CPython: cache-harness runtime pack PREFIX",
            )
        return tuple(sorted(chosen.values(), key=lambda r: by_version(r.version), reverse=True))

    def _packed(self, batch: Sequence[Candidate]) -> list[Runtime | str]:
        """The runtimes of candidates, in their order, or why there is none; packed side by side."""
        threads = ThreadPoolExecutor(len(batch), thread_name_prefix="pack")
        try:
            return [each.result() for each in [threads.submit(self._pack, one) for one in batch]]
        except BaseException:
            self._suites.end()
            raise
        finally:
            threads.shutdown()

    def _pack(self, candidate: Candidate) -> Runtime | str:
        try:
            packed = candidate.pack()
        except HarnessError as error:
            self._on_line(f"{candidate.name}: {error.message.splitlines()[0]}")
            return f"{candidate.name}: {error.message}"
        self._on_line(f"packed Python {packed.version} of {candidate.name}")
        return packed

    def _of_image(self, image: Image, there: Collection[str]) -> Iterator[Candidate]:
        """The image's own Python, unless its minor version is there."""
        minors = installed_minors(image.rootfs / "usr")
        if minors and minors[-1] not in there:
            yield Candidate(name="the image", pack=partial(self._pack_image, image))

    def _pack_image(self, image: Image) -> Runtime:
        python = read_interpreter(image.rootfs / "usr", root=image.rootfs)
        return pack_runtime(python, self._store, image=image, origin=image.tag)

    def _of_suites(self, image: Image) -> Iterator[Candidate]:
        """The Pythons of the other suites of the image's distribution."""
        for suite in _other_suites(image.suite):
            yield Candidate(name=suite, pack=partial(self._pack_suite, suite, image))

    def _pack_suite(self, suite: str, image: Image) -> Runtime:
        with self._suites.tree(suite) as root:
            python = read_interpreter(root / "usr", root=root)
            return pack_runtime(python, self._store, image=image, origin=origin_of(suite))

    def _of_host(self, image: Image, there: Collection[str]) -> Iterator[Candidate]:
        """The host's Pythons whose minor versions are not there when they are asked for."""
        for prefix in host_prefixes():
            for minor in reversed(installed_minors(prefix)):
                if minor not in there and int(minor.partition(".")[2]) >= OLDEST:
                    yield Candidate(
                        name=f"{prefix} (Python {minor})",
                        pack=partial(self._pack_host, prefix, minor, image),
                    )

    def _pack_host(self, prefix: Path, minor: str, image: Image) -> Runtime:
        return pack_runtime(read_interpreter(prefix, minor=minor), self._store, image=image)


def _other_suites(suite: str) -> tuple[str, ...]:
    """The other suites of a suite's distribution, the newest first."""
    return tuple(each for each in SUITES.get(distro_of(suite) or "", ()) if each != suite)
