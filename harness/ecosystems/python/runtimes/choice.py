"""Which versions of Python the slots of `${python@SLOT}` stand for."""

from collections.abc import Callable, Collection, Iterable, Sequence

from packaging.version import Version

from harness.ecosystems.python.buildpack_scripts import KnownPythons
from harness.ecosystems.python.runtimes.runtime import Runtime, minor_of

AT_HAND = ("default", "other")
"""The slots that stand for available runtimes, the one that is filled first before the other."""
_FAVOURITE = 11
"""Most releases of most tools run on Python 3.11."""


def best_suited(runtimes: Iterable[Runtime], known: Collection[str]) -> tuple[str, ...]:
    """The versions of runtimes, the one that suits a buildpack best before others.

    Those that the buildpack knows of come first, the nearest to 3.11 before others.

    Args:
        runtimes: Those available, the newest first.
        known: The minor versions that the buildpack knows of; empty where it does not say.
    """

    def rank(runtime: Runtime) -> tuple[bool, int]:
        unknown = bool(known) and runtime.minor not in known
        return unknown, abs(_number(runtime.minor) - _FAVOURITE)

    return tuple(runtime.version for runtime in sorted(runtimes, key=rank))


def at_hand(versions: Sequence[str]) -> dict[str, str]:
    """What the slots for available runtimes stand for, of versions of which the best come first."""
    return dict(zip(AT_HAND, versions, strict=False))


def newest(
    known: KnownPythons,
    runtimes: Iterable[Runtime],
    makeable: Iterable[str],
    make: Callable[[str], Runtime | None],
) -> str | None:
    """The newest version that a buildpack knows of, or the newest of all where it knows none.

    Args:
        known: What the buildpack knows.
        runtimes: Those available, the newest first.
        makeable: The minor versions of which one can be made.
        make: Makes one of a minor version; None where that fails.
    """
    here = {runtime.minor: runtime for runtime in reversed(tuple(runtimes))}
    minors = known.latest.keys() if known.latest else {*here, *makeable}
    for minor in sorted(minors, key=_number, reverse=True):
        runtime = here.get(minor) or make(minor)
        if runtime is not None:
            return known.latest.get(minor, runtime.version)
    return None


def sibling(version: str, taken: Collection[str]) -> str:
    """Another release of the same minor version, which no available runtime is.

    The one before it, where there is one: what is older has been released.
    """
    minor, patch = minor_of(version), Version(version).micro
    for other in (*range(patch - 1, -1, -1), *range(patch + 1, patch + 100)):
        if f"{minor}.{other}" not in taken:
            return f"{minor}.{other}"
    raise AssertionError("a hundred releases of one Python are available")


def _number(minor: str) -> int:
    return int(minor.partition(".")[2])
