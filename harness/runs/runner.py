"""Runs the builds that scenarios need, each once, and judges every commit."""

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path

from harness.buildpacks.source import at_revision
from harness.builds.inputs import Inputs
from harness.builds.result import Build
from harness.builds.run import run_build
from harness.diagnosis.origin import with_origins
from harness.ecosystems.registry import ecosystems
from harness.errors import HarnessError, InputError, StoreError
from harness.plugins.code_digest import code_digest
from harness.runs.keeping import to_keep
from harness.runs.memory import outgrew
from harness.runs.places import Place
from harness.runs.plan import Pair, PlannedBuild, control, missing, plan, repeated
from harness.runs.progress import Label, Observer, Silent
from harness.runs.schedule import Schedule
from harness.runs.session import Session
from harness.sandboxes import End
from harness.scenarios.gitobjects import commit_shas
from harness.scenarios.history import play_app
from harness.scenarios.scenario import Scenario, Stage
from harness.scenarios.scenario_file import Expectation
from harness.verdicts import judge
from harness.verdicts.arms import Arm, Arms, Stored
from harness.verdicts.compare import Comparison, gather
from harness.verdicts.divergence import Divergence
from harness.verdicts.judge import Context, SecondRuns
from harness.verdicts.known import KnownFile, all_known
from harness.verdicts.result import Builds, Result, Run, Step


def run_scenarios(
    scenarios: Sequence[Scenario],
    *,
    session: Session,
    jobs: int,
    known: Sequence[KnownFile] = (),
    observer: Observer | None = None,
) -> Run:
    """Runs what of the scenarios' builds is not stored yet, and judges each commit.

    Builds of all scenarios and buildpacks run side by side; results come buildpack by buildpack in
    the scenarios' order, and are the same whatever runs first. Where the harness cannot tell of one
    scenario, its result says why.

    Args:
        scenarios: What to run.
        session: What their builds share.
        jobs: How many builds run at once.
        known: Lists of what is known of the buildpacks: a cached build that shows nothing else is
            not run a second time.
        observer: Told of progress, from several threads.

    Raises:
        HarnessError: No scenario can be run; builds under way are ended first.
    """
    return _Run(session, known, observer or Silent()).run(scenarios, jobs)


_Expected = dict[str, Expectation]


@dataclass(slots=True, kw_only=True)
class _Case:
    """A scenario under way against one buildpack."""

    scenario: Scenario
    buildpack: str
    stages: tuple[Stage, ...] = ()
    pairs: tuple[Pair, ...] = ()
    shas: tuple[str, ...] = ()
    judgements: tuple[str, ...] = ()
    steps: dict[int, Step] = field(default_factory=dict)
    error: HarnessError | None = None
    missing: tuple[str, ...] = ()
    told: bool = False

    def wanted(self, end: int | None = None) -> list[PlannedBuild]:
        """The builds of the commits before `end`, or of all up to the last that is not judged."""
        if end is None:
            end = max(self.open, default=-1) + 1
        return [build for pair in self.pairs[:end] for build in (pair.clean, pair.cached)]

    @property
    def open(self) -> list[int]:
        """The commits that are not judged yet."""
        return [index for index in range(len(self.pairs)) if index not in self.steps]


class _Run:
    """One run: its cases, and the builds that they wait for."""

    def __init__(self, session: Session, known: Sequence[KnownFile], observer: Observer) -> None:
        self._session = session
        self._known = known
        self._observer = observer
        self._builds = session.builds
        self._ecosystems = ecosystems()
        self._schedule = Schedule()
        self._lock = threading.Lock()
        self._built: dict[str, Stored] = {}
        self._expected: dict[str, _Expected] = {}
        self._caches: dict[str, bool] = {}
        self._must_run: frozenset[str] = frozenset()
        self._carried: frozenset[str] = frozenset()
        self._ran = 0

    def run(self, scenarios: Sequence[Scenario], jobs: int) -> Run:
        buildpacks = self._session.settings.buildpacks
        cases = [
            _Case(scenario=scenario, buildpack=spec)
            for spec in buildpacks
            for scenario in scenarios
        ]
        self._session.serving.begin_run()
        # All of them before any is planned, which waits for the build tools that it is offered.
        for case in cases:
            self._set_out(case)
        for case in cases:
            self._plan(case)
        self._look_up(cases)
        self._enter(cases)
        try:
            self._schedule.run(jobs)
        except BaseException:
            self._session.machine.sandbox.close()
            self._schedule.join()
            raise
        for case in cases:
            self._end(case)
        results = tuple(self._result(case) for case in cases)
        needed = sum(2 * len(result.steps) for result in results)
        doubted = [s for r in results for s in r.steps if s.divergences or s.noise]
        needed += sum(1 + step.repeated for step in doubted)
        needed = max(needed, self._ran)
        return Run(
            results=results,
            builds=Builds(needed=needed, run=self._ran, reused=needed - self._ran),
        )

    # --- planning ------------------------------------------------------------------------------

    def _set_out(self, case: _Case) -> None:
        """Finds what the case's commits are, and begins to fetch what their builds need."""
        session = self._session
        with _error_of(case):
            needs = case.scenario.all_needs()
            case.missing = session.serving.missing(needs, case.buildpack)
            if case.missing:
                return
            pythons = session.serving.pythons(case.scenario.python_slots(), case.buildpack)
            stages = case.scenario.stages(pythons)
            case.stages = session.serving.adapted(case.buildpack, stages)
            session.serving.begin(case.buildpack, case.stages)

    def _plan(self, case: _Case) -> None:
        session, stages = self._session, case.stages
        if case.error is not None or case.missing:
            return
        with _error_of(case):
            pairs = plan(
                case.scenario,
                stages,
                buildpack=partial(at_revision, case.buildpack),
                digest=session.inputs.key,
            )
            if session.settings.keep:
                play_app(
                    stages, session.places.folder(f"{case.scenario.name.replace('/', '-')}-app")
                )
            case.pairs = pairs
            case.shas = commit_shas((stage.tree, stage.message, stage.time) for stage in stages)
            case.judgements = tuple(_judgement_key(case, index) for index in range(len(pairs)))

    def _look_up(self, cases: Iterable[_Case]) -> None:
        for case in cases:
            for index, key in enumerate(case.judgements):
                step = self._session.judgements.find(key)
                if step is not None and (
                    step.repeated or self._is_known(case, index, step.divergences)
                ):
                    case.steps[index] = step

    def _enter(self, cases: Sequence[_Case]) -> None:
        """Enters what is still to be done, the longest chains first."""
        wanted = {build.key: build for case in cases for build in case.wanted()}
        # Another commit may come after the last, and wants its cache.
        self._carried = frozenset(pair.cached.key for case in cases for pair in case.pairs)
        for case in cases:
            for index in case.open:
                self._expect(case.pairs[index])
        for build in sorted(wanted.values(), key=lambda one: one.depth):
            self._take(build)
        # A build that diverges is run again, with the same cache.
        befores = (case.pairs[index].cached.cache for case in cases for index in case.open)
        self._must_run = missing(
            wanted,
            giving={before.key for before in befores if before},
            usable=self._is_there,
            cache_kept=self._has_cache,
        )
        for key in self._must_run:
            self._built.pop(key, None)
        order = sorted(range(len(cases)), key=lambda at: (-len(cases[at].open), at))
        for place, at in enumerate(order):
            if cases[at].open:
                self._enter_case(cases[at], place)
            else:
                self._end(cases[at])

    def _expect(self, pair: Pair) -> None:
        for build in (pair.cached, pair.clean):
            wanted = self._expected.setdefault(build.key, {})
            wanted.update({repr(one): one for one in pair.commit.stage.expect})

    def _enter_case(self, case: _Case, place: int) -> None:
        for build in case.wanted():
            if build.key in self._must_run:
                arm = Arm.CACHED if build.cache else Arm.CLEAN
                self._schedule.add(
                    _build_task(build),
                    partial(self._build, case, build, arm),
                    after=self._tasks([build.cache] if build.cache else []),
                    rank=(place, build.commit.stage.index, 1),
                )
        # A commit is told by those before it as well.
        before = self._tasks(case.wanted(case.open[0]))
        for index in case.open:
            pair = case.pairs[index]
            name = _task("judge", case, index)
            self._schedule.add(
                name,
                partial(self._judge, case, index, place),
                after=[*before, *self._tasks((pair.cached, pair.clean))],
                rank=(place, index, 0),
            )
            before = [name]

    def _tasks(self, builds: Iterable[PlannedBuild]) -> list[str]:
        return [_build_task(build) for build in builds if build.key in self._must_run]

    # --- what is stored ------------------------------------------------------------------------

    def _take(self, build: PlannedBuild) -> None:
        """Takes the stored result of a build, where it fits the one whose cache it was given."""
        try:
            found = self._builds.find(build.key)
        except StoreError as error:
            self._observer.note(f"{error.message}; it is rebuilt")
            return
        parent = self._built.get(build.cache.key) if build.cache else None
        if found is None or found.facts.parent != (parent.facts.instance if parent else ""):
            return
        wanted = self._expected.get(build.key, {}) if found.record.outcome.passed else {}
        if all(found.record.check(name) is not None for name in wanted):
            with self._lock:
                self._built[build.key] = found

    def _is_there(self, build: PlannedBuild) -> bool:
        return build.key in self._built

    def _has_cache(self, build: PlannedBuild) -> bool:
        # Looked at once: it takes a walk over the whole of it.
        if build.key not in self._caches:
            self._caches[build.key] = self._builds.has_caches(self._built[build.key])
        return self._caches[build.key]

    # --- doing ---------------------------------------------------------------------------------

    def _build(self, case: _Case, planned: PlannedBuild, arm: Arm) -> None:
        with self._builds.only_one(planned.key, stopped=lambda: self._schedule.stopped):
            # Another process may have been at it.
            self._take(planned)
            built = self._built.get(planned.key)
            carried = planned.key in self._carried
            if built is None or (carried and not self._builds.has_caches(built)):
                parent = self._built[planned.cache.key] if planned.cache else None
                built = self._really_build(case, planned, arm, parent)
        with self._lock:
            self._built[planned.key] = built

    def _really_build(
        self, case: _Case, planned: PlannedBuild, arm: Arm, parent: Stored | None
    ) -> Stored:
        session, commit = self._session, planned.commit
        name, number = case.scenario.name, planned.commit.stage.index + 1
        label = Label(
            scenario=self._called(case),
            commit=number,
            commits=len(case.pairs),
            arm=str(arm),
        )
        inputs = session.inputs.of(commit)
        if self._schedule.stopped:
            raise HarnessError("stopped")
        with self._lock:
            self._ran += 1
        called = f"{name.replace('/', '-')}-{number}-{arm}"
        cache = sum(one.size for one in parent.facts.caches) if parent else 0
        with session.places.place(called, cache=cache, on_disk=planned.on_disk) as place:
            build = self._run_at(place, label, inputs, parent)
            if not (place.in_memory and outgrew(build.outcome, build.log)):
                return self._kept(planned, build, place, parent)
            session.places.done_with(place.folder)
        # Its files took the memory that it lacked: how it ends is told by another run, on disk.
        with session.places.place(called, on_disk=True) as place:
            build = self._run_at(place, label, inputs, parent)
            return self._kept(planned, build, place, parent)

    def _run_at(self, place: Place, label: Label, inputs: Inputs, parent: Stored | None) -> Build:
        session = self._session
        self._observer.build_started(label)
        build = run_build(
            inputs,
            session.machine,
            folder=place.folder,
            caches=partial(self._builds.lay_out_cache, parent) if parent else None,
            on_line=lambda line: self._observer.build_line(label, line),
        )
        self._observer.build_ended(label, build.outcome.how(), build.outcome.seconds)
        return build

    def _kept(
        self, planned: PlannedBuild, build: Build, place: Place, parent: Stored | None
    ) -> Stored:
        session = self._session
        new = to_keep(
            build,
            session.inputs.preparation(planned.commit),
            self._ecosystems,
            expected=self._expected.get(planned.key, {}),
            in_memory=place.in_memory,
            with_caches=planned.key in self._carried,
        )
        # Another run of a build that its time limit ended may end otherwise.
        timed_out = build.outcome.end is End.TIMEOUT
        built = self._builds.keep(
            planned.key,
            new,
            parent=parent,
            aside=session.places.folder(f"{place.folder.name}-ended") if timed_out else None,
        )
        session.places.done_with(place.folder, built.folder)
        return built

    def _judge(self, case: _Case, index: int, place: int) -> None:
        arms = self._arms(case, index)
        earlier = [self._arms(case, before) for before in range(index)]
        found = judge.compare_arms(arms, self._ecosystems, earlier)
        if not found.divergences:
            self._settle(case, index, found, {})
            return
        # Where only the cached build worked on disk, the control build tells what that changes.
        on_disk = arms.clean.record.in_memory and not arms.cached.record.in_memory
        pair = case.pairs[index]
        runs = {Arm.CONTROL: control(pair.clean, on_disk=on_disk)}
        if not self._is_known(case, index, gather(found.divergences)):
            runs[Arm.REPEATED] = repeated(pair.cached)
        for arm, build in runs.items():
            self._schedule.add(
                _build_task(build),
                partial(self._build, case, build, arm),
                rank=(place, index, 1),
            )
        self._schedule.add(
            _task("settle", case, index),
            partial(self._settle, case, index, found, runs),
            after=[_build_task(build) for build in runs.values()],
            rank=(place, index, 0),
        )

    def _is_known(self, case: _Case, index: int, divergences: Iterable[Divergence]) -> bool:
        return all_known(
            divergences,
            self._known,
            buildpack=case.buildpack,
            scenario=case.scenario.name,
            commit=index + 1,
        )

    def _settle(
        self, case: _Case, index: int, found: Comparison, runs: Mapping[Arm, PlannedBuild]
    ) -> None:
        arms = self._arms(case, index)
        commit = case.pairs[index].commit
        earlier = [self._arms(case, before) for before in range(index)]
        second = {arm: self._built[build.key] for arm, build in runs.items()}
        step = judge.judge(
            arms,
            found,
            SecondRuns(control=second.get(Arm.CONTROL), repeated=second.get(Arm.REPEATED)),
            Context(
                earlier=earlier,
                shas=case.shas,
                kind=self._session.buildpacks.get(commit.buildpack).kind,
                tools=self._session.serving.tools(commit),
                ecosystems=self._ecosystems,
            ),
        )
        asked_for = (*arms.cached.record.requests, *arms.clean.record.requests)
        step = replace(
            step,
            divergences=_with_origins(step.divergences, earlier, case.shas),
            stand_ins=self._session.serving.stand_ins(commit, asked_for),
        )
        if all(built.stored for built in (arms.cached, arms.clean)):
            self._session.judgements.keep(case.judgements[index], step)
        with self._lock:
            case.steps[index] = step
        if not case.open:
            self._end(case)

    def _arms(self, case: _Case, index: int) -> Arms:
        pair = case.pairs[index]
        return Arms(
            stage=pair.commit.stage,
            file=pair.commit.scenario.file,
            cached=self._built[pair.cached.key],
            clean=self._built[pair.clean.key],
        )

    # --- telling -------------------------------------------------------------------------------

    def _end(self, case: _Case) -> None:
        with self._lock:
            if case.told:
                return
            case.told = True
        if case.error is None and case.open:
            names = (_task(what, case, at) for what in ("judge", "settle") for at in case.open)
            errors = (self._schedule.failed.get(name) for name in names)
            case.error = next(error for error in errors if error is not None)
        self._observer.scenario_ended(self._called(case), self._result(case).verdict)

    def _called(self, case: _Case) -> str:
        several = len(self._session.settings.buildpacks) > 1
        return f"{case.scenario.name} with {case.buildpack}" if several else case.scenario.name

    def _result(self, case: _Case) -> Result:
        return Result(
            scenario=case.scenario.name,
            file=_shown(case.scenario.file),
            buildpack=case.buildpack,
            sandbox=self._session.machine.sandbox.name,
            image=self._session.image,
            steps=tuple(step for _, step in sorted(case.steps.items())),
            error=str(case.error) if case.error else "",
            missing=case.missing,
        )


@contextmanager
def _error_of(case: _Case) -> Iterator[None]:
    """What the harness cannot tell of a case is the case's; what a person wrote wrong ends the run.

    Raises:
        InputError: A scenario's file is wrong.
    """
    try:
        yield
    except InputError:
        raise
    except HarnessError as error:
        case.error = error


def _with_origins(
    divergences: tuple[Divergence, ...], earlier: Sequence[Arms], shas: Sequence[str]
) -> tuple[Divergence, ...]:
    """The divergences of the commit after these, with the commits that they come from."""
    found: list[Divergence] = []
    for tree, mine in groupby(divergences, key=lambda one: one.tree):
        if not tree:
            found += mine
            continue
        found += with_origins(
            mine,
            tuple(each.clean.manifest(tree) for each in earlier),
            tuple(each.cached.manifest(tree) for each in earlier),
            commits=shas,
        )
    return tuple(found)


def _build_task(build: PlannedBuild) -> str:
    return f"build {build.key}"


def _task(what: str, case: _Case, index: int) -> str:
    return f"{what} {id(case)} {index}"


def _judgement_key(case: _Case, index: int) -> str:
    """The digest of all that a judgement rests on."""
    digest = hashlib.sha256(code_digest().encode())
    for pair in case.pairs[: index + 1]:
        digest.update(f"\0{pair.cached.key} {pair.clean.key}".encode())
    stage = case.pairs[index].commit.stage
    said = (case.shas[: index + 1], stage.message, stage.build, stage.reuse, stage.expect)
    digest.update(repr(said).encode())
    return digest.hexdigest()


def _shown(file: Path) -> str:
    """A file as a person who stands in the current folder would name it."""
    here = Path.cwd()
    whole = file.resolve()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else file)
