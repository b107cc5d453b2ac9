"""The Pythons that a commit's builds can have, and under which versions they are served."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.version import Version

from harness.ecosystems.python.buildpack_scripts import KnownPythons
from harness.ecosystems.python.runtimes.runtime import Runtime, minor_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What some builds, one after the other, may ask for.

    Attributes:
        minors: Minor versions, as in `3.14`.
        versions: Whole versions, as in `3.14.7`.
    """

    minors: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A runtime, and a version under which it is served: its own, or one that it stands for."""

    version: str
    runtime: Runtime

    @property
    def stands_in(self) -> bool:
        """Whether it is served under the version of another release."""
        return self.version != self.runtime.version


def asked(history: Iterable[tuple[KnownPythons, frozenset[str]]]) -> Asked:
    """What the builds of some commits ask for.

    Args:
        history: For each commit what its buildpack knows, and what its app names. An app that names
            none gets the buildpack's default, or the one that the cache has from a commit before.
    """
    minors: set[str] = set()
    versions: set[str] = set()
    latest: list[KnownPythons] = []
    for known, named in history:
        latest.append(known)
        versions |= {version for version in named if version != minor_of(version)}
        minors |= {minor_of(version) for version in named or {known.default} if version}
    # Also of a minor version that only the cache still asks for.
    versions |= {
        known.latest[minor] for known in latest for minor in minors if minor in known.latest
    }
    # What no release is as new as is left to be refused, as its maker's host would.
    newest = _newest(version for known in latest for version in known.latest.values())
    return Asked(
        minors=frozenset(minors),
        versions=frozenset(
            version
            for version in versions
            if minor_of(version) not in newest or Version(version) <= newest[minor_of(version)]
        ),
    )


def offers(runtimes: Iterable[Runtime], wanted: Asked) -> tuple[Offer, ...]:
    """Each runtime under its own version, and those that stand for another that is asked for.

    Where several could stand in, the first does.
    """
    here: dict[str, Runtime] = {}
    for runtime in runtimes:
        here.setdefault(runtime.version, runtime)
    exact = [Offer(version=version, runtime=runtime) for version, runtime in here.items()]
    return (*exact, *_stand_ins(tuple(here.values()), wanted))


def _stand_ins(runtimes: tuple[Runtime, ...], wanted: Asked) -> Iterator[Offer]:
    own = {runtime.version for runtime in runtimes}
    for version in sorted(wanted.versions - own):
        for runtime in runtimes:
            if runtime.minor == minor_of(version):
                yield Offer(version=version, runtime=runtime)
                break


def _newest(versions: Iterable[str]) -> dict[str, Version]:
    newest: dict[str, Version] = {}
    for version in versions:
        one = Version(version)
        newest[minor_of(version)] = max(one, newest.get(minor_of(version), one))
    return newest
