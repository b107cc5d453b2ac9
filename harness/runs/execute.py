"""Runs the builds that are not at hand, and stores what they leave."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from harness.builds.deployed import Deployment
from harness.builds.inputs import Inputs
from harness.builds.result import Build, DeployedRun
from harness.builds.run import run_build
from harness.ecosystems import Ecosystem
from harness.errors import HarnessError
from harness.runs.at_hand import BuildsAtHand
from harness.runs.demand import Demand
from harness.runs.keeping import to_keep
from harness.runs.memory import outgrew
from harness.runs.places import Place
from harness.runs.plan import PlannedBuild
from harness.runs.progress import Label, Observer
from harness.runs.session import Session
from harness.sandboxes import End
from harness.verdicts.arms import Stored


class Executor:
    """Has builds at hand, by running them where need be; safe to use from several threads."""

    def __init__(
        self,
        session: Session,
        ecosystems: Sequence[Ecosystem],
        demand: Demand,
        at_hand: BuildsAtHand,
        *,
        observer: Observer,
        stopped: Callable[[], bool],
    ) -> None:
        """Begins with no build run.

        Args:
            session: What builds share.
            ecosystems: Whoever knows what is installed in their trees.
            demand: What is asked of them.
            at_hand: Those whose results are at hand.
            observer: Told of progress, from several threads.
            stopped: Whether the run has ended, so that no build is to begin.
        """
        self._session = session
        self._ecosystems = ecosystems
        self._demand = demand
        self._at_hand = at_hand
        self._observer = observer
        self._stopped = stopped
        self._lock = threading.Lock()
        self._ran = 0

    @property
    def ran(self) -> int:
        """How many builds ran so far."""
        return self._ran

    def ensure(self, planned: PlannedBuild, label: Label) -> None:
        """Has the result of a build at hand; the one whose cache it is given already is.

        Args:
            planned: The build.
            label: What it is shown as where it runs now.

        Raises:
            HarnessError: The run has ended, or what goes in is unavailable.
            SandboxError: The sandbox could not be made or was lost.
            StoreError: The store cannot be written.
        """
        builds = self._session.builds
        with builds.only_one(planned.key, stopped=self._stopped):
            # Another process may have been at it.
            built = self._at_hand.take(planned)
            carried = planned.key in self._demand.carried
            if built is None or (carried and not builds.has_caches(built)):
                parent = self._at_hand.of(planned.cache) if planned.cache else None
                built = self._run(planned, label, parent)
        self._at_hand.put(planned, built)

    def _run(self, planned: PlannedBuild, label: Label, parent: Stored | None) -> Stored:
        places, commit = self._session.places, planned.commit
        inputs = self._session.inputs.of(commit)
        if self._stopped():
            raise HarnessError("stopped")
        with self._lock:
            self._ran += 1
        called = f"{commit.scenario.name.replace('/', '-')}-{label.commit}-{label.arm}"
        cache = sum(one.size for one in parent.facts.caches) if parent else 0
        with places.place(called, cache=cache, on_disk=planned.on_disk) as place:
            build = self._run_at(place, label, planned, inputs, parent)
            if not (place.in_memory and outgrew(build.outcome, build.log)):
                return self._keep(planned, build, place, parent)
            places.done_with(place.folder)
        # Its files took the memory that it lacked: how it ends is told by another run, on disk.
        with places.place(called, on_disk=True) as place:
            build = self._run_at(place, label, planned, inputs, parent)
            return self._keep(planned, build, place, parent)

    def _run_at(
        self,
        place: Place,
        label: Label,
        planned: PlannedBuild,
        inputs: Inputs,
        parent: Stored | None,
    ) -> Build:
        session = self._session
        self._observer.build_started(label)
        build = run_build(
            inputs,
            session.machine,
            folder=place.folder,
            caches=partial(session.builds.lay_out_cache, parent) if parent else None,
            on_line=lambda line: self._observer.build_line(label, line),
        )
        self._observer.build_ended(label, build.outcome.how(), build.outcome.seconds)
        return replace(build, runs=self._deployed_runs(planned, build, inputs))

    def _keep(
        self, planned: PlannedBuild, build: Build, place: Place, parent: Stored | None
    ) -> Stored:
        session = self._session
        new = to_keep(
            build,
            session.inputs.preparation(planned.commit),
            self._ecosystems,
            expected=self._demand.expected.get(planned.key, {}),
            in_memory=place.in_memory,
            with_caches=planned.key in self._demand.carried,
        )
        # Another run of what its time limit ended may end otherwise.
        outcomes = (build.outcome, *(one.outcome for one in build.runs))
        timed_out = any(one.end is End.TIMEOUT for one in outcomes)
        built = session.builds.keep(
            planned.key,
            new,
            parent=parent,
            aside=session.places.folder(f"{place.folder.name}-ended") if timed_out else None,
        )
        session.places.done_with(place.folder, built.folder)
        return built

    def _deployed_runs(
        self, planned: PlannedBuild, build: Build, inputs: Inputs
    ) -> tuple[DeployedRun, ...]:
        """Runs what is asked of what a build deployed, now that its folders are still there."""
        session, launch = self._session, inputs.preparation.launch
        commands = sorted(self._demand.commands.get(planned.inputs, ()))
        if launch is None or not build.outcome.passed:
            return ()
        deployment = Deployment(
            trees=build.trees,
            launch=launch,
            sandbox=session.machine.sandbox,
            env=inputs.config_vars,
            limits=inputs.limits,
        )
        runs = []
        for command in commands:
            folder = session.places.folder("deployed")
            runs.append(deployment.run(command, folder))
            session.places.done_with(folder)
        return tuple(runs)
