"""What the commits that are still to be judged ask of builds; pure data."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.runs.plan import Pair, PlannedBuild, missing
from harness.scenarios.expectation import TreeExpectation


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCommits:
    """The commits of one scenario, and which of them are still to be judged.

    Attributes:
        pairs: The builds of all commits, in order.
        indexes: The commits that are to be judged, in order.
    """

    pairs: Sequence[Pair]
    indexes: Sequence[int]

    def wanted(self) -> tuple[PlannedBuild, ...]:
        """The builds of all commits up to the last that is to be judged."""
        return self._until(max(self.indexes, default=-1) + 1)

    def before(self) -> tuple[PlannedBuild, ...]:
        """The builds of the commits before the first that is to be judged."""
        return self._until(min(self.indexes, default=0))

    def _until(self, end: int) -> tuple[PlannedBuild, ...]:
        return tuple(build for pair in self.pairs[:end] for build in (pair.clean, pair.cached))


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is asked of builds.

    Attributes:
        wanted: The builds whose results are needed, each once, after the one whose cache it is
            given.
        expected: By a build's key, what must be true of its trees, by the names under which that
            is kept with it.
        commands: What is run of what a build deploys, by the digest of all that goes in but the
            cache: what one build of these runs, all others and their second runs do too.
        carried: The keys of builds whose caches are kept: another commit may come after the last,
            and wants its cache.
        giving: The keys of builds whose caches may be asked for though nothing is to run now: a
            cached build that diverges is run again, with the same cache.
    """

    wanted: tuple[PlannedBuild, ...]
    expected: Mapping[str, Mapping[str, TreeExpectation]] = field(repr=False)
    commands: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)
    carried: frozenset[str]
    giving: frozenset[str]

    def must_run(
        self,
        *,
        usable: Callable[[PlannedBuild], bool],
        cache_kept: Callable[[PlannedBuild], bool],
    ) -> frozenset[str]:
        """The keys of the builds that must run for all wanted ones to be there; see `missing`.

        Args:
            usable: Whether the result of a build is stored.
            cache_kept: Whether the cache that a usable build left is stored as well.
        """
        wanted = {build.key: build for build in self.wanted}
        return missing(wanted, giving=self.giving, usable=usable, cache_kept=cache_kept)


def demand(scenarios: Iterable[OpenCommits]) -> Demand:
    """What all commits that are to be judged ask of builds."""
    wanted: dict[str, PlannedBuild] = {}
    expected: dict[str, dict[str, TreeExpectation]] = {}
    commands: dict[str, frozenset[str]] = {}
    carried, giving = set[str](), set[str]()
    for one in scenarios:
        wanted |= {build.key: build for build in one.wanted()}
        carried |= {pair.cached.key for pair in one.pairs}
        for pair in (one.pairs[index] for index in one.indexes):
            of_trees = {
                repr(each): each
                for each in pair.commit.stage.expect
                if isinstance(each, TreeExpectation)
            }
            asked = {each.command for each in pair.commit.stage.run}
            for build in (pair.cached, pair.clean):
                commands[build.inputs] = commands.get(build.inputs, frozenset()) | asked
                expected.setdefault(build.key, {}).update(of_trees)
            if pair.cached.cache is not None:
                giving.add(pair.cached.cache.key)
    return Demand(
        wanted=tuple(sorted(wanted.values(), key=lambda build: build.depth)),
        expected=expected,
        commands=commands,
        carried=frozenset(carried),
        giving=frozenset(giving),
    )
