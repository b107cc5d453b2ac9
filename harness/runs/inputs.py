"""What goes into the builds of commits, and the key of it."""

from collections.abc import Iterator
from dataclasses import replace

from harness.buildpacks import Member, Setting
from harness.buildpacks.preparation import Preparation
from harness.builds.inputs import Inputs
from harness.plugins.code_digest import NOT_BUILDING, code_digest
from harness.runs import key
from harness.runs.buildpacks import Buildpacks, stack_of
from harness.runs.internet import CommitInternet
from harness.runs.plan import Commit
from harness.runs.settings import Settings
from harness.scenarios.scenario_file import SUBJECT
from harness.scenarios.tree import digest


class CommitInputs:
    """Inputs by commit; safe to use from several threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        ecosystems: tuple[tuple[str, str], ...],
        sandbox: tuple[str, str, str],
        buildpacks: Buildpacks,
        internet: CommitInternet,
    ) -> None:
        """Takes what all inputs of a run are made from.

        Args:
            settings: What the run is asked to use.
            ecosystems: By what the code of each ecosystem is known, by name.
            sandbox: By what its sandbox is known.
            buildpacks: Its buildpacks.
            internet: Its internets.
        """
        self._settings = settings
        self._ecosystems = ecosystems
        self._sandbox = sandbox
        self._buildpacks = buildpacks
        self._internet = internet

    def preparation(self, commit: Commit) -> Preparation:
        """What a build of a commit runs, in which folders, and what it leaves.

        Raises:
            BuildpackError: A buildpack of the commit's is not one, or cannot run beside the others.
        """
        kind = self._buildpacks.get(commit.buildpack).kind
        prepared = kind.prepare(
            Setting(
                sequence=tuple(self._sequence(commit)),
                stack=stack_of(self._buildpacks.get(commit.buildpack), commit.stage),
                build=commit.build,
                cache=commit.cache,
                test_run=commit.test_run,
                cache_apart=commit.cache_apart,
                after_failure=commit.after_failure,
            )
        )
        results = (
            replace(tree, roots=tuple(dict.fromkeys((*tree.roots, *self._settings.compare))))
            for tree in prepared.results
        )
        return replace(prepared, results=tuple(results))

    def _sequence(self, commit: Commit) -> Iterator[Member]:
        for name in commit.stage.world.buildpacks:
            if name == SUBJECT:
                yield Member(name="", buildpack=self._buildpacks.get(commit.buildpack))
            else:
                files = commit.scenario.fixtures[name]
                yield Member(name=name, buildpack=self._buildpacks.of_tree(name, files))

    def of(self, commit: Commit) -> Inputs:
        """All that goes into a build of a commit, but its caches.

        Raises:
            HarnessError: A release does not build, or a build tool cannot be fetched.
        """
        return Inputs(
            app=commit.stage.tree,
            mtime=commit.mtime,
            preparation=self.preparation(commit),
            internet=self._internet.of(commit),
            env=commit.stage.world.env,
            limits=self._settings.limits,
        )

    def key(self, commit: Commit) -> str:
        """The key of all that has a say in a build of a commit, but its cache.

        Releases count by what they are built from, so that nothing is built to know it.

        Raises:
            HarnessError: The buildpack cannot be brought, or a build tool cannot be fetched.
        """
        return key.inputs_key(
            key.Inputs(
                code=code_digest(without=NOT_BUILDING),
                ecosystems=self._ecosystems,
                sandbox=self._sandbox,
                limits=self._settings.limits,
                preparation=self.preparation(commit).identity,
                env=commit.stage.world.env,
                app=digest(commit.stage.tree),
                mtime=commit.mtime,
                internet=self._internet.identity(commit),
            )
        )
