"""Judges the commits of cases by their builds that are at hand, and keeps the judgements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.diagnosis.origin import with_origins_by_tree
from harness.ecosystems import Ecosystem
from harness.ecosystems.reuse import Reuse
from harness.runs.at_hand import BuildsAtHand
from harness.runs.case import Case
from harness.runs.plan import PlannedBuild, control, repeated
from harness.runs.session import Session
from harness.verdicts import judge
from harness.verdicts.arms import Arm, Arms
from harness.verdicts.compare import Comparison, gather
from harness.verdicts.divergence import Divergence
from harness.verdicts.judge import Context, SecondRuns
from harness.verdicts.known import KnownFile, all_known
from harness.verdicts.result import Step


class KnownDivergences:
    """What is known of the buildpacks of a run."""

    def __init__(self, files: Sequence[KnownFile]) -> None:
        """Takes the lists."""
        self._files = files

    def covers(self, case: Case, commit: int, divergences: Iterable[Divergence]) -> bool:
        """Whether all that a commit shows is known."""
        return all_known(
            divergences,
            self._files,
            buildpack=case.buildpack,
            scenario=case.scenario.name,
            commit=commit + 1,
        )


def stored_steps(case: Case, session: Session, known: KnownDivergences) -> dict[int, Step]:
    """What earlier runs judged of a case's commits, by their indexes."""
    found = {}
    for commit in range(len(case.pairs)):
        step = session.judgements.find(case.judgement_key(commit))
        if step is not None and (step.repeated or known.covers(case, commit, step.divergences)):
            found[commit] = step
    return found


class CommitJudge:
    """Judges commits; safe to use from several threads."""

    def __init__(
        self,
        session: Session,
        ecosystems: Sequence[Ecosystem],
        known: KnownDivergences,
        at_hand: BuildsAtHand,
    ) -> None:
        """Takes what judgements rest on.

        Args:
            session: What the builds share.
            ecosystems: Whoever knows what their trees hold.
            known: What is known of the buildpacks.
            at_hand: The builds.
        """
        self._session = session
        self._ecosystems = ecosystems
        self._known = known
        self._at_hand = at_hand

    def compare(self, case: Case, commit: int) -> Comparison:
        """Compares the arms of a commit, whose builds and those before are at hand.

        Raises:
            HarnessError: There is nothing to compare, or what is stored is damaged.
        """
        return judge.compare_arms(
            self._arms(case, commit), self._ecosystems, self._earlier(case, commit)
        )

    def second_runs(self, case: Case, commit: int, found: Comparison) -> dict[Arm, PlannedBuild]:
        """The builds of a commit that must run again for what its arms show; mostly none."""
        if not found.divergences:
            return {}
        arms, pair = self._arms(case, commit), case.pairs[commit]
        # Where only the cached build worked on disk, the control build tells what that changes.
        on_disk = arms.clean.record.in_memory and not arms.cached.record.in_memory
        runs = {Arm.CONTROL: control(pair.clean, on_disk=on_disk)}
        if not self._known.covers(case, commit, gather(found.divergences)):
            runs[Arm.REPEATED] = repeated(pair.cached)
        return runs

    def settle(
        self, case: Case, commit: int, found: Comparison, second: Mapping[Arm, PlannedBuild]
    ) -> Step:
        """What a commit showed.

        Args:
            case: The case.
            commit: The commit's index.
            found: What `compare` found.
            second: What `second_runs` asked for; it is at hand now.

        Raises:
            HarnessError: What is stored of a build is damaged.
        """
        arms, earlier = self._arms(case, commit), self._earlier(case, commit)
        pair, serving = case.pairs[commit], self._session.serving
        planned = pair.commit
        again = {arm: self._at_hand.of(build) for arm, build in second.items()}
        step = judge.judge(
            arms,
            found,
            SecondRuns(control=again.get(Arm.CONTROL), repeated=again.get(Arm.REPEATED)),
            Context(
                earlier=earlier,
                shas=case.shas,
                kind=self._session.buildpacks.get(planned.buildpack).kind,
                tools=serving.tools(planned),
                ecosystems=self._ecosystems,
            ),
        )
        # Where another runtime was installed anew, what differs was made in this build, though an
        # earlier commit's may hold the same.
        made_anew = step.reuse is Reuse.DISCARDED and any(one.instead for one in step.reuse_parts)
        step = replace(
            step,
            divergences=step.divergences
            if made_anew
            else with_origins_by_tree(
                step.divergences,
                clean=lambda tree: [each.clean.manifest(tree) for each in earlier],
                cached=lambda tree: [each.cached.manifest(tree) for each in earlier],
                commits=case.shas,
            ),
            stand_ins=tuple(
                dict.fromkeys(
                    stand_in
                    for build, arm in ((pair.cached, arms.cached), (pair.clean, arms.clean))
                    for stand_in in serving.stand_ins(build.commit, arm.record.requests)
                )
            ),
        )
        if arms.cached.stored and arms.clean.stored:
            self._session.judgements.keep(case.judgement_key(commit), step)
        return step

    def _earlier(self, case: Case, commit: int) -> list[Arms]:
        return [self._arms(case, before) for before in range(commit)]

    def _arms(self, case: Case, commit: int) -> Arms:
        pair = case.pairs[commit]
        return Arms(
            stage=pair.commit.stage,
            file=pair.commit.scenario.file,
            cached=self._at_hand.of(pair.cached),
            clean=self._at_hand.of(pair.clean),
        )
