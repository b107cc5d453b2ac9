"""The builds whose results are at hand: those that were stored, and those that ran since."""

import threading
from functools import cache

from harness.errors import StoreError
from harness.runs.demand import Demand
from harness.runs.plan import PlannedBuild
from harness.runs.progress import Observer
from harness.runs.session import Session
from harness.verdicts.arms import Stored


class BuildsAtHand:
    """Results by builds; safe to use from several threads."""

    def __init__(self, session: Session, demand: Demand, observer: Observer) -> None:
        """Begins with none.

        Args:
            session: What has the stored builds.
            demand: What is asked of builds: a stored one that lacks some of it counts as missing.
            observer: Notes what is damaged.
        """
        self._builds = session.builds
        self._demand = demand
        self._observer = observer
        self._lock = threading.Lock()
        self._results: dict[str, Stored] = {}

    def find(self, build: PlannedBuild) -> Stored | None:
        """The result of a build, if it is at hand."""
        return self._results.get(build.key)

    def of(self, build: PlannedBuild) -> Stored:
        """The result of a build that is at hand."""
        return self._results[build.key]

    def put(self, build: PlannedBuild, result: Stored) -> None:
        """Has a result at hand from now on."""
        with self._lock:
            self._results[build.key] = result

    def take_wanted(self) -> frozenset[str]:
        """Takes what is stored of the builds that are wanted; gives the keys of those to run."""
        for build in self._demand.wanted:
            self.take(build)

        @cache  # it takes a walk over all of the cache
        def cache_kept(key: str) -> bool:
            return self._builds.has_caches(self._results[key])

        must_run = self._demand.must_run(
            usable=lambda build: build.key in self._results,
            cache_kept=lambda build: cache_kept(build.key),
        )
        for key in must_run:
            self._results.pop(key, None)
        return must_run

    def take(self, build: PlannedBuild) -> Stored | None:
        """Takes what is stored of a build, where it fits the one whose cache it was given.

        Returns:
            The result that is at hand then, if any.
        """
        try:
            found = self._builds.find(build.key)
        except StoreError as error:
            self._observer.note(f"{error.message}; it is rebuilt")
            return self.find(build)
        if found is not None and self._fits(build, found):
            self.put(build, found)
        return self.find(build)

    def _fits(self, build: PlannedBuild, found: Stored) -> bool:
        parent = self.find(build.cache) if build.cache else None
        if found.facts.parent != (parent.facts.instance if parent else ""):
            return False
        passed = found.record.outcome.passed
        wanted = self._demand.expected.get(build.key, {}) if passed else {}
        commands = self._demand.commands.get(build.inputs, ()) if passed else ()
        return all(found.record.check(name) is not None for name in wanted) and all(
            found.record.deployed_run(command) is not None for command in commands
        )
