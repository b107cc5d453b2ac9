"""Runs the builds that scenarios need, each once, and judges every commit."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from harness.ecosystems.registry import ecosystems
from harness.runs.at_hand import BuildsAtHand
from harness.runs.case import Case, CaseSteps
from harness.runs.demand import demand
from harness.runs.execute import Executor
from harness.runs.judging import CommitJudge, KnownDivergences, stored_steps
from harness.runs.kept_logs import keep_logs
from harness.runs.plan import PlannedBuild
from harness.runs.planning import planned_cases
from harness.runs.progress import Label, Observer, Silent
from harness.runs.schedule import Schedule
from harness.runs.session import Session
from harness.runs.tasks import (
    BuildTask,
    CompareTask,
    SettleTask,
    TaskKey,
    building_rank,
    judging_rank,
)
from harness.scenarios.scenario import Scenario
from harness.verdicts.arms import Arm, Stored
from harness.verdicts.compare import Comparison
from harness.verdicts.known import KnownFile
from harness.verdicts.result import Builds, Result, Run


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
    about = KnownDivergences(known)
    cases = [
        CaseSteps(case, stored_steps(case, session, about))
        for case in planned_cases(scenarios, session)
    ]
    run = _Run(session, cases, about, observer or Silent())
    run.enter()
    run.work(jobs)
    if session.settings.keep:
        run.keep_logs()
    return run.result()


class _Run:
    """One run: its cases, and the tasks by which they are judged."""

    def __init__(
        self,
        session: Session,
        cases: Sequence[CaseSteps],
        known: KnownDivergences,
        observer: Observer,
    ) -> None:
        self._session = session
        self._cases = cases
        self._observer = observer
        self._schedule: Schedule[TaskKey] = Schedule()
        asked, languages = demand(each.open for each in cases), ecosystems()
        at_hand = self._at_hand = BuildsAtHand(session, asked, observer)
        self._must_run = at_hand.take_wanted()
        self._judge = CommitJudge(session, languages, known, at_hand)
        self._executor = Executor(
            session,
            languages,
            asked,
            at_hand,
            observer=observer,
            stopped=lambda: self._schedule.stopped,
        )

    def enter(self) -> None:
        """Enters what is still to be done, the longest chains first."""
        order = sorted(self._cases, key=lambda each: (-len(each.open.indexes), each.case.number))
        for place, each in enumerate(order):
            if each.open.indexes:
                self._enter(each, place)
            else:
                self._end(each)

    def work(self, jobs: int) -> None:
        """Does what was entered; where that cannot go on, builds under way are ended first."""
        try:
            self._schedule.run(jobs)
        except BaseException:
            self._session.machine.sandbox.close()
            self._schedule.join()
            raise
        for each in self._cases:
            self._end(each)

    def keep_logs(self) -> None:
        """Leaves the logs of all builds in the run's folder, those of earlier runs' too."""

        def result(build: PlannedBuild) -> Stored | None:
            return self._at_hand.find(build) or self._session.builds.find(build.key)

        keep_logs(self._session.folder, [each.case for each in self._cases], result)

    def result(self) -> Run:
        """What all of it showed."""
        results = tuple(self._result(each) for each in self._cases)
        needed = sum(2 * len(result.steps) for result in results)
        doubted = [s for r in results for s in r.steps if s.divergences or s.noise]
        needed += sum(1 + step.repeated for step in doubted)
        ran = self._executor.ran
        needed = max(needed, ran)
        return Run(results=results, builds=Builds(needed=needed, run=ran, reused=needed - ran))

    def _enter(self, each: CaseSteps, place: int) -> None:
        case, commits = each.case, each.open
        arms = {pair.cached.key: Arm.CACHED for pair in case.pairs}
        arms |= {pair.clean.key: Arm.CLEAN for pair in case.pairs}
        for build in commits.wanted():
            if build.key in self._must_run:
                self._schedule.add(
                    BuildTask(build.key),
                    partial(self._build, case, build, arms[build.key]),
                    after=self._tasks([build.cache] if build.cache else []),
                    rank=building_rank(place, build),
                )
        # A commit is told by those before it as well.
        before: list[TaskKey] = [*self._tasks(commits.before())]
        for index in commits.indexes:
            pair, task = case.pairs[index], CompareTask(case.number, index)
            self._schedule.add(
                task,
                partial(self._compare, each, index, place),
                after=[*before, *self._tasks((pair.cached, pair.clean))],
                rank=judging_rank(place, index),
            )
            before = [task]

    def _tasks(self, builds: Iterable[PlannedBuild]) -> list[BuildTask]:
        return [BuildTask(build.key) for build in builds if build.key in self._must_run]

    def _build(self, case: Case, build: PlannedBuild, arm: Arm) -> None:
        number = build.commit.stage.index + 1
        label = Label(scenario=case.called, commit=number, commits=len(case.pairs), arm=str(arm))
        self._executor.ensure(build, label)

    def _compare(self, each: CaseSteps, commit: int, place: int) -> None:
        case = each.case
        found = self._judge.compare(case, commit)
        second = self._judge.second_runs(case, commit, found)
        if not second:
            self._settle(each, commit, found, second)
            return
        for arm, build in second.items():
            self._schedule.add(
                BuildTask(build.key),
                partial(self._build, case, build, arm),
                rank=building_rank(place, build),
            )
        self._schedule.add(
            SettleTask(case.number, commit),
            partial(self._settle, each, commit, found, second),
            after=[BuildTask(build.key) for build in second.values()],
            rank=judging_rank(place, commit),
        )

    def _settle(
        self, each: CaseSteps, commit: int, found: Comparison, second: Mapping[Arm, PlannedBuild]
    ) -> None:
        each.add(commit, self._judge.settle(each.case, commit, found, second))
        if not each.open.indexes:
            self._end(each)

    def _end(self, each: CaseSteps) -> None:
        if each.end():
            self._observer.scenario_ended(each.case.called, self._result(each).verdict)

    def _result(self, each: CaseSteps) -> Result:
        case = each.case
        error = case.error or self._error_of(each)
        return Result(
            scenario=case.scenario.name,
            file=_shown(case.scenario.file),
            buildpack=case.buildpack,
            sandbox=self._session.machine.sandbox.name,
            image=self._session.image,
            steps=each.steps,
            error=str(error) if error else "",
            missing=case.missing,
        )

    def _error_of(self, each: CaseSteps) -> BaseException | None:
        """Why a commit of a case could not be judged, if one could not."""
        number, failed = each.case.number, self._schedule.failed
        for task in (CompareTask, SettleTask):
            for commit in each.open.indexes:
                if (error := failed.get(task(number, commit))) is not None:
                    return error
        return None


def _shown(file: Path) -> str:
    """A file as a person who stands in the current folder would name it."""
    here = Path.cwd()
    whole = file.resolve()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else file)
