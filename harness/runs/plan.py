"""Which builds a scenario needs, and which of them are one and the same; pure data."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from harness.runs.key import build_key
from harness.scenarios.scenario import Scenario, Stage, mtime
from harness.scenarios.scenario_file import (
    BuildFor,
    BuildPath,
    CacheMount,
    CachePath,
    FailedBuildCache,
)
from harness.trees.named import AfterFailure

_FIXED_BUILD = "app"
_NAME = 8  # digits of a folder's name that is new
_AFTER_FAILURE: Mapping[FailedBuildCache | None, AfterFailure | None] = {
    None: None,
    FailedBuildCache.LAST_GOOD: AfterFailure.AS_BEFORE,
    FailedBuildCache.KEPT: AfterFailure.AS_LEFT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What an arm builds for one commit; mostly the same for both.

    Attributes:
        scenario: The scenario whose commit it is.
        buildpack: The buildpack at this commit, as the operator named it.
        stage: The app, the world and what is expected.
        build: What the build's folder is named after, the same for both arms.
        mtime: Modification time of the app's files in seconds since the epoch; None for now.
        cache: What the cache's folder is named after, the same for both arms; empty where it has
            one place.
        cache_apart: Whether the cache is on another mount than the build.
        after_failure: What the next build gets of the cache if this one fails; None for what the
            platform does.
        test_run: What the CI run is named after that builds it, the same for both arms; empty where
            it is built to be deployed.
        before: The commit before it, whose cache it may be given; None for the first.
    """

    scenario: Scenario
    buildpack: str
    stage: Stage
    build: str
    mtime: int | None
    cache: str = ""
    cache_apart: bool
    after_failure: AfterFailure | None = None
    test_run: str = ""
    before: "Commit | None" = field(default=None, repr=False, compare=False)

    @property
    def history(self) -> "tuple[Commit, ...]":
        """The commits up to it, itself the last."""
        return (*(self.before.history if self.before else ()), self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBuild:
    """One build, known by the key of all that goes into it.

    Attributes:
        key: sha256 in hex. Builds of one key are one build: it runs once.
        inputs: The digest of all that goes in but the cache.
        commit: A commit that it is of; commits of several scenarios may share it.
        cache: The build whose cache it is given; None for an empty one.
        repetition: 0, or which further run of the same build it is, to see whether it is stable.
        depth: How many builds lie before it.
        on_disk: Whether it has to work on disk, though there be room in memory.
    """

    key: str
    inputs: str
    commit: Commit
    cache: "PlannedBuild | None" = None
    repetition: int = 0
    depth: int = 0
    on_disk: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The two builds of one commit that are compared.

    Attributes:
        commit: What the cached build is of; the clean one's may be another, see `Stage.clean`.
        cached: The build with the cache of the commit before.
        clean: The build with an empty one.
    """

    commit: Commit
    cached: PlannedBuild
    clean: PlannedBuild


def plan(
    scenario: Scenario,
    stages: tuple[Stage, ...],
    *,
    buildpack: Callable[[str | None], str],
    digest: Callable[[Commit], str],
) -> tuple[Pair, ...]:
    """The builds of a scenario's commits, in order.

    With no cache yet, the first commit's cached build is its clean one, unless the scenario has
    that made in its own way.

    Args:
        scenario: The scenario.
        stages: What its commits come to.
        buildpack: Gives the buildpack's name at a revision, or at the one that was asked for.
        digest: Gives the digest of all that goes into a build of a commit, but its cache.
    """
    pairs: list[Pair] = []
    for stage in stages:
        before = pairs[-1].commit if pairs else None
        commit = _commit(scenario, stage, buildpack(stage.world.buildpack), before)
        cached = build(commit, digest(commit), cache=pairs[-1].cached if pairs else None)
        clean = _clean(commit, cached, buildpack, digest)
        pairs.append(Pair(commit=commit, cached=cached, clean=clean))
    return tuple(pairs)


def _clean(
    commit: Commit,
    cached: PlannedBuild,
    buildpack: Callable[[str | None], str],
    digest: Callable[[Commit], str],
) -> PlannedBuild:
    """A commit's clean build; of the commit as the clean build sees it, where it sees another."""
    own = commit.stage.clean
    if own is None:
        return build(commit, cached.inputs) if cached.cache else cached
    seen = replace(commit, stage=own, buildpack=buildpack(own.world.buildpack))
    return build(seen, digest(seen))


def build(
    commit: Commit, inputs: str, *, cache: PlannedBuild | None = None, repetition: int = 0
) -> PlannedBuild:
    """A build of a commit; its cache counts as the build that leaves it."""
    return PlannedBuild(
        key=build_key(inputs, cache=cache.key if cache else None, repetition=repetition),
        inputs=inputs,
        commit=commit,
        cache=cache,
        repetition=repetition,
        depth=cache.depth + 1 if cache else 0,
    )


def control(clean: PlannedBuild, *, on_disk: bool = False) -> PlannedBuild:
    """The second run of a clean build: what the two disagree on is not the cache's doing."""
    again = build(clean.commit, clean.inputs, repetition=clean.repetition + (2 if on_disk else 1))
    return replace(again, on_disk=on_disk)


def repeated(cached: PlannedBuild) -> PlannedBuild:
    """The second run of a cached build: what both disagree on is not the cache's doing."""
    return build(cached.commit, cached.inputs, cache=cached.cache, repetition=cached.repetition + 1)


def missing(
    wanted: Mapping[str, PlannedBuild],
    *,
    giving: Collection[str] = (),
    usable: Callable[[PlannedBuild], bool],
    cache_kept: Callable[[PlannedBuild], bool],
) -> frozenset[str]:
    """The keys of the builds that must run for the wanted ones to be there.

    Args:
        wanted: Builds by their keys; with each the one whose cache it is given.
        giving: Keys of those whose cache may be asked for later, though nothing is to run now.
        usable: Whether the result of a build is stored.
        cache_kept: Whether the cache that a usable build left is stored as well.
    """
    found: set[str] = set()
    # From the end of each chain: a build that runs needs the cache of the one before it.
    for one in sorted(wanted.values(), key=lambda each: (-each.depth, each.key)):
        if one.key in found or not usable(one) or (one.key in giving and not cache_kept(one)):
            found.add(one.key)
            before = one.cache
            if before is not None and not (usable(before) and cache_kept(before)):
                found.add(before.key)
    return frozenset(found)


def _commit(scenario: Scenario, stage: Stage, buildpack: str, before: Commit | None) -> Commit:
    axes = scenario.axes
    # New for each commit, as on the platform; the arms of one commit share it, so that they
    # differ in nothing but their cache.
    own = hashlib.sha256(f"{scenario.name} {stage.index}".encode()).hexdigest()
    return Commit(
        scenario=scenario,
        buildpack=buildpack,
        stage=stage,
        build=own[:_NAME] if axes.build_path is BuildPath.NEW else _FIXED_BUILD,
        cache=own[:_NAME] if axes.cache_path is CachePath.NEW else "",
        test_run=own if axes.build is BuildFor.CI else "",
        mtime=mtime(axes, stage),
        cache_apart=axes.cache_mount is CacheMount.OTHER,
        after_failure=_AFTER_FAILURE[axes.failed_build_cache],
        before=before,
    )
