"""The runtimes of an ordinary run: the kept ones, and as many more as are lacking."""

from collections.abc import Callable, Iterator
from pathlib import Path

from harness.ecosystems.python.runtimes.check import works
from harness.ecosystems.python.runtimes.interpreter import (
    host_prefixes,
    installed_minors,
    read_interpreter,
)
from harness.ecosystems.python.runtimes.pack import OLDEST, pack_runtime, packing
from harness.ecosystems.python.runtimes.runtime import Runtime, available_runtimes, by_version
from harness.ecosystems.python.runtimes.suite import suite_runtime
from harness.errors import HarnessError, RuntimeArchiveError
from harness.stack.bootstrap import OnLine, quiet
from harness.stack.distro import SUITES, distro_of
from harness.stack.image import Image
from harness.storage.store import Store

Pack = Callable[[frozenset[str]], Runtime | None]


def ensure_runtimes(
    store: Store, image: Image, *, wanted: int = 3, least: int = 2, on_line: OnLine = quiet
) -> tuple[Runtime, ...]:
    """Runtimes of different minor versions that work in an image, packed now where none is stored.

    Taken are the image's own Python, then those of other suites of its distribution,
    then the host's: nothing need be installed for it.

    Args:
        store: Where they are kept.
        image: The image that builds run in.
        wanted: How many minor versions to aim for.
        least: How many there must be.
        on_line: Called with each line of progress.

    Returns:
        One runtime of each minor version, newest first.

    Raises:
        RuntimeArchiveError: There are fewer than `least`; it says why each candidate failed.
    """
    with packing(store):
        return _ensure(store, image, wanted, least, on_line)


def _ensure(
    store: Store, image: Image, wanted: int, least: int, on_line: OnLine
) -> tuple[Runtime, ...]:
    """Takes the kept runtimes and packs more, one candidate after the other."""
    chosen: dict[str, Runtime] = {}
    failures: list[str] = []
    for runtime in available_runtimes(store):
        if runtime.on_demand:
            continue
        if runtime.minor not in chosen and works(runtime, image):
            chosen[runtime.minor] = runtime
    for name, pack in _candidates(store, image, on_line):
        if len(chosen) >= wanted:
            break
        try:
            packed = pack(frozenset(chosen))
        except HarnessError as error:
            failures.append(f"{name}: {error.message}")
            on_line(f"{name}: {error.message.splitlines()[0]}")
            continue
        if packed is not None:
            on_line(f"packed Python {packed.version} of {name}")
            chosen.setdefault(packed.minor, packed)
    if len(chosen) < least:
        raise RuntimeArchiveError(
            f"{least} minor versions of Python are needed, and there are only {len(chosen)}:\n"
            + "\n".join(f"  {failure}" for failure in failures),
            hint="pack another CPython: cache-harness runtime pack PREFIX",
        )
    return tuple(sorted(chosen.values(), key=lambda r: by_version(r.version), reverse=True))


def _candidates(store: Store, image: Image, on_line: OnLine) -> Iterator[tuple[str, Pack]]:
    """Where more Pythons may come from; each is packed unless its minor version is there."""

    def from_image(there: frozenset[str]) -> Runtime | None:
        minors = installed_minors(image.rootfs / "usr")
        if not minors or minors[-1] in there:
            return None
        python = read_interpreter(image.rootfs / "usr", root=image.rootfs)
        return pack_runtime(python, store, image=image, origin=image.tag)

    yield "the image", from_image

    family = distro_of(image.suite)
    for suite in SUITES.get(family or "", ()):
        if suite != image.suite:
            yield (
                suite,
                lambda _there, suite=suite: suite_runtime(  # type: ignore[misc]
                    store, suite, image=image, on_line=on_line
                ),
            )

    for prefix in host_prefixes():
        for minor in reversed(installed_minors(prefix)):

            def from_host(
                there: frozenset[str], prefix: Path = prefix, minor: str = minor
            ) -> Runtime | None:
                if minor in there or int(minor.partition(".")[2]) < OLDEST:
                    return None
                return pack_runtime(read_interpreter(prefix, minor=minor), store, image=image)

            yield f"{prefix} (Python {minor})", from_host
