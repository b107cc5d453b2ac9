"""What every ecosystem does, whoever brings it."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ecosystem_benches import BENCHES, EcosystemBench, Package, write

from harness.ecosystems import BuiltTree, Ecosystem
from harness.ecosystems.installed import built_tree
from harness.ecosystems.registry import ecosystems, explainers
from harness.ecosystems.reuse import Needs, Part, Trace
from harness.errors import StoreError
from harness.internet import Request
from harness.trees.difference import Difference, DifferenceKind, Side, differences
from harness.trees.explainer import Explanation, TreePair
from harness.trees.scan import WHOLE_TREE, read_file, scan
from harness.verdicts.compare import Comparison, compare

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMS, NEWER, OTHER = ("forms", "1.0"), ("forms", "1.1"), ("theme", "2.0")
BEGAN = 1_700_000_000.0


@pytest.fixture(params=BENCHES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(name: str) -> EcosystemBench:
    return BENCHES[name]


@pytest.fixture
def ecosystem(name: str) -> Ecosystem:
    return {each.name: each for each in ecosystems()}[name]


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    both = tmp_path / "cached", tmp_path / "clean"
    for tree in both:
        write(tree / "app.txt", b"an app\n")
    return both


def seen(tree: Path) -> BuiltTree:
    return built_tree(scan(tree, WHOLE_TREE), tree, began=BEGAN)


def pair(cached: Path, clean: Path) -> TreePair:
    folders = {Side.CACHED: cached, Side.CLEAN: clean}
    return TreePair(
        cached=scan(cached, WHOLE_TREE),
        clean=scan(clean, WHOLE_TREE),
        read=lambda side, path: read_file(folders[side], path, limit=1 << 30),
    )


def explained(ecosystem: Ecosystem, both: TreePair) -> tuple[list[Difference], Explanation]:
    found = differences(both.cached, both.clean)
    return found, ecosystem.explain(found, both)


def compared(ecosystem: Ecosystem, cached: Path, clean: Path) -> Comparison:
    return compare(pair(cached, clean), (ecosystem,))


# --- who it is ---------------------------------------------------------------------------------


def test_every_installed_one_is_held_to_this() -> None:
    assert {each.name for each in ecosystems()} == BENCHES.keys()


def test_its_name_is_one_that_files_and_reports_can_take(ecosystem: Ecosystem) -> None:
    assert re.fullmatch("[a-z][a-z0-9-]*", ecosystem.name)


def test_no_two_rules_of_anyone_have_one_name() -> None:
    names = [rule.name for each in explainers(ecosystems()) for rule in each.rules]
    assert len(set(names)) == len(names)


def test_scenarios_name_its_places_by_words_and_find_them_in_the_installation(
    ecosystem: Ecosystem,
) -> None:
    places = ecosystem.places("a/prefix")
    assert all(re.fullmatch("[a-z][a-z-]*", word) for word in places)
    assert all(path.startswith("a/prefix/") for path in places.values())


# --- what is installed -------------------------------------------------------------------------


def test_of_a_tree_in_which_nothing_is_its_own_there_is_nothing_to_tell(
    ecosystem: Ecosystem, trees: tuple[Path, Path]
) -> None:
    assert ecosystem.describe(seen(trees[0])) == ""
    assert ecosystem.owners("")("app.txt") is None
    assert ecosystem.findings("", "") == ()
    assert ecosystem.reuse(Trace(), Trace(), Needs()).fates == {}


def test_two_equal_trees_are_described_alike_by_any_of_its_kind(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    for tree in trees:
        bench.install(tree, FORMS, OTHER)
    first, second = (seen(tree) for tree in trees)
    assert ecosystem.describe(first) == type(ecosystem)().describe(second) != ""


def test_what_is_described_takes_the_way_of_all_text(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    bench.install(trees[0], FORMS)
    text = ecosystem.describe(seen(trees[0]))
    assert text.encode("utf-8").decode("utf-8") == text


@pytest.mark.parametrize("junk", [b"", b"\xff\0\n", b"[" * 100_000, b"{}", b"a,b,c,d\n" * 9])
def test_whatever_a_build_leaves_in_its_files_is_described(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path], junk: bytes
) -> None:
    bench.install(trees[0], FORMS)
    for path in bench.files(FORMS):
        (trees[0] / path).write_bytes(junk)
    text = ecosystem.describe(seen(trees[0]))
    ecosystem.owners(text)("app.txt")
    ecosystem.findings(text, "")


def test_links_and_folders_in_place_of_its_files_are_described(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    bench.install(trees[0], FORMS)
    first, *rest = bench.files(FORMS)
    for path in rest:
        (trees[0] / path).unlink()
        (trees[0] / path).symlink_to("/etc/passwd")
    (trees[0] / first).unlink()
    (trees[0] / first).mkdir()
    ecosystem.describe(seen(trees[0]))


def test_a_damaged_text_is_told_from_one_that_is_whole(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    bench.install(trees[0], FORMS)
    text = ecosystem.describe(seen(trees[0]))
    for read in (ecosystem.owners, lambda each: ecosystem.findings(each, each)):
        with pytest.raises(StoreError):
            read(text[:-3])


# --- who owns a path ---------------------------------------------------------------------------


def test_a_package_owns_its_files_and_no_others(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    bench.install(trees[0], FORMS, OTHER)
    owner = ecosystem.owners(ecosystem.describe(seen(trees[0])))
    for package in (FORMS, OTHER):
        for path in bench.files(package):
            found = owner(path)
            assert found is not None
            assert found.label == " ".join(package)
            assert path == found.by or path.startswith(f"{found.by}/")
    for path in ("app.txt", "elsewhere/x", "a/b/c"):
        assert owner(path) is None


# --- which packages differ ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "installed",
    [
        pytest.param(((FORMS,), ()), id="left over"),
        pytest.param(((), (FORMS,)), id="missing"),
        pytest.param(((FORMS,), (NEWER,)), id="older"),
        pytest.param(((FORMS, OTHER), (OTHER,)), id="one of two"),
    ],
)
def test_a_package_that_differs_is_named(
    ecosystem: Ecosystem,
    bench: EcosystemBench,
    trees: tuple[Path, Path],
    installed: tuple[tuple[Package, ...], tuple[Package, ...]],
) -> None:
    for tree, packages in zip(trees, installed, strict=True):
        bench.install(tree, *packages)
    sentences = ecosystem.findings(*(ecosystem.describe(seen(tree)) for tree in trees))
    assert any(" ".join(FORMS) in each for each in sentences)
    assert not any(OTHER[0] in each for each in sentences)
    assert not any(each.endswith(".") or "\n" in each for each in sentences)


def test_what_both_have_is_not_told(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    for tree in trees:
        bench.install(tree, FORMS)
    assert ecosystem.findings(*(ecosystem.describe(seen(tree)) for tree in trees)) == ()


# --- which differences are none ----------------------------------------------------------------


def test_equal_trees_show_nothing(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    for tree in trees:
        bench.install(tree, FORMS)
    assert explained(ecosystem, pair(*trees)) == ([], Explanation())


def test_what_nobody_could_notice_is_set_aside_under_a_rule_of_its_own(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    path, *contents = bench.same(FORMS)
    for tree, content in zip(trees, contents, strict=True):
        bench.install(tree, FORMS)
        write(tree / path, content)
    found = compared(ecosystem, *trees)
    assert found.divergences == ()
    assert found.set_aside
    assert {one.rule for one in found.set_aside} <= {rule.name for rule in ecosystem.rules}


def test_anything_else_in_the_same_file_stands(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    path, *contents = bench.other(FORMS)
    for tree, content in zip(trees, contents, strict=True):
        write(tree / path, content)
    (one,) = compared(ecosystem, *trees).divergences
    assert (one.kind, one.path) == ("content", path)


def test_the_same_file_with_another_mode_or_on_one_side_only_stands(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    path, *contents = bench.same(FORMS)
    for tree, content in zip(trees, contents, strict=True):
        write(tree / path, content)
    (trees[0] / path).chmod(0o600)
    assert [one.kind for one in compared(ecosystem, *trees).divergences] == ["mode"]
    (trees[0] / path).unlink()
    assert "missing" in {one.kind for one in compared(ecosystem, *trees).divergences}


def test_a_package_on_one_side_is_never_explained(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    bench.install(trees[0], FORMS)
    told = {one.path for one in compared(ecosystem, *trees).divergences}
    assert bench.files(FORMS).keys() <= told
    swapped = {one.path for one in compared(ecosystem, *reversed(trees)).divergences}
    assert swapped == told


def test_files_of_no_language_are_left_to_be_compared(
    ecosystem: Ecosystem, trees: tuple[Path, Path]
) -> None:
    for tree, content in zip(trees, (b"one\n", b"two\n"), strict=True):
        write(tree / "app.txt", content)
    found, said = explained(ecosystem, pair(*trees))
    assert len(found) == 1
    assert said == Explanation()


def test_it_explains_what_differs_and_finds_what_it_does_not_explain(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    same, other = bench.same(FORMS), bench.other(OTHER)
    for index, tree in enumerate(trees):
        bench.install(tree, (FORMS, NEWER)[index], OTHER)
        for path, *contents in (same, other):
            write(tree / path, contents[index])
    found, said = explained(ecosystem, pair(*trees))
    places = {one.place for one in found}
    bytecode = {place for place in said.explained if place[1] is DifferenceKind.BYTECODE}
    assert said.explained.keys() - bytecode <= places
    assert not said.explained.keys() & {one.place for one in said.found}
    for rules in said.explained.values():
        assert rules
        assert rules <= {*ecosystem.rules}
    assert all(one.why for one in said.found)


def test_a_file_that_changed_since_it_was_scanned_is_not_explained(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    path, *contents = bench.same(FORMS)
    for tree, content in zip(trees, contents, strict=True):
        write(tree / path, content)
    both = pair(*trees)
    write(trees[0] / path, b"something else altogether")
    assert explained(ecosystem, both)[1].explained == {}


def test_it_asks_for_the_contents_that_it_reads(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    path, *contents = bench.same(FORMS)
    assert max(map(len, contents)) <= ecosystem.largest(path)
    assert all(ecosystem.headed)  # every name ends with nothing


# --- what became of a cache --------------------------------------------------------------------


def fetching(bench: EcosystemBench, *packages: Package, passed: bool = True) -> Trace:
    requests = tuple(Request(method="GET", url=bench.url(one), status=200) for one in packages)
    return Trace(passed=passed, requests=requests)


def having(ecosystem: Ecosystem, trace: Trace, tree: Path) -> Trace:
    installed: Mapping[str, Mapping[str, str]] = {
        ecosystem.name: {"app": ecosystem.describe(seen(tree))}
    }
    return Trace(passed=trace.passed, requests=trace.requests, installed=installed)


def fates(ecosystem: Ecosystem, cached: Trace, clean: Trace) -> dict[str, bool | None]:
    told = ecosystem.reuse(cached, clean, Needs()).fates
    return {name: fate.restored for name, fate in told.get(Part.PACKAGES, {}).items()}


def test_what_both_fetched_is_new_and_what_only_a_clean_build_fetched_is_from_the_cache(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    for tree in trees:
        bench.install(tree, FORMS, OTHER)
    cached = having(ecosystem, fetching(bench, FORMS), trees[0])
    clean = having(ecosystem, fetching(bench, FORMS, OTHER), trees[1])
    assert fates(ecosystem, cached, clean) == {"forms": False, "theme": True}


def test_a_build_that_failed_early_took_nothing(
    ecosystem: Ecosystem, bench: EcosystemBench, trees: tuple[Path, Path]
) -> None:
    bench.install(trees[1], FORMS)
    clean = having(ecosystem, fetching(bench, FORMS), trees[1])
    assert True not in fates(ecosystem, Trace(passed=False), clean).values()


def test_it_claims_what_is_its_own_and_nothing_else(
    ecosystem: Ecosystem, bench: EcosystemBench
) -> None:
    own = fetching(bench, FORMS)
    other = Request(method="GET", url="https://data.example/words.zip", status=200)
    both = Trace(requests=(*own.requests, other))
    told = ecosystem.reuse(both, both, Needs())
    assert told.claimed == {own.requests[0].url}
    assert Part.DOWNLOADS not in told.fates


def test_nobody_claims_what_another_installs(name: str, ecosystem: Ecosystem) -> None:
    for other, bench in BENCHES.items():
        if other != name:
            trace = fetching(bench, FORMS)
            assert ecosystem.reuse(trace, trace, Needs()).claimed == frozenset()
