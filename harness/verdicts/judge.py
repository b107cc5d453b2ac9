"""Says what the two builds of one commit show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.buildpacks import BuildpackKind
from harness.ecosystems import Ecosystem
from harness.ecosystems.installed import Installed, findings, owner_of
from harness.ecosystems.python.installation import Installation, to_text
from harness.ecosystems.registry import explainers
from harness.ecosystems.reuse import Needs, PartReuse, Reuse, Trace
from harness.errors import HarnessError
from harness.runs.plan import Arm, Commit
from harness.scenarios.scenario_file import BuildExpectation
from harness.storage.builds import Built
from harness.trees.difference import Side
from harness.trees.explainer import BuildPaths, TreePair
from harness.trees.manifest import EntryKind, Manifest
from harness.verdicts import compare as comparing
from harness.verdicts.compare import Comparison, Divergence, gather, split_noise
from harness.verdicts.owners import with_owners
from harness.verdicts.result import Failure, Seconds, Step, Verdict
from harness.verdicts.reuse import judge_parts, unmet_reuse, whole

_NOTHING = Comparison(divergences=(), set_aside=(), compared=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """The builds of one commit: with the cache that the commit before left, and with none."""

    commit: Commit
    cached: Built
    clean: Built

    @property
    def differ(self) -> bool:
        """Whether they are two builds; at the first commit they are one."""
        return self.cached.facts.instance != self.clean.facts.instance


def look(
    arms: Arms,
    roots: tuple[str, ...],
    earlier: Sequence[Arms] = (),
    *,
    ecosystems: Sequence[Ecosystem],
) -> Comparison:
    """Compares the two builds; where it shows a divergence, control builds are wanted.

    Args:
        arms: The builds.
        roots: What is compared, for the message.
        earlier: The builds of the commits before.
        ecosystems: Whoever knows what the trees hold.

    Raises:
        HarnessError: Both builds passed and left nothing to compare but the app's own files.
        ManifestError: What is stored of them is damaged.
    """
    cached, clean = arms.cached.facts.outcome, arms.clean.facts.outcome
    if cached.passed != clean.passed:
        why = f"the cached build {cached.how()}, the clean build {clean.how()}"
        return replace(_NOTHING, divergences=(comparing.outcome(why),))
    if not clean.passed:
        return _NOTHING
    found = _compare(arms.cached, arms.clean, ecosystems, _build_paths(arms, earlier))
    # Where there are more paths than the app has, some are not its own.
    own = arms.commit.stage.tree.entries
    if not found.compared or (found.compared <= len(own) and _only_the_app(arms)):
        raise HarnessError(
            f"{arms.commit.scenario.file}: commit {arms.commit.stage.index + 1}: both builds"
            f" passed and left nothing to compare but the app's own files under {', '.join(roots)}",
            hint="look at the log whether the buildpack installs anything, and where",
        )
    return found


def _only_the_app(arms: Arms) -> bool:
    """Whether neither build left any file that the app did not bring."""
    own = arms.commit.stage.tree.entries.keys()
    return all(
        entry.kind is EntryKind.DIRECTORY or path in own
        for built in (arms.cached, arms.clean)
        for path, entry in built.manifest().entries.items()
    )


def _build_paths(arms: Arms, earlier: Sequence[Arms]) -> BuildPaths | None:
    """The build dirs that files may name; None where every build had the same."""
    own = arms.commit.build_path
    before = dict.fromkeys(each.commit.build_path for each in earlier)
    if not before.keys() - {own}:
        return None
    return BuildPaths(cached=(own, *(path for path in before if path != own)), clean=own)


def judge(
    arms: Arms,
    found: Comparison,
    control: Built | None,
    again: Built | None = None,
    *,
    earlier: Sequence[Arms],
    shas: Sequence[str],
    kind: BuildpackKind,
    tools: frozenset[str],
    ecosystems: Sequence[Ecosystem],
) -> Step:
    """What one commit showed.

    Args:
        arms: Its builds.
        found: What `look` found.
        control: A second clean build; needed where it found a divergence.
        again: A second cached build, given the same cache; wanted where the divergence is not
            known of the buildpack.
        earlier: The builds of the commits before, in order.
        shas: The SHAs of the scenario's commits.
        kind: The buildpack's, which reads its log.
        tools: Projects that only serve to install what the app asks for.
        ecosystems: Whoever knows what the trees hold.

    Raises:
        ManifestError: What is stored of a build is damaged.
    """
    commit, cached, clean = arms.commit, arms.cached, arms.clean
    divergences, noise = _settle(arms, found, control, again, ecosystems)
    divergences, noise = gather(divergences), gather(noise)
    reuse, parts = _reuse(arms, earlier, Needs(routes=kind.routes, tools=tools), ecosystems)
    told: tuple[str, ...] = ()
    if divergences:
        installed = _installed(cached), _installed(clean)
        told = tuple(findings(ecosystems, *installed))
        divergences = with_owners(divergences, *(owner_of(ecosystems, each) for each in installed))
    return Step(
        commit=shas[commit.stage.index],
        message=commit.stage.message,
        verdict=_verdict(arms, divergences, noise),
        reuse=reuse,
        reuse_parts=parts,
        reasons=kind.reasons(_text(cached)) if reuse is Reuse.DISCARDED else (),
        seconds=Seconds(cached=cached.facts.outcome.seconds, clean=clean.facts.outcome.seconds),
        compared=found.compared,
        divergences=divergences,
        noise=noise,
        repeated=again is not None,
        notes=found.notes,
        set_aside=found.set_aside,
        findings=told,
        unmet=(
            *_unmet(arms),
            # Why a build failed says more than what became of its cache.
            *(unmet_reuse(commit.stage.reuse, reuse, parts) if cached.facts.outcome.passed else ()),
        ),
        failures=tuple(_failures(arms, control if noise else None, again if noise else None)),
        refused=tuple(
            request
            for request in dict.fromkeys((*cached.facts.requests, *clean.facts.requests))
            if request.refused
        ),
    )


def _settle(
    arms: Arms,
    found: Comparison,
    control: Built | None,
    again: Built | None,
    ecosystems: Sequence[Ecosystem],
) -> tuple[tuple[Divergence, ...], tuple[Divergence, ...]]:
    """What the cache may be blamed for, and what it may not.

    Each arm is held against its second run: what two clean builds, or two builds with the same
    cache, disagree on is no cache's doing.
    """
    divergences = found.divergences
    noise: list[Divergence] = []
    for first, second in ((arms.clean, control), (arms.cached, again)):
        if second is None or not divergences:
            continue
        if second.facts.outcome.passed != first.facts.outcome.passed:
            return (), found.divergences
        if arms.cached.facts.outcome.passed is arms.clean.facts.outcome.passed:
            divergences, unstable = split_noise(
                divergences, _compare(second, first, ecosystems).divergences
            )
            noise += unstable
    return divergences, tuple(sorted(noise, key=lambda one: (one.root, one.path, one.kind)))


def _compare(
    cached: Built,
    clean: Built,
    ecosystems: Sequence[Ecosystem],
    build_paths: BuildPaths | None = None,
) -> Comparison:
    manifests = {Side.CACHED: cached.manifest(), Side.CLEAN: clean.manifest()}
    contents = {Side.CACHED: cached.contents(), Side.CLEAN: clean.contents()}

    def read(side: Side, path: str) -> bytes:
        return contents[side].read(manifests[side].entries[path])

    def head(side: Side, path: str) -> bytes:
        return contents[side].head(manifests[side].entries[path])

    found = comparing.compare(
        TreePair(
            cached=manifests[Side.CACHED],
            clean=manifests[Side.CLEAN],
            read=read,
            begins=head,
            build_paths=build_paths,
            began=cached.facts.began,
        ),
        explainers(ecosystems),
    )
    told = cached.facts.released, clean.facts.released
    if told[0] != told[1]:
        found = replace(found, divergences=(comparing.release(*told), *found.divergences))
    # A root that is a link somewhere is an entry, and shows nothing of what is installed.
    links = {root for manifest in manifests.values() for root in _linked_roots(manifest)}
    return replace(found, compared=found.compared - len(links))


def _linked_roots(manifest: Manifest) -> Iterator[str]:
    for root in manifest.roots:
        if manifest.entries[root].kind is EntryKind.SYMLINK:
            yield root


def _unmet(arms: Arms) -> Iterator[str]:
    """What the scenario expects of the builds and did not get, as sentences.

    Each arm's are told whatever the comparison shows, once where both lack the same: a list of
    what is known may cover a divergence, and would hide that the file in it is stale.
    """
    lacks = {Arm.CACHED: tuple(_lacks(arms, arms.cached))}
    if arms.differ:
        lacks[Arm.CLEAN] = tuple(_lacks(arms, arms.clean))
    told = dict.fromkeys(fault for faults in lacks.values() for fault in faults)
    for fault in told:
        those = [arm for arm, faults in lacks.items() if fault in faults]
        if len(those) > 1:
            yield f"in both builds {fault}"
        else:
            yield from (f"in the {arm} build {fault}" for arm in those)


def _lacks(arms: Arms, built: Built) -> Iterator[str]:
    """What one build lacks of what the scenario expects, as the rest of a sentence."""
    stage, passes = arms.commit.stage, built.facts.outcome.passed
    if stage.build is BuildExpectation.FAILS:
        if passes:
            yield "nothing fails, and something should"
        return
    if passes:
        faults = (built.check(repr(expectation)) for expectation in stage.expect)
        yield from filter(None, faults)


def _reuse(
    arms: Arms, earlier: Sequence[Arms], needs: Needs, ecosystems: Sequence[Ecosystem]
) -> tuple[Reuse, tuple[PartReuse, ...]]:
    given = earlier[-1].cached.facts.cache if earlier else None
    if not earlier or (given is not None and given.count == 0):
        return Reuse.EMPTY, ()
    parts = judge_parts(ecosystems, _trace(arms.cached), _trace(arms.clean), needs)
    return whole(parts), parts


def _trace(built: Built) -> Trace:
    return Trace(
        passed=built.facts.outcome.passed,
        requests=built.facts.requests,
        installed={name: {"app": text} for name, text in _installed(built).items()},
        log=_text(built),
    )


def _installed(built: Built) -> Installed:
    found = built.installed()
    installation = Installation(distributions=found.distributions, ages=found.ages)
    return {"python": to_text(installation)}


def _verdict(
    arms: Arms, divergences: tuple[Divergence, ...], noise: tuple[Divergence, ...]
) -> Verdict:
    if divergences:
        return Verdict.DIVERGES
    if noise:
        return Verdict.UNSTABLE
    if not arms.clean.facts.outcome.passed and not _expected_failure(arms):
        return Verdict.FAILED
    return Verdict.AGREES


def _expected_failure(arms: Arms) -> bool:
    builds = (arms.cached, arms.clean)
    return arms.commit.stage.build is BuildExpectation.FAILS and not any(
        built.facts.outcome.passed for built in builds
    )


def _failures(arms: Arms, control: Built | None, again: Built | None) -> Iterator[Failure]:
    if _expected_failure(arms):
        return
    builds = {Arm.CACHED: arms.cached}
    if arms.differ:
        builds[Arm.CLEAN] = arms.clean
    if control is not None:
        builds[Arm.CONTROL] = control
    if again is not None:
        builds[Arm.REPEATED] = again
    for arm, built in builds.items():
        if not built.facts.outcome.passed:
            yield Failure(
                arm=str(arm),
                command=built.facts.failed,
                how=built.facts.outcome.how(),
                log_tail=built.log_tail(),
            )


def _text(built: Built) -> str:
    return built.log.read_text(encoding="utf-8", errors="replace")
