"""The sealed internet of one commit: a scenario's forks and releases, and what ecosystems serve."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness.ecosystems.serving import Served, Serving, Workshop
from harness.errors import ReleaseError
from harness.internet import Internet, Release, Repository
from harness.runs.plan import Commit
from harness.runs.serving import CommitServing
from harness.scenarios.fork import Fork
from harness.scenarios.history import play_fork
from harness.scenarios.scenario import Scenario
from harness.scenarios.tree import Tree
from harness.scenarios.world import PublishedRelease, World
from harness.storage.once import Once


def assemble(
    forks: Sequence[Fork],
    world: World,
    *,
    objects: Callable[[Fork], Path],
    release: Callable[[Fork, PublishedRelease], Release],
    served: Iterable[Served],
) -> Internet:
    """All that builds of a commit can reach.

    Args:
        forks: The scenario's.
        world: What is around the app at the commit.
        objects: Gives a bare repository with all of a fork's revisions.
        release: Gives what is published of a fork.
        served: What each ecosystem serves.
    """
    named = {fork.name: fork for fork in forks}
    everywhere = tuple(served)
    return Internet(
        repositories=tuple(
            Repository(
                owner=fork.owner,
                name=fork.name,
                objects=objects(fork),
                refs=_references(world, fork.name),
                head=_head(world, fork.name),
            )
            for fork in forks
        ),
        releases=(
            *(release(named[one.fork], one) for one in world.releases),
            *(release for each in everywhere for release in each.releases),
        ),
        downloads=tuple(download for each in everywhere for download in each.downloads),
    )


def identity(
    forks: Iterable[Fork], world: World, *, served: Iterable[Served], beyond: str
) -> tuple[object, ...]:
    """By what all that `assemble` gives is known, without building any of it.

    Releases count by what they are built from.

    Args:
        forks: The scenario's: each answers for each of its revisions, whether or not a branch
            leads there.
        world: What is around the app at the commit.
        served: What each ecosystem serves.
        beyond: By what is known what answers where a scenario has nothing.
    """
    return (
        sorted((fork.owner, fork.name, sorted(fork.shas.values())) for fork in forks),
        [(tip.fork, tip.branch, tip.sha) for tip in world.branches],
        [(tag.fork, tag.tag, tag.sha) for tag in world.tags],
        [(one.fork, one.sha, one.yanked, one.host) for one in world.releases],
        [each.digest for each in served],
        beyond,
    )


class PlayedForks:
    """The repositories of forks, each made once; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Args: where they are made."""
        self._folder = folder
        self._made: Once[str, Path] = Once()

    def objects(self, fork: Fork) -> Path:
        """A bare repository with all of a fork's revisions."""
        key = hashlib.sha256(repr(sorted(fork.shas.items())).encode()).hexdigest()[:16]
        return self._made.get(key, lambda: play_fork(fork, self._folder / key))


class BuiltReleases:
    """The releases of forks, each built once; safe to use from several threads."""

    def __init__(self, workshop: Workshop) -> None:
        """Args: where they are built."""
        self._workshop = workshop
        self._built: Once[str, Release] = Once()

    def release(
        self, fork: Fork, published: PublishedRelease, *, servings: Sequence[Serving]
    ) -> Release:
        """What a scenario publishes of a fork.

        Args:
            fork: The fork.
            published: Which revision of it, and how it is published.
            servings: The ecosystems: the first that can builds it.

        Raises:
            ReleaseError: None can, or it does not build.
        """
        release = self._built.get(published.sha, lambda: self._build(fork, published, servings))
        return replace(release, yanked=published.yanked, host=published.host)

    def _build(
        self, fork: Fork, published: PublishedRelease, servings: Sequence[Serving]
    ) -> Release:
        project = fork.revision(published.revision).checkout
        label = f"{fork.name}@{published.revision}"
        maker = maker_of(project, servings)
        if maker is not None:
            return maker.build_release(project, self._workshop, label=label)
        raise ReleaseError(
            f"no release of {label} can be built: it is a project of none of the ecosystems that"
            " the buildpack installs from",
            hint="give the fork a file that says how it is built, such as pyproject.toml",
        )


def maker_of(project: Tree, servings: Sequence[Serving]) -> Serving | None:
    """The first of some ecosystems that can build a release of a project; None where none can."""
    return next((serving for serving in servings if serving.builds(project)), None)


class CommitInternet:
    """The sealed internets of commits; safe to use from several threads."""

    def __init__(
        self, serving: CommitServing, workshop: Workshop, *, folder: Path, beyond: str = ""
    ) -> None:
        """Takes what is served, and where the rest is made.

        Args:
            serving: What ecosystems serve.
            workshop: Where releases are built.
            folder: Where forks are played.
            beyond: By what is known what answers where a scenario has nothing.
        """
        self._serving = serving
        self._forks = PlayedForks(folder)
        self._releases = BuiltReleases(workshop)
        self._beyond = beyond

    def files(
        self, scenario: Scenario, servings: Sequence[Serving]
    ) -> dict[tuple[str, str], Mapping[str, str]]:
        """What the scenario's references to files of releases stand for; these are built now.

        Args:
            scenario: The scenario.
            servings: The ecosystems from which the buildpack installs.

        Raises:
            ReleaseError: A release does not build, or the tools for it cannot be fetched.
        """
        forks = {fork.name: fork for fork in scenario.forks}
        found: dict[tuple[str, str], Mapping[str, str]] = {}
        for name, revision in sorted(scenario.released()):
            one = PublishedRelease(fork=name, revision=revision, sha=forks[name].sha(revision))
            release = self._releases.release(forks[name], one, servings=servings)
            maker = maker_of(forks[name].revision(revision).checkout, servings)
            found[name, revision] = maker.references(release) if maker else {}
        return found

    def of(self, commit: Commit) -> Internet:
        """All that builds of a commit can reach; its releases are built now.

        Raises:
            HarnessError: A release does not build, or a build tool cannot be fetched.
        """
        return assemble(
            commit.scenario.forks,
            commit.stage.world,
            objects=self._forks.objects,
            release=partial(self._releases.release, servings=self._serving.at(commit)),
            served=self._serving.served(commit),
        )

    def identity(self, commit: Commit) -> tuple[object, ...]:
        """By what it is known, without building its releases.

        Raises:
            HarnessError: A build tool cannot be fetched.
        """
        return identity(
            commit.scenario.forks,
            commit.stage.world,
            served=self._serving.served(commit),
            beyond=self._beyond,
        )


def _references(world: World, fork: str) -> tuple[tuple[str, str], ...]:
    """The full names of a fork's branches and tags and the SHAs that they point to, sorted."""
    tips = [(f"refs/heads/{tip.branch}", tip.sha) for tip in world.branches if tip.fork == fork]
    tags = [(f"refs/tags/{tag.tag}", tag.sha) for tag in world.tags if tag.fork == fork]
    return tuple(sorted((*tips, *tags)))


def _head(world: World, fork: str) -> str:
    """The full name of the branch that a clone of a fork has checked out."""
    branches = [tip.branch for tip in world.branches if tip.fork == fork]
    return f"refs/heads/{'main' if 'main' in branches else branches[0]}"
