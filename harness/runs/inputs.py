"""What goes into the builds of commits, and the key of it."""

from harness.buildpacks.sequence import Neighbour
from harness.builds.run import Inputs, own_recipe
from harness.plugins.code_digest import NOT_BUILDING, code_digest
from harness.runs import key
from harness.runs.buildpacks import Buildpacks
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

    def roots(self, commit: Commit) -> tuple[str, ...]:
        """Globs of what is compared, relative to the build dir."""
        kind = self._buildpacks.get(commit.buildpack).kind
        return (*kind.roots, *self._settings.compare)

    def not_deployed(self, commit: Commit) -> tuple[str, ...]:
        """Globs of what is passed over below these roots."""
        return self._buildpacks.get(commit.buildpack).kind.not_deployed

    def of(self, commit: Commit) -> Inputs:
        """All that goes into a build of a commit, but its cache.

        Raises:
            HarnessError: A release does not build, or a build tool cannot be fetched.
        """
        world = commit.stage.world
        return Inputs(
            app=commit.stage.tree,
            mtime=commit.mtime,
            buildpack=self._buildpacks.get(commit.buildpack),
            internet=self._internet.of(commit),
            env=world.env,
            stack=world.stack,
            build_path=commit.build_path,
            row=_row(commit),
            cache_apart=commit.cache_apart,
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
                preparation=self._preparation(commit),
                env=commit.stage.world.env,
                app=digest(commit.stage.tree),
                mtime=commit.mtime,
                internet=self._internet.identity(commit),
            )
        )

    def _preparation(self, commit: Commit) -> tuple[object, ...]:
        """What runs, and what of it is compared."""
        buildpack, stack = self._buildpacks.get(commit.buildpack), commit.stage.world.stack
        return (
            (buildpack.digest, buildpack.kind.name, buildpack.kind_identity),
            # The recipe as well: a kind may act on more than its code and the buildpack.
            own_recipe(
                buildpack,
                stack=stack,
                build_path=commit.build_path,
                cache_apart=commit.cache_apart,
            ),
            (self.roots(commit), self.not_deployed(commit)),
            (stack, commit.build_path, commit.cache_apart),
            [(one.name, digest(one.files)) if one else "" for one in _row(commit)],
        )


def _row(commit: Commit) -> tuple[Neighbour | None, ...]:
    fixtures = commit.scenario.fixtures
    return tuple(
        None if name == SUBJECT else Neighbour(name=name, files=fixtures[name])
        for name in commit.stage.world.buildpacks
    )
