"""What became of Python's part of a cache, judged by what a build fetched, wrote and printed."""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from packaging.utils import canonicalize_name, canonicalize_version

from harness.ecosystems.python.ages import Ages
from harness.ecosystems.python.distributions import Distribution
from harness.ecosystems.python.fetches import Fetch, Sorter, origins
from harness.ecosystems.python.install_log import InstallLog
from harness.ecosystems.reuse import Basis, Fate, Needs, Part, Reused, fates_by_requests
from harness.internet import Request

_PYTHON = "python"
_PYTHON_OF = re.compile(r"(?:^|/)(?:bin/(python\d+\.\d+)$|lib/(python\d+\.\d+)/os\.py$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What one build left to judge by.

    Attributes:
        passed: Whether it came to its end.
        requests: What it asked for.
        distributions: What is installed in its tree.
        ages: Which files that tell of an installation are older than the build.
        log: What its installers said.
    """

    passed: bool = True
    requests: tuple[Request, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    ages: Ages = field(default_factory=Ages)
    log: InstallLog = field(default_factory=InstallLog)


def judge(cached: Traces, clean: Traces, needs: Needs) -> Reused:
    """What became of each runtime, tool and package that a cache may keep.

    A distribution is from the cache where its metadata is older than the cached build, while the
    clean build wrote it; or where the clean build fetched it, and the cached one, which passed,
    did not. It was installed again where the cached build fetched it, unless that was by a URL and
    the logs say that it was there already. Where neither settles it, as for a wheel that the app
    brings, the logs do; or, where what else was restored kept its times, that it has a time of
    this build. What a clean build has not, and nobody fetched, was restored.

    Args:
        cached: The build that was given a cache.
        clean: The build of the same commit that had none.
        needs: What tells the parts apart.
    """
    return _Judge(cached, clean, needs).reused()


class _Judge:
    def __init__(self, cached: Traces, clean: Traces, needs: Needs) -> None:
        self._cached = cached
        self._clean = clean
        self._ours = _by_name(cached.distributions)
        self._theirs = _by_name(clean.distributions)
        self._sorter = Sorter(
            routes=needs.routes,
            tools=needs.tools,
            origins=origins(cached.distributions, clean.distributions),
            installed=frozenset(self._ours.keys() | self._theirs.keys()) if clean.passed else None,
        )
        self._old = _by_metadata(cached.ages.old)
        self._new = _by_metadata(cached.ages.new)
        self._written = _by_metadata(clean.ages.new)
        self._fetched = _by_thing(self._sorter.fetches(cached.requests))
        self._needed = _by_thing(self._sorter.fetches(clean.requests))

    def reused(self) -> Reused:
        fates = {
            Part.RUNTIME: self._runtime,
            Part.TOOLS: self._projects(Part.TOOLS),
            Part.PACKAGES: self._projects(Part.PACKAGES),
        }
        requests = (*self._cached.requests, *self._clean.requests)
        return Reused(
            fates={part: things for part, things in fates.items() if things},
            claimed=self._sorter.claimed(requests),
            instead={Part.RUNTIME: self._instead} if self._instead else {},
        )

    # --- the runtime ---------------------------------------------------------------------------

    @cached_property
    def _runtime(self) -> dict[str, Fate]:
        needed = self._names(self._needed, Part.RUNTIME)
        said = fates_by_requests(
            self._names(self._fetched, Part.RUNTIME),
            needed,
            passed=self._cached.passed and not self._instead,
        )
        if said:
            return said
        if self._instead and needed and self._cached.passed:
            # It fetched none, and has another than the clean build: one that it was given.
            own = _pythons(self._cached) - _pythons(self._clean)
            return {name: Fate(restored=True, basis=Basis.REQUESTS) for name in sorted(own)}
        ours, theirs = self._cached.ages, self._clean.ages
        told = set(ours.old) & set(theirs.new) or set(ours.new) & set(theirs.old)
        if told & self._landmarks:
            return {_PYTHON: Fate(restored=True, basis=Basis.TIMES)}
        return {}

    @cached_property
    def _instead(self) -> tuple[str, ...]:
        """The runtimes of the clean build, where the cached one has others; mostly none."""
        needed = self._names(self._needed, Part.RUNTIME)
        if self._fetched_another:
            return tuple(sorted(needed - self._names(self._fetched, Part.RUNTIME)))
        ours, theirs = _pythons(self._cached), _pythons(self._clean)
        if ours - theirs and theirs - ours:
            return tuple(sorted(needed or theirs - ours))
        return ()

    @cached_property
    def _fetched_another(self) -> bool:
        """Whether the cached build fetched a runtime that the clean one did not, having its own."""
        needed = self._names(self._needed, Part.RUNTIME)
        return bool(needed) and not self._names(self._fetched, Part.RUNTIME) <= needed

    @cached_property
    def _landmarks(self) -> set[str]:
        """Files of the cached build's tree that every Python has."""
        metadata = {one.metadata for one in self._cached.distributions}
        metadata |= {one.metadata for one in self._clean.distributions}
        ages = self._cached.ages
        return {
            path
            for path in (*ages.old, *ages.new)
            if path not in metadata and posixpath.dirname(path) not in metadata
        }

    @cached_property
    def _keeps_times(self) -> bool:
        """Whether what this build restored is known to have kept its times."""
        if any(self._by_times(name) for name in self._ours):
            return True
        reused = any(one.restored for one in self._runtime.values())
        return reused and bool(
            set(self._cached.ages.old) & set(self._clean.ages.old) & self._landmarks
        )

    # --- distributions -------------------------------------------------------------------------

    def _projects(self, part: Part) -> dict[str, Fate]:
        names = {name for name in self._ours if self._sorter.part_of(name) is part}
        names |= self._names(self._fetched, part) | self._names(self._needed, part)
        said = {name: self._of(part, name) for name in sorted(names)}
        return {name: one for name, one in said.items() if one is not None}

    def _of(self, part: Part, name: str) -> Fate | None:
        """What became of a project; None where it is not there and nobody fetched it."""
        if self._by_times(name) and not self._may_come_with_runtime(part):
            return Fate(restored=True, basis=Basis.TIMES)
        asked = self._by_fetches(part, name)
        if asked is False and self._only_prepared(part, name):
            return Fate(restored=True, basis=Basis.LOG)
        if asked is not None:
            return Fate(restored=asked, basis=Basis.REQUESTS)
        return self._of_unfetched(name) if name in self._ours else None

    def _of_unfetched(self, name: str) -> Fate:
        """What became of a distribution that is there, and that no request tells of."""
        told = self._by_logs(name)
        if told is not None:
            return Fate(restored=told, basis=Basis.LOG)
        if self._is_new(name) and self._keeps_times:
            return Fate(restored=False, basis=Basis.TIMES)
        if name not in self._theirs and self._clean.passed:
            return Fate(restored=True, basis=Basis.TREE)
        return Fate(restored=None)

    def _by_fetches(self, part: Part, name: str) -> bool | None:
        ours = self._relevant(self._fetched.get((part, name), ()), name)
        theirs = self._relevant(self._needed.get((part, name), ()), name)
        if not ours:
            if not theirs or not self._cached.passed:
                return None
            if name in self._ours:
                return None if self._may_come_with_runtime(part) else True
            # What a clean build installs and this one has not is missing, not restored; and what
            # builds others may be needed with one Python alone.
            return None if name in self._theirs or self._instead else True
        if all(one.git for one in ours) and len(ours) < len(theirs):
            return None  # perhaps it only asked where a branch is
        return False

    def _may_come_with_runtime(self, part: Part) -> bool:
        """Whether what is there may be part of a runtime that only the cached build fetched."""
        return part is Part.TOOLS and self._fetched_another

    def _only_prepared(self, part: Part, name: str) -> bool:
        """Whether it was fetched to be looked at, and not installed, as the logs say.

        pip does so with each requirement that names a URL, whether or not it is installed.
        """
        by_url = not any(one.version for one in self._fetched.get((part, name), ()))
        return by_url and name in self._ours and self._by_logs(name) is True

    def _by_logs(self, name: str) -> bool | None:
        told = self._cached.log.says_restored(name)
        if told is None and self._cached.passed and name in self._clean.log.installed:
            return True  # a build that says what it installs, and does not say this
        return told

    def _relevant(self, fetches: Iterable[Fetch], name: str) -> list[Fetch]:
        """Without those of another version than is installed, as a build's own tools may be."""
        installed = {canonicalize_version(one.version) for one in self._ours.get(name, ())}
        return [
            one
            for one in fetches
            if not installed or not one.version or {one.version, ""} & installed
        ]

    def _by_times(self, name: str) -> bool:
        """Whether a distribution is older than the cached build, and not than the clean one."""
        ours, theirs = self._ours.get(name, []), self._theirs.get(name, [])
        old = _files(ours, self._old)
        return bool(old & _files(theirs, self._written) if theirs else old)

    def _is_new(self, name: str) -> bool:
        """Whether its metadata has times of the build in both trees."""
        ours, theirs = self._ours.get(name, []), self._theirs.get(name, [])
        return bool(_files(ours, self._new) & _files(theirs, self._written))

    @staticmethod
    def _names(fetches: Mapping[tuple[Part, str], list[Fetch]], part: Part) -> set[str]:
        return {name for of, name in fetches if of is part}


def _pythons(build: Traces) -> set[str]:
    """The Pythons in a build's tree, as `python3.11`, by the files that every one has."""
    paths = (*build.ages.old, *build.ages.new)
    return {match[1] or match[2] for path in paths if (match := _PYTHON_OF.search(path))}


def _by_name(distributions: Iterable[Distribution]) -> dict[str, list[Distribution]]:
    named: defaultdict[str, list[Distribution]] = defaultdict(list)
    for one in distributions:
        named[str(canonicalize_name(one.name))].append(one)
    return dict(named)


def _by_thing(fetches: Iterable[Fetch]) -> dict[tuple[Part, str], list[Fetch]]:
    things: defaultdict[tuple[Part, str], list[Fetch]] = defaultdict(list)
    for one in fetches:
        things[one.part, one.name].append(one)
    return dict(things)


def _by_metadata(paths: Iterable[str]) -> dict[str, set[str]]:
    """The names of metadata files by the path of what describes a distribution.

    Their folders are called after versions, so that only the names in them can be compared.
    """
    named: defaultdict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder, name = posixpath.split(path)
        named[folder].add(name)
        named[path].add(posixpath.splitext(name)[1])
    return dict(named)


def _files(distributions: Iterable[Distribution], named: Mapping[str, set[str]]) -> set[str]:
    return set().union(*(named.get(one.metadata, ()) for one in distributions))
