"""What the ecosystems of a run serve, asked by commit."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from harness.buildpacks import Buildpack
from harness.buildpacks.source import at_revision, bundled_names
from harness.ecosystems.serving import (
    BuildpackFiles,
    CommitFiles,
    Demand,
    Served,
    Serving,
    ServingEcosystem,
    StandIn,
    Supplier,
    Supplies,
)
from harness.errors import BuildpackError, NoSuchRevisionError, RuntimeArchiveError
from harness.internet import Request
from harness.runs.buildpacks import Buildpacks, stack_of
from harness.runs.plan import Commit
from harness.scenarios.interpolation import PYTHON
from harness.scenarios.scenario import Stage
from harness.stack.image import Image


class CommitServing:
    """What is served to the builds of commits; safe to use from several threads."""

    def __init__(self, servings: Mapping[str, Serving], buildpacks: Buildpacks) -> None:
        """Takes what each ecosystem serves, by its name, and the buildpacks of the run."""
        self._servings = servings
        self._buildpacks = buildpacks

    def at(self, commit: Commit) -> tuple[Serving, ...]:
        """The servings of the ecosystems from which the buildpack of a commit installs.

        Raises:
            BuildpackError: One of them is not part of the run.
        """
        return self.of(commit.buildpack)

    def of(self, spec: str) -> tuple[Serving, ...]:
        """The servings of the ecosystems from which a buildpack installs; as `at`."""
        return self._of(self._buildpacks.get(spec))

    def served(self, commit: Commit) -> tuple[Served, ...]:
        """What each ecosystem serves to a commit's builds; waits for it.

        Raises:
            HarnessError: Something cannot be fetched.
        """
        demand = self._demand(commit)
        return tuple(serving.served(demand) for serving in self.at(commit))

    def tools(self, commit: Commit) -> frozenset[str]:
        """Normalised names of the projects that only serve to install what a commit's app needs.

        Raises:
            HarnessError: Something cannot be fetched.
        """
        demand = self._demand(commit)
        return frozenset().union(*(serving.tools(demand) for serving in self.at(commit)))

    def stand_ins(self, commit: Commit, requests: Iterable[Request]) -> tuple[StandIn, ...]:
        """The runtimes that a commit's builds asked for and got another release in their place."""
        demand, asked = self._demand(commit), tuple(requests)
        return tuple(
            stand_in for serving in self.at(commit) for stand_in in serving.stand_ins(demand, asked)
        )

    def pythons(self, slots: frozenset[str], spec: str) -> Mapping[str, str]:
        """The version that each slot of `${python@SLOT}` stands for with a buildpack.

        Raises:
            RuntimeArchiveError: There are fewer available runtimes than the slots need.
        """
        buildpack = self._buildpacks.get(spec)
        if PYTHON in buildpack.kind.ecosystems:
            check_ecosystems(buildpack, self._servings)
            return self._servings[PYTHON].slots(slots, _files(buildpack))
        if slots:
            raise RuntimeArchiveError(
                f"${{python@{min(slots)}}} has no value: {spec} does not install Python",
                hint="run the scenario with a buildpack that does",
            )
        return {}

    def missing(
        self, needs: frozenset[str], spec: str, revisions: Iterable[str] = ()
    ) -> tuple[str, ...]:
        """What of the needs of a scenario a buildpack does not offer, sorted.

        Args:
            needs: What it has to offer.
            spec: The buildpack, as the operator named it.
            revisions: The other revisions of it that are used.

        Raises:
            HarnessError: The buildpack cannot be brought.
        """
        buildpack = self._buildpacks.get(spec)
        offered = set(buildpack.kind.features(buildpack.folder))
        if spec in bundled_names() or buildpack.revision:
            offered.add("revisions")
        for serving in self._of(buildpack):
            offered |= serving.features(_files(buildpack))
        lacking = needs - offered
        if "revisions" not in lacking:
            lacking |= {f"revision {one}" for one in revisions if not self._has(spec, one)}
        return tuple(sorted(lacking))

    def _has(self, spec: str, revision: str) -> bool:
        """Whether a buildpack has a revision."""
        try:
            self._buildpacks.get(at_revision(spec, revision))
        except NoSuchRevisionError:
            return False
        return True

    def adapted(self, spec: str, stages: Iterable[Stage]) -> tuple[Stage, ...]:
        """The stages, in which each app is as the buildpack that builds it understands it.

        Raises:
            HarnessError: The buildpack cannot be brought.
        """
        return tuple(self._adapted(spec, stage) for stage in stages)

    def _adapted(self, spec: str, stage: Stage) -> Stage:
        buildpack = self._buildpacks.get(at_revision(spec, stage.world.buildpack))
        tree = stage.tree
        for serving in self._of(buildpack):
            tree = serving.adapted(tree, _files(buildpack))
        own = self._adapted(spec, stage.clean) if stage.clean is not None else None
        return replace(stage, tree=tree, clean=own)

    def begin(self, spec: str, stages: Iterable[Stage]) -> None:
        """Begins to fetch what builds of some stages will be offered; failures show later.

        Raises:
            HarnessError: The buildpack cannot be brought.
        """
        history: tuple[CommitFiles, ...] = ()
        for stage in stages:
            if stage.clean is not None:
                self._begin(spec, stage.clean, history)
            history = self._begin(spec, stage, history)

    def _begin(
        self, spec: str, stage: Stage, before: tuple[CommitFiles, ...]
    ) -> tuple[CommitFiles, ...]:
        """Begins to fetch what is offered at a stage; the history up to it."""
        buildpack = self._buildpacks.get(at_revision(spec, stage.world.buildpack))
        history = (*before, CommitFiles(buildpack=_files(buildpack), app=stage.tree))
        demand = Demand(history=history, stack=stack_of(buildpack, stage))
        for serving in self._of(buildpack):
            serving.begin(demand)
        return history

    def begin_run(self) -> None:
        """What failed in a run before may be tried once more in this one."""
        for serving in self._servings.values():
            serving.forget_failures()

    def _of(self, buildpack: Buildpack) -> tuple[Serving, ...]:
        check_ecosystems(buildpack, self._servings)
        return tuple(self._servings[name] for name in buildpack.kind.ecosystems)

    def _demand(self, commit: Commit) -> Demand:
        return Demand(
            history=tuple(
                CommitFiles(
                    buildpack=_files(self._buildpacks.get(one.buildpack)), app=one.stage.tree
                )
                for one in commit.history
            ),
            stack=stack_of(self._buildpacks.get(commit.buildpack), commit.stage),
        )


class Suppliers:
    """The ecosystems' sides of a run for which it is not known yet in which image builds run."""

    def __init__(self, suppliers: Mapping[str, Supplier]) -> None:
        """Used by `open_suppliers`."""
        self._suppliers = suppliers

    def begin(self) -> None:
        """Begins to fetch what every build is offered."""
        for supplier in self._suppliers.values():
            supplier.begin()

    def servings(self, image: Image | None) -> dict[str, Serving]:
        """What is served to builds that run in an image, by the ecosystem's name.

        Args:
            image: The harness's own; None for another.

        Raises:
            HarnessError: A runtime that the operator named is missing, or none can be made.
        """
        return {name: each.serving(image) for name, each in self._suppliers.items()}


@contextmanager
def open_suppliers(
    ecosystems: Sequence[ServingEcosystem], supplies: Supplies
) -> Iterator[Suppliers]:
    """Yields the sides of ecosystems; what is on its way when the block ends is given up."""
    with ExitStack() as exits:
        yield Suppliers(
            {
                one.name: exits.enter_context(
                    one.supplier(replace(supplies, folder=supplies.folder / one.name))
                )
                for one in ecosystems
            }
        )


def ecosystems_of(
    buildpacks: Iterable[Buildpack], installed: Sequence[ServingEcosystem]
) -> tuple[ServingEcosystem, ...]:
    """Those of the installed ecosystems from which some buildpacks install.

    Raises:
        BuildpackError: One is not installed.
    """
    known, wanted = {each.name for each in installed}, set[str]()
    for buildpack in buildpacks:
        check_ecosystems(buildpack, known)
        wanted |= {*buildpack.kind.ecosystems}
    return tuple(each for each in installed if each.name in wanted)


def check_ecosystems(buildpack: Buildpack, known: Iterable[str]) -> None:
    """Holds that all ecosystems are known from which a buildpack installs.

    Raises:
        BuildpackError: One is not.
    """
    names = sorted(known)
    for name in buildpack.kind.ecosystems:
        if name not in names:
            raise BuildpackError(
                f"{buildpack.spec} is of the {buildpack.kind.name} kind, whose ecosystem {name!r}"
                f" is not one of this run's ({', '.join(names)})",
                hint="install the distribution that provides it",
            )


def _files(buildpack: Buildpack) -> BuildpackFiles:
    return BuildpackFiles(
        folder=buildpack.folder, digest=buildpack.digest, routes=buildpack.kind.routes
    )
