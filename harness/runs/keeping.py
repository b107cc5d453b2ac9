"""What is kept of a build that has ended: its trees as data, and what was expected of them."""

from collections.abc import Mapping, Sequence

from harness.buildpacks.preparation import Preparation
from harness.builds.result import Build, BuildRecord, Check
from harness.ecosystems import Ecosystem
from harness.ecosystems.installed import INSTALLED, built_tree, describe
from harness.scenarios.expectation import TreeExpectation
from harness.storage.builds import NewBuild, NewCache, NewTree
from harness.trees.named import AfterFailure
from harness.trees.scan import scan
from harness.verdicts import expectations
from harness.verdicts.expectations import NamedPlaces


def to_keep(
    build: Build,
    preparation: Preparation,
    ecosystems: Sequence[Ecosystem],
    *,
    expected: Mapping[str, TreeExpectation],
    in_memory: bool,
    with_caches: bool,
) -> NewBuild[BuildRecord]:
    """All that is kept of a build.

    Args:
        build: The build.
        preparation: What it was to leave.
        ecosystems: Whoever knows what is installed in its trees.
        expected: What must be true of its trees, by the names under which that is kept. Nothing is
            expected of a build that failed.
        in_memory: Whether it worked there.
        with_caches: Whether its caches are kept: a build that will be given them needs them.

    Raises:
        ManifestError: A tree cannot be read.
    """
    trees = tuple(
        NewTree(
            name=tree.name,
            path=tree.path,
            folder=build.trees[tree.name],
            manifest=scan(build.trees[tree.name], tree.roots, without=tree.not_deployed),
        )
        for tree in preparation.results
    )
    passed = build.outcome.passed
    places = named_places(preparation, ecosystems)
    record = BuildRecord(
        in_memory=in_memory,
        outcome=build.outcome,
        failed=build.failed,
        requests=build.requests,
        checks=tuple(
            Check(expectation=name, fault=expectations.fault(one, build.trees, places))
            for name, one in (expected.items() if passed else ())
        ),
        released=build.released,
        runs=build.runs,
        began=build.began,
    )
    caches = tuple(
        NewCache(
            name=cache.name,
            folder=build.caches[cache.name]
            if passed or cache.after_failure is AfterFailure.AS_LEFT
            else None,
        )
        for cache in preparation.caches
    )
    return NewBuild(
        record=record,
        log=build.log,
        trees=trees,
        caches=caches if with_caches else (),
        texts={
            INSTALLED: {
                tree.name: describe(
                    ecosystems, built_tree(tree.manifest, tree.folder, began=build.began)
                )
                for tree in trees
            }
        },
    )


def named_places(
    preparation: Preparation, ecosystems: Sequence[Ecosystem]
) -> tuple[NamedPlaces, ...]:
    """Where a build has what expectations name by words such as `${scripts}`.

    Args:
        preparation: What the build was to leave.
        ecosystems: Whoever knows where an installation has what.
    """
    return tuple(
        NamedPlaces(
            tree=prefix.tree,
            paths={
                "prefix": prefix.path,
                **{
                    word: path
                    for each in ecosystems
                    if each.name == prefix.ecosystem
                    for word, path in each.places(prefix.path).items()
                },
            },
        )
        for prefix in preparation.prefixes
    )
