"""Says what the two builds of one commit show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.buildpacks import BuildpackKind
from harness.ecosystems import Ecosystem
from harness.ecosystems.installed import INSTALLED, Installed, InstalledByTree, findings, owner_of
from harness.ecosystems.registry import explainers
from harness.ecosystems.reuse import Needs, PartReuse, Reuse, Trace
from harness.errors import HarnessError
from harness.scenarios.scenario_file import BuildExpectation
from harness.trees.difference import Side
from harness.trees.explainer import BuildPaths, Explainer, TreePair
from harness.trees.manifest import EntryKind, Manifest
from harness.trees.named import APP
from harness.verdicts.arms import Arm, Arms, Stored
from harness.verdicts.cache_expectations import CacheUse
from harness.verdicts.clean_build import made, without_given
from harness.verdicts.compare import Comparison, compare, gather, merged, split_noise
from harness.verdicts.deployed_runs import with_runs
from harness.verdicts.divergence import Divergence, outcome, release
from harness.verdicts.owners import with_owners
from harness.verdicts.result import Failure, Seconds, Step, Verdict
from harness.verdicts.reuse import judge_parts, unmet_reuse, whole
from harness.verdicts.unmet import unmet_expectations

_NOTHING = Comparison(divergences=(), set_aside=(), compared=0)
_NOTES: Final = 4096
"""The most bytes of a cache that holds but a note on an earlier build: no package is as small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondRuns:
    """The builds of one commit, run again.

    Attributes:
        control: A second clean build; needed where the arms differ.
        repeated: A second cached build, given the same caches; wanted where the difference is not
            known of the buildpack.
    """

    control: Stored | None = None
    repeated: Stored | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is around the builds of one commit.

    Attributes:
        earlier: The builds of the commits before, in order.
        shas: The SHAs of the scenario's commits.
        kind: The buildpack's, which reads its log.
        tools: Projects that only serve to install what the app asks for.
        ecosystems: Whoever knows what the trees hold.
    """

    earlier: Sequence[Arms]
    shas: Sequence[str]
    kind: BuildpackKind
    tools: frozenset[str]
    ecosystems: Sequence[Ecosystem]


def compare_arms(
    arms: Arms, ecosystems: Sequence[Ecosystem], earlier: Sequence[Arms] = ()
) -> Comparison:
    """Compares the two builds; where it shows a divergence, second runs are wanted.

    Args:
        arms: The builds.
        ecosystems: Whoever knows what the trees hold.
        earlier: The builds of the commits before.

    Raises:
        HarnessError: Both builds passed and left nothing to compare but the app's own files.
        ManifestError: What is stored of them is damaged.
    """
    cached, clean = arms.cached.record.outcome, arms.clean.record.outcome
    if cached.passed != clean.passed:
        why = f"the cached build {cached.how()}, the clean build {clean.how()}"
        return replace(_NOTHING, divergences=(outcome(why),))
    if not clean.passed:
        return _NOTHING
    found = without_given(_compare(arms.cached, arms.clean, ecosystems, earlier), arms.stage)
    found = with_runs(found, arms.cached.record, arms.clean.record, arms.stage.run)
    # Where there are more paths than the app has, some are not its own.
    own = arms.stage.of_clean.tree.entries
    if not found.compared or (found.compared <= len(own) and _only_the_app(arms)):
        raise HarnessError(
            f"{arms.file}: commit {arms.stage.index + 1}: both builds passed and left nothing to"
            " compare but the app's own files",
            hint="look at the log whether the buildpack installs anything, and where:"
            f" `cache-harness log {arms.file} {arms.stage.index + 1}` with this run's options",
        )
    return found


def _only_the_app(arms: Arms) -> bool:
    """Whether neither build left any file that the app did not bring."""
    own = arms.stage.of_clean.tree.entries.keys()
    return all(
        entry.kind is EntryKind.DIRECTORY or (tree == APP and path in own)
        for built in (arms.cached, arms.clean)
        for tree in built.trees
        for path, entry in built.manifest(tree).entries.items()
    )


def _build_paths(cached: Stored, earlier: Sequence[Arms], tree: str) -> BuildPaths | None:
    """The paths of a tree that files may name; None where every build had it at the same."""
    own = cached.place(tree)
    before = dict.fromkeys(each.cached.place(tree) for each in earlier)
    if not before.keys() - {own}:
        return None
    return BuildPaths(cached=(own, *(path for path in before if path != own)), clean=own)


def judge(arms: Arms, found: Comparison, second: SecondRuns, context: Context) -> Step:
    """What one commit showed.

    Args:
        arms: Its builds.
        found: What `compare_arms` found.
        second: What further runs of them there are.
        context: What is around them.

    Raises:
        ManifestError: What is stored of a build is damaged.
    """
    stage, cached, clean = arms.stage, arms.cached, arms.clean
    divergences, noise = _settle(arms, found, second, context.ecosystems)
    divergences, noise = gather(divergences), gather(noise)
    needs = Needs(routes=context.kind.routes, tools=context.tools)
    reuse, parts = _reuse(arms, context, needs)
    sentences: tuple[str, ...] = ()
    if divergences:
        divergences, sentences = _explained(arms, divergences, context.ecosystems)
    as_asked = cached.record.outcome.passed or stage.build is BuildExpectation.FAILS
    said = context.kind.reasons(cached.text)
    lacking = unmet_expectations(arms, CacheUse(reuse=reuse, reasons=said, parts=parts))
    return Step(
        commit=context.shas[stage.index],
        message=stage.message,
        verdict=_verdict(arms, divergences, noise),
        reuse=reuse,
        reuse_parts=parts,
        reasons=said if _gives_reasons(reuse, parts) else (),
        clean=made(stage),
        seconds=Seconds(cached=cached.record.outcome.seconds, clean=clean.record.outcome.seconds),
        compared=found.compared,
        divergences=divergences,
        noise=noise,
        repeated=second.repeated is not None,
        notes=found.notes,
        set_aside=found.set_aside,
        findings=sentences,
        unmet=(
            *(one.unmet for one in lacking),
            # Why a build failed says more than what became of its cache.
            *(unmet_reuse(stage.reuse, reuse, parts) if as_asked else ()),
        ),
        found_instead=tuple(one for one in lacking if one.lines),
        failures=tuple(_failures(arms, second if noise else SecondRuns())),
        refused=tuple(
            request
            for request in dict.fromkeys((*cached.record.requests, *clean.record.requests))
            if request.refused
        ),
    )


def _explained(
    arms: Arms, divergences: Sequence[Divergence], ecosystems: Sequence[Ecosystem]
) -> tuple[tuple[Divergence, ...], tuple[str, ...]]:
    """The divergences with their owners, and what they come to, as sentences."""
    explained = [one for one in divergences if one.tree not in arms.cached.trees]
    sentences: list[str] = []
    for tree in arms.cached.trees:
        mine = [one for one in divergences if one.tree == tree]
        if mine:
            installed = (_installed(arms.cached, tree), _installed(arms.clean, tree))
            sentences += findings(ecosystems, *installed)
            explained += with_owners(mine, *(owner_of(ecosystems, each) for each in installed))
    return tuple(explained), tuple(sentences)


def _settle(
    arms: Arms, found: Comparison, second: SecondRuns, ecosystems: Sequence[Ecosystem]
) -> tuple[tuple[Divergence, ...], tuple[Divergence, ...]]:
    """What the cache may be blamed for, and what it may not.

    Each arm is held against its second run: what two clean builds, or two builds with the same
    caches, disagree on is not the cache's doing.
    """
    divergences = found.divergences
    noise: list[Divergence] = []
    for first, again in ((arms.clean, second.control), (arms.cached, second.repeated)):
        if again is None or not divergences:
            continue
        if again.record.outcome.passed != first.record.outcome.passed:
            return (), found.divergences
        if arms.cached.record.outcome.passed is arms.clean.record.outcome.passed:
            both = _compare(again, first, ecosystems)
            both = with_runs(both, again.record, first.record, arms.stage.run)
            divergences, unstable = split_noise(divergences, both.divergences)
            noise += unstable
    return divergences, tuple(sorted(noise, key=lambda one: (one.tree, one.path, one.kind)))


def _compare(
    cached: Stored,
    clean: Stored,
    ecosystems: Sequence[Ecosystem],
    earlier: Sequence[Arms] = (),
) -> Comparison:
    """Where the trees of two builds differ, and what they printed for the platform."""
    everyone = explainers(ecosystems)
    found = merged(
        {
            tree: _compare_trees(_tree_pair(cached, clean, tree, earlier), everyone)
            for tree in cached.trees
        },
        everyone,
    )
    told = cached.record.released, clean.record.released
    if told[0] != told[1]:
        found = replace(found, divergences=(release(*told), *found.divergences))
    return found


def _tree_pair(cached: Stored, clean: Stored, tree: str, earlier: Sequence[Arms]) -> TreePair:
    """One tree of two builds, read from what is stored of them."""
    manifests = {Side.CACHED: cached.manifest(tree), Side.CLEAN: clean.manifest(tree)}
    contents = {Side.CACHED: cached.contents(tree), Side.CLEAN: clean.contents(tree)}
    return TreePair(
        name=tree,
        cached=manifests[Side.CACHED],
        clean=manifests[Side.CLEAN],
        read=lambda side, path: contents[side].read(manifests[side].entries[path]),
        begins=lambda side, path: contents[side].head(manifests[side].entries[path]),
        build_paths=_build_paths(cached, earlier, tree),
        began=cached.record.began,
    )


def _compare_trees(trees: TreePair, explainers: Sequence[Explainer]) -> Comparison:
    found = compare(trees, explainers)
    # A root that is a link somewhere is an entry, and shows nothing of what is installed.
    links = {*_linked_roots(trees.cached), *_linked_roots(trees.clean)}
    return replace(found, compared=found.compared - len(links))


def _linked_roots(manifest: Manifest) -> Iterator[str]:
    for root in manifest.roots:
        if manifest.entries[root].kind is EntryKind.SYMLINK:
            yield root


def _reuse(arms: Arms, context: Context, needs: Needs) -> tuple[Reuse, tuple[PartReuse, ...]]:
    earlier = context.earlier
    given = earlier[-1].cached.facts.caches if earlier else ()
    if not earlier or (given and not any(cache.files for cache in given)):
        return Reuse.EMPTY, ()
    parts = judge_parts(context.ecosystems, _trace(arms.cached), _trace(arms.clean), needs)
    word = whole(parts)
    if (
        word is Reuse.DISCARDED
        and given
        and sum(cache.size for cache in given) <= _NOTES
        and not context.kind.reasons(arms.cached.text)
    ):
        return Reuse.EMPTY, ()
    return word, parts


def _gives_reasons(reuse: Reuse, parts: Sequence[PartReuse]) -> bool:
    """Whether what the log says of a discarded cache may be true."""
    return reuse is Reuse.UNKNOWN or any(one.reuse is Reuse.DISCARDED for one in parts)


def _trace(built: Stored) -> Trace:
    installed: dict[str, dict[str, str]] = {}
    for tree in built.trees:
        for name, text in _installed(built, tree).items():
            installed.setdefault(name, {})[tree] = text
    return Trace(
        passed=built.record.outcome.passed,
        requests=built.record.requests,
        installed=installed,
        log=built.text,
    )


def _installed(built: Stored, tree: str) -> Installed:
    found: InstalledByTree = built.kept_text(INSTALLED, InstalledByTree)
    return found.get(tree, {})


def _verdict(
    arms: Arms, divergences: tuple[Divergence, ...], noise: tuple[Divergence, ...]
) -> Verdict:
    if divergences:
        return Verdict.DIVERGES
    if noise:
        return Verdict.UNSTABLE
    if not arms.clean.record.outcome.passed and not _expected_failure(arms):
        return Verdict.FAILED
    return Verdict.AGREES


def _expected_failure(arms: Arms) -> bool:
    builds = (arms.cached, arms.clean)
    return arms.stage.build is BuildExpectation.FAILS and not any(
        built.record.outcome.passed for built in builds
    )


def _failures(arms: Arms, second: SecondRuns) -> Iterator[Failure]:
    if _expected_failure(arms):
        return
    builds = {Arm.CACHED: arms.cached}
    if arms.differ:
        builds[Arm.CLEAN] = arms.clean
    if second.control is not None:
        builds[Arm.CONTROL] = second.control
    if second.repeated is not None:
        builds[Arm.REPEATED] = second.repeated
    for arm, built in builds.items():
        if not built.record.outcome.passed:
            yield Failure(
                arm=str(arm),
                command=built.record.failed,
                how=built.record.outcome.how(),
                log_tail=built.log_tail(),
            )
