"""Runs a scenario's builds, cached and clean, and says what each commit showed."""

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness import compare as comparing
from harness.build import Build, Inputs, run_build
from harness.buildpacks.source import Buildpack
from harness.compare import Divergence, SetAside, Side, split_noise
from harness.diagnosis.origin import with_origins
from harness.distributions import (
    Distribution,
    compare_distributions,
    read_distributions,
    with_owners,
)
from harness.errors import HarnessError
from harness.expectations import unmet
from harness.manifest import Manifest
from harness.plan import Arm, Commit, plan
from harness.progress import Observer, Silent
from harness.removal import remove_tree
from harness.reuse import observed_reuse
from harness.rules import LARGEST
from harness.scan import read_file, scan
from harness.scenarios.history import play_app
from harness.scenarios.scenario import Scenario
from harness.scenarios.scenario_file import BuildExpectation
from harness.session import Session
from harness.verdict import Builds, Failure, Result, Reuse, Run, Seconds, Step, Verdict


def run_scenarios(
    scenarios: tuple[Scenario, ...],
    *,
    session: Session,
    jobs: int,
    observer: Observer | None = None,
) -> Run:
    """Runs scenarios side by side; results come in the scenarios' order.

    Args:
        scenarios: What to run.
        session: What their builds share.
        jobs: How many scenarios run at once.
        observer: Told of progress, from several threads.

    Raises:
        HarnessError: The harness could not tell; builds under way are ended first.
    """
    observer = observer or Silent()
    tally = _Tally()
    stop = threading.Event()

    def one(scenario: Scenario) -> Result:
        return run_scenario(scenario, session=session, observer=observer, tally=tally, stop=stop)

    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="scenario")
    try:
        futures = [pool.submit(one, scenario) for scenario in scenarios]
        wait(futures, return_when=FIRST_EXCEPTION)
        failed = next(
            (f for f in futures if f.done() and not f.cancelled() and f.exception()), None
        )
        if failed is not None:
            failed.result()
        results = tuple(future.result() for future in futures)
    except BaseException:
        stop.set()
        session.sandbox.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return Run(results=results, builds=tally.builds())


def run_scenario(
    scenario: Scenario,
    *,
    session: Session,
    observer: Observer | None = None,
    tally: "_Tally | None" = None,
    stop: threading.Event | None = None,
) -> Result:
    """Runs one scenario's builds, commit by commit.

    Raises:
        HarnessError: The harness could not tell.
    """
    observer = observer or Silent()
    stages = scenario.stages(session.pythons(scenario.python_slots()))
    shas = play_app(stages, session.folder("app"))
    lab = _Lab(
        scenario=scenario,
        session=session,
        observer=observer,
        commits=plan(scenario, stages),
        shas=shas,
        tally=tally or _Tally(),
        stop=stop or threading.Event(),
    )
    result = Result(
        scenario=scenario.name,
        file=_shown(scenario.file),
        buildpack=session.settings.buildpack,
        sandbox=session.sandbox.name,
        image=session.image,
        steps=lab.steps(),
    )
    observer.scenario_ended(result)
    return result


class _Tally:
    """Counts builds over all scenarios."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run = 0
        self._reused = 0

    def count(self, *, ran: bool) -> None:
        with self._lock:
            self._run += ran
            self._reused += not ran

    def builds(self) -> Builds:
        return Builds(needed=self._run + self._reused, run=self._run, reused=self._reused)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    """A build, and what reading its tree gave."""

    build: Build
    manifest: Manifest
    distributions: tuple[Distribution, ...]
    folder: Path

    def read(self, path: str) -> bytes:
        return _read(self.build.tree, path)


class _Lab:
    """One scenario's run: keeps each commit's builds for the comparisons that follow."""

    def __init__(
        self,
        *,
        scenario: Scenario,
        session: Session,
        observer: Observer,
        commits: tuple[Commit, ...],
        shas: tuple[str, ...],
        tally: _Tally,
        stop: threading.Event,
    ) -> None:
        self._scenario = scenario
        self._session = session
        self._observer = observer
        self._commits = commits
        self._shas = shas
        self._tally = tally
        self._stop = stop
        self._clean_builds: dict[str, _Built] = {}
        self._cached: list[_Built] = []
        self._clean: list[_Built] = []

    def steps(self) -> tuple[Step, ...]:
        try:
            return tuple(self._step(index) for index in range(len(self._commits)))
        finally:
            for built in {id(b): b for b in (*self._cached, *self._clean)}.values():
                if not self._session.settings.keep:
                    remove_tree(built.folder)

    def _step(self, index: int) -> Step:
        commit = self._commits[index]
        if index == 0:
            # With no cache yet, the cached build is a clean one.
            cached = clean = self._clean_build(commit)
            self._tally.count(ran=False)
        else:
            cached = self._run(commit, Arm.CACHED, cache=self._cached[-1].build.cache)
            clean = self._clean_build(commit)
        self._cached.append(cached)
        self._clean.append(clean)
        return self._judge(index, cached, clean)

    def _judge(self, index: int, cached: _Built, clean: _Built) -> Step:
        commit = self._commits[index]
        divergences, noise, set_aside, compared, doubts = self._compare(commit, cached, clean)
        reuse = observed_reuse(
            cache_was_empty=index == 0,
            cached=cached.build.requests,
            clean=clean.build.requests,
        )
        arms = {Arm.CACHED: cached} if cached is clean else {Arm.CACHED: cached, Arm.CLEAN: clean}
        failures = tuple(
            _failure(arm, built.build) for arm, built in arms.items() if not built.build.passed
        )
        findings: tuple[str, ...] = ()
        if divergences:
            findings = tuple(
                str(each)
                for each in compare_distributions(cached.distributions, clean.distributions)
            )
            divergences = with_owners(divergences, cached.distributions, clean.distributions)
            divergences = with_origins(
                divergences,
                tuple(built.manifest for built in self._clean[:-1]),
                tuple(built.manifest for built in self._cached[:-1]),
                commits=self._shas,
            )
        kind = self._buildpack(commit).kind
        return Step(
            commit=self._shas[index],
            message=commit.stage.message,
            verdict=_verdict(commit, cached, clean, divergences, noise),
            reuse=reuse,
            reasons=kind.reasons(_text(cached.build.log)) if reuse is Reuse.DISCARDED else (),
            seconds=Seconds(cached=cached.build.outcome.seconds, clean=clean.build.outcome.seconds),
            compared=compared,
            divergences=divergences,
            noise=noise,
            set_aside=set_aside,
            findings=findings,
            unmet=tuple(self._unmet(commit, arms, reuse, told=bool(divergences))),
            failures=(*failures, *doubts) if not _expected_failure(commit, cached, clean) else (),
            refused=tuple(
                request
                for request in dict.fromkeys((*cached.build.requests, *clean.build.requests))
                if request.refused
            ),
        )

    def _compare(
        self, commit: Commit, cached: _Built, clean: _Built
    ) -> tuple[
        tuple[Divergence, ...],
        tuple[Divergence, ...],
        tuple[SetAside, ...],
        int,
        tuple[Failure, ...],
    ]:
        """The divergences, the noise among them, what was set aside, and how much was compared.

        Last comes the failure of a control build that failed where the clean build passed.

        Raises:
            HarnessError: Both builds passed and there is nothing to compare.
        """
        if cached.build.passed != clean.build.passed:
            why = f"the cached build {cached.build.how()}, the clean build {clean.build.how()}"
            divergence = comparing.outcome(why)
            again = self._run(commit, Arm.CONTROL, cache=None)
            doubts = () if again.build.passed else (_failure(Arm.CONTROL, again.build),)
            self._drop(again)
            if again.build.passed == clean.build.passed:
                return (divergence,), (), (), 0, ()
            return (), (divergence,), (), 0, doubts
        if not clean.build.passed:
            return (), (), (), 0, ()
        found = _compare(cached, clean)
        if not found.compared:
            roots = ", ".join(self._roots(commit))
            raise HarnessError(
                f"{self._scenario.file}: commit {commit.stage.index + 1}: both builds passed and"
                f" left nothing to compare under {roots}",
                hint="name what the buildpack installs with --compare GLOB",
            )
        if not found.divergences:
            return (), (), found.set_aside, found.compared, ()
        control = self._run(commit, Arm.CONTROL, cache=None)
        try:
            if not control.build.passed:
                doubts = (_failure(Arm.CONTROL, control.build),)
                return (), found.divergences, found.set_aside, found.compared, doubts
            unstable = _compare(control, clean)
            real, noise = split_noise(found.divergences, unstable.divergences)
            return real, noise, found.set_aside, found.compared, ()
        finally:
            self._drop(control)

    def _unmet(
        self, commit: Commit, arms: dict[Arm, _Built], reuse: Reuse, *, told: bool
    ) -> list[str]:
        """What the scenario expects and did not get, as sentences.

        Where the arms diverge (`told`), what the cached build lacks has been said: the clean
        build's tree is the one to hold against the scenario.
        """
        stage = commit.stage
        sentences: list[str] = []
        for arm, built in arms.items():
            if told and arm is Arm.CACHED:
                continue
            passes = stage.build is BuildExpectation.PASSES
            if not passes and built.build.passed:
                sentences.append(f"the {arm} build passes, and should fail")
            if passes and built.build.passed:
                sentences.extend(unmet(stage.expect, built.build.tree, arm=str(arm)))
        if stage.reuse is not None and reuse not in {Reuse(stage.reuse), Reuse.UNKNOWN}:
            sentences.append(f"the cache is {reuse}, and should be {stage.reuse}")
        return sentences

    def _clean_build(self, commit: Commit) -> _Built:
        kept = self._clean_builds.get(commit.clean_key)
        if kept is None:
            kept = self._clean_builds[commit.clean_key] = self._run(commit, Arm.CLEAN, cache=None)
        else:
            self._tally.count(ran=False)
        return kept

    def _run(self, commit: Commit, arm: Arm, *, cache: Path | None) -> _Built:
        if self._stop.is_set():
            raise HarnessError("stopped")
        session, stage = self._session, commit.stage
        name, number, count = self._scenario.name, stage.index + 1, len(self._commits)
        buildpack = self._buildpack(commit)
        inputs = Inputs(
            app=stage.tree,
            mtime=commit.mtime,
            buildpack=buildpack,
            internet=session.internet(self._scenario, stage.world, buildpack),
            env=stage.world.env,
            stack=stage.world.stack,
            build_path=commit.build_path,
            cache_apart=commit.cache_apart,
            limits=session.settings.limits,
        )
        folder = session.folder(f"{name.replace('/', '-')}-{number}-{arm}")
        self._observer.build_started(name, number, count, str(arm))
        build = run_build(
            inputs,
            cache=cache,
            sandbox=session.sandbox,
            server=session.server,
            trust=session.trust,
            folder=folder,
            on_line=_teller(self._observer, name),
        )
        self._tally.count(ran=True)
        self._observer.build_ended(name, build.how(), build.outcome.seconds)
        manifest = scan(build.tree, self._roots(commit))
        return _Built(
            build=build,
            manifest=manifest,
            distributions=read_distributions(manifest, partial(_read, build.tree)),
            folder=folder,
        )

    def _drop(self, built: _Built) -> None:
        if not self._session.settings.keep:
            remove_tree(built.folder)

    def _roots(self, commit: Commit) -> tuple[str, ...]:
        return (*self._buildpack(commit).kind.roots, *self._session.settings.compare)

    def _buildpack(self, commit: Commit) -> Buildpack:
        return self._session.buildpack_at(commit.stage.world.buildpack)


def _shown(file: Path) -> str:
    """A file as a person who stands in the current folder would name it."""
    here = Path.cwd()
    whole = file.resolve()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else file)


def _read(tree: Path, path: str) -> bytes:
    return read_file(tree, path, limit=LARGEST)


def _compare(cached: _Built, clean: _Built) -> comparing.Comparison:
    sides = {Side.CACHED: cached, Side.CLEAN: clean}
    return comparing.compare(
        cached.manifest, clean.manifest, read=lambda side, path: sides[side].read(path)
    )


def _verdict(
    commit: Commit,
    cached: _Built,
    clean: _Built,
    divergences: tuple[Divergence, ...],
    noise: tuple[Divergence, ...],
) -> Verdict:
    if divergences:
        return Verdict.DIVERGES
    if noise:
        return Verdict.UNSTABLE
    if not clean.build.passed and not _expected_failure(commit, cached, clean):
        return Verdict.FAILED
    return Verdict.AGREES


def _expected_failure(commit: Commit, cached: _Built, clean: _Built) -> bool:
    expected = commit.stage.build is BuildExpectation.FAILS
    return expected and not cached.build.passed and not clean.build.passed


def _failure(arm: Arm, build: Build) -> Failure:
    return Failure(arm=str(arm), command=build.failed, how=build.how(), log_tail=build.log_tail())


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def _teller(observer: Observer, scenario: str) -> Callable[[str], None]:
    return lambda line: observer.build_line(scenario, line)
