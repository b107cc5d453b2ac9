"""What is around an app at one commit: config vars, branches, releases, stack and buildpack."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce

from harness.scenarios.expectation import expectation_faults
from harness.scenarios.fork import Fork, reference_fault
from harness.scenarios.positions import Place
from harness.scenarios.run_expectation import run_faults
from harness.scenarios.scenario_file import (
    SUBJECT,
    BranchMove,
    BuildExpectation,
    Changes,
    CleanBuild,
    ReleaseAct,
    ReleaseChange,
    TagMove,
)
from harness.scenarios.wording import one_of

Forks = Mapping[str, Fork]
WorldFault = tuple[Place, str, str]
"""Where in the commit's table, what is there, and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchTip:
    """A fork's branch, and the revision that it points to."""

    fork: str
    branch: str
    revision: str
    sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A fork's tag, and the revision that it names."""

    fork: str
    tag: str
    revision: str
    sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRelease:
    """A release in the index, by the fork and revision that it is built from.

    `yanked` is None, or the reason for which it is yanked; the reason may be empty. `host` is the
    host whose index alone has it; empty where it is in each.
    """

    fork: str
    revision: str
    sha: str
    yanked: str | None = None
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a build sees besides the app; everything is sorted.

    Attributes:
        env: Config vars.
        branches: Every branch of every fork of the scenario.
        tags: Every tag of every one.
        releases: What the index holds besides build tools.
        stack: The stack's name, as in `STACK`; empty for the platform's own.
        buildpack: The buildpack's revision, or None for the one that the run was asked for, which
            files call `subject`.
        buildpacks: The buildpacks that run, in order: `subject`, and fixtures.
    """

    env: tuple[tuple[str, str], ...] = ()
    branches: tuple[BranchTip, ...] = ()
    tags: tuple[Tag, ...] = ()
    releases: tuple[PublishedRelease, ...] = ()
    stack: str = ""
    buildpack: str | None = None
    buildpacks: tuple[str, ...] = (SUBJECT,)


def first_world(forks: Forks) -> World:
    """The world before the first commit: each fork's references as its `repo.toml` has them."""
    tips = (
        BranchTip(fork=name, branch=branch, revision=revision, sha=fork.sha(revision))
        for name, fork in sorted(forks.items())
        for branch, revision in fork.branches
    )
    tags = (
        Tag(fork=name, tag=tag, revision=revision, sha=fork.sha(revision))
        for name, fork in sorted(forks.items())
        for tag, revision in fork.tags
    )
    return World(branches=tuple(tips), tags=tuple(tags))


def changed(
    world: World, changes: Changes, forks: Forks, substitute: Callable[[str], str]
) -> World:
    """The world after a commit; a change that has faults is passed over, see `world_faults`.

    Args:
        world: The world before.
        changes: The commit.
        forks: The scenario's forks, by name.
        substitute: Replaces the references in a config var's value.
    """
    env = {name: value for name, value in world.env if name not in changes.unset}
    env |= {name: substitute(value) for name, value in changes.env.items()}
    world = replace(
        world,
        env=tuple(sorted(env.items())),
        stack=changes.stack or world.stack,
        buildpack=_revision(world, changes.buildpack),
        buildpacks=changes.buildpacks or world.buildpacks,
    )
    world = reduce(lambda before, move: _moved(before, move, forks), changes.branches, world)
    world = reduce(lambda before, move: _tagged(before, move, forks), changes.tags, world)
    return reduce(lambda before, act: _released(before, act, forks), changes.releases, world)


def changed_for_clean(world: World, clean: CleanBuild, substitute: Callable[[str], str]) -> World:
    """The world of a commit as its clean build sees it.

    Args:
        world: The commit's.
        clean: What the clean build has in its own way.
        substitute: Replaces the references in a config var's value.
    """
    env = dict(world.env) | {name: substitute(value) for name, value in clean.env.items()}
    return replace(
        world, env=tuple(sorted(env.items())), buildpack=_revision(world, clean.buildpack)
    )


def _revision(world: World, named: str | None) -> str | None:
    """The buildpack's revision where a table names one; None for the one that is asked for."""
    if named == SUBJECT:
        return None
    return named or world.buildpack


def _moved(world: World, move: BranchMove, forks: Forks) -> World:
    if not _known(forks, move.fork, move.revision):
        return world
    tips = {(tip.fork, tip.branch): tip for tip in world.branches}
    tips[move.fork, move.branch] = BranchTip(
        fork=move.fork,
        branch=move.branch,
        revision=move.revision,
        sha=forks[move.fork].sha(move.revision),
    )
    return replace(world, branches=tuple(tip for _, tip in sorted(tips.items())))


def _tagged(world: World, move: TagMove, forks: Forks) -> World:
    if not _known(forks, move.fork, move.revision):
        return world
    tags = {(tag.fork, tag.tag): tag for tag in world.tags}
    tags[move.fork, move.tag] = Tag(
        fork=move.fork,
        tag=move.tag,
        revision=move.revision,
        sha=forks[move.fork].sha(move.revision),
    )
    return replace(world, tags=tuple(tag for _, tag in sorted(tags.items())))


def _released(world: World, change: ReleaseChange, forks: Forks) -> World:
    if not _known(forks, change.fork, change.revision):
        return world
    releases = {(one.fork, one.revision, one.host): one for one in world.releases}
    key = (change.fork, change.revision, change.host)
    release = PublishedRelease(
        fork=change.fork,
        revision=change.revision,
        sha=forks[change.fork].sha(change.revision),
        host=change.host,
    )
    match change.do:
        case ReleaseAct.PUBLISH:
            releases[key] = release
        case ReleaseAct.REPUBLISH:
            releases.pop((change.fork, change.replaces or "", change.host), None)
            releases[key] = release
        case ReleaseAct.YANK:
            releases[key] = replace(release, yanked=change.reason)
        case ReleaseAct.REMOVE:
            releases.pop(key, None)
    return replace(world, releases=tuple(release for _, release in sorted(releases.items())))


def _known(forks: Forks, fork: str, revision: str) -> bool:
    return fork in forks and revision in forks[fork].shas


def world_faults(
    world: World, changes: Changes, forks: Forks, *, first: bool
) -> Iterator[WorldFault]:
    """What a commit says of the world and of its build that cannot be, or changes nothing.

    Args:
        world: The world before the commit.
        changes: The commit.
        forks: The scenario's forks, by name.
        first: Whether it is the app's first, which may name the stack that it has anyway.
    """
    yield from _env_faults(dict(world.env), changes)
    yield from _reference_faults(world, changes, forks)
    for index, change in enumerate(changes.releases):
        for key, message, expected in _release_faults(world, change, forks):
            yield ("releases", index, key), message, expected
        world = _released(world, change, forks)
    if changes.stack == world.stack and not first:
        yield ("stack",), f"the stack is already `{world.stack}`", "another stack"
    yield from _buildpack_faults(world, changes.buildpack)
    if changes.buildpacks is not None:
        yield from _row_faults(world, changes.buildpacks)
    yield from _expected_faults(changes, first=first)
    if changes.clean is not None:
        after = changed(world, changes, forks, lambda text: text)
        for at, message, expected in _clean_faults(after, changes.clean):
            yield ("clean", *at), message, expected


def _expected_faults(changes: Changes, *, first: bool) -> Iterator[WorldFault]:
    passes = changes.build is BuildExpectation.PASSES
    for index, expectation in enumerate(changes.expect):
        for place, message, expected in expectation_faults(expectation, first=first, passes=passes):
            yield ("expect", index, *place), message, expected
    for index, one in enumerate(changes.run):
        for place, message, expected in run_faults(one, passes=passes):
            yield ("run", index, *place), message, expected


def _buildpack_faults(world: World, named: str | None) -> Iterator[WorldFault]:
    if named == (world.buildpack or SUBJECT):
        yield ("buildpack",), f"the buildpack is already `{named}`", "another revision"


def _clean_faults(world: World, clean: CleanBuild) -> Iterator[WorldFault]:
    """What the clean build is said to have in its own way and has not; `world` is the commit's."""
    if clean == CleanBuild():
        yield (), "`clean` says nothing", "`files`, `env` or `buildpack`"
    yield from _env_faults(dict(world.env), Changes(env=clean.env))
    yield from _buildpack_faults(world, clean.buildpack)


def _reference_faults(world: World, changes: Changes, forks: Forks) -> Iterator[WorldFault]:
    for index, move in enumerate(changes.branches):
        tips = {tip.branch: tip.revision for tip in world.branches if tip.fork == move.fork}
        for key, message, expected in _move_faults("branch", move.branch, move, tips, forks):
            yield ("branches", index, key), message, expected
        world = _moved(world, move, forks)
    for index, tagging in enumerate(changes.tags):
        tags = {tag.tag: tag.revision for tag in world.tags if tag.fork == tagging.fork}
        for key, message, expected in _move_faults("tag", tagging.tag, tagging, tags, forks):
            yield ("tags", index, key), message, expected
        world = _tagged(world, tagging, forks)


def _row_faults(world: World, buildpacks: tuple[str, ...]) -> Iterator[WorldFault]:
    if buildpacks == world.buildpacks:
        yield ("buildpacks",), "these buildpacks already run", "others"
    if SUBJECT not in buildpacks:
        yield ("buildpacks",), "the buildpack under test is missing", f"`{SUBJECT}` among them"


def _env_faults(env: Mapping[str, str], changes: Changes) -> Iterator[WorldFault]:
    for name, value in changes.env.items():
        if "\0" in value:
            yield ("env", name), f"`{name}` holds a NUL", "text without it"
        if env.get(name) == value:
            yield ("env", name), f"`{name}` already has this value", "another value"
    for index, name in enumerate(changes.unset):
        if name in changes.env:
            yield ("unset", index), f"`{name}` is set by the same commit", "one of the two"
        elif name not in env:
            yield ("unset", index), f"`{name}` is not set", one_of(sorted(env))


Told = tuple[str, str, str]
"""The key at fault, what is there, and what was expected."""


def _revision_faults(forks: Forks, fork: str, revision: str, key: str) -> Iterator[Told]:
    if fork not in forks:
        yield "fork", f"the scenario has no fork `{fork}`", f"{one_of(forks)}, as in `forks`"
    elif revision not in forks[fork].shas:
        yield key, f"`{fork}` has no revision `{revision}`", one_of(forks[fork].shas)


def _move_faults(
    kind: str, name: str, move: BranchMove | TagMove, own: Mapping[str, str], forks: Forks
) -> Iterator[Told]:
    """The faults of a branch's or a tag's move; `own` is where those of its fork are before it."""
    faults = tuple(_revision_faults(forks, move.fork, move.revision, "revision"))
    yield from faults
    if faults:
        return
    fault = reference_fault(kind, name, own)
    if fault:
        yield kind, f"`{name}` {fault}", "another name"
    if own.get(name) == move.revision:
        yield "revision", f"`{name}` is already at `{move.revision}`", "another revision"


def _release_faults(world: World, change: ReleaseChange, forks: Forks) -> Iterator[Told]:
    faults = tuple(_revision_faults(forks, change.fork, change.revision, "revision"))
    yield from faults
    if change.do is ReleaseAct.REPUBLISH and change.replaces is None:
        yield "do", "`replaces` is missing", "the revision whose release is replaced"
    if change.do is not ReleaseAct.REPUBLISH and change.replaces is not None:
        yield "replaces", f"`replaces` means nothing with `{change.do}`", "it with `republish` only"
    if change.do is not ReleaseAct.YANK and change.reason:
        yield "reason", f"`reason` means nothing with `{change.do}`", "it with `yank` only"
    if faults:
        return
    own = {
        release.revision: release
        for release in world.releases
        if (release.fork, release.host) == (change.fork, change.host)
    }
    where = f" at `{change.host}`" if change.host else ""
    is_new = change.do in {ReleaseAct.PUBLISH, ReleaseAct.REPUBLISH}
    if is_new and change.revision in own:
        yield "revision", f"`{change.revision}` is already published{where}", "another revision"
    old = change.replaces if change.do is ReleaseAct.REPUBLISH else change.revision
    if change.do is not ReleaseAct.PUBLISH and old is not None and old not in own:
        key = "replaces" if change.do is ReleaseAct.REPUBLISH else "revision"
        yield key, f"`{old}` of `{change.fork}` is not published{where}", one_of(own)
    is_yanked = change.revision in own and own[change.revision].yanked is not None
    if change.do is ReleaseAct.YANK and is_yanked:
        yield "do", f"`{change.revision}` is already yanked", "another act"
