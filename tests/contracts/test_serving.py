"""What every ecosystem does that serves something, whoever brings it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ecosystem_benches import BENCHES
from internet_client import online
from python_stores import keep_runtimes, keep_tools

from harness.ecosystems.registry import serving_ecosystems
from harness.ecosystems.route import Route
from harness.ecosystems.serving import (
    BuildpackFiles,
    CommitFiles,
    Demand,
    Serving,
    ServingEcosystem,
    Supplies,
)
from harness.errors import HarnessError
from harness.internet import Internet
from harness.scenarios.tree import File, Tree
from harness.storage.store import Store


@dataclass(frozen=True, kw_only=True)
class ServingBench:
    """What an ecosystem is asked with.

    Attributes:
        keep: Puts what is fetched once into a store, so that nothing is fetched.
        asking: The file by which an app asks for more than every app gets.
        url: Where that is fetched.
        routes: What buildpacks download.
        project: The file of a project of which it can build a release.
    """

    keep: Callable[[Store], None]
    asking: tuple[str, str]
    url: str
    routes: tuple[Route, ...] = ()
    project: str


def _keep_python(store: Store) -> None:
    keep_runtimes(store)
    keep_tools(store)


SERVING = {
    "python": ServingBench(
        keep=_keep_python,
        asking=(".python-version", "3.13.4\n"),
        url="https://runtimes.example/python-3.13.4.tar.zst",
        routes=(
            Route(
                host="runtimes.example",
                path="/python-{version}.tar.zst",
                serves="runtime.tar.zst",
            ),
        ),
        project="setup.py",
    ),
    "acme": ServingBench(
        keep=lambda _: None,
        asking=("vendor.txt", "block 1.0\n"),
        url="https://vendor.example/block-1.0",
        project="package.acme",
    ),
}


@pytest.fixture(params=SERVING)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(name: str) -> ServingBench:
    return SERVING[name]


@pytest.fixture
def ecosystem(name: str) -> ServingEcosystem:
    return {each.name: each for each in serving_ecosystems()}[name]


@pytest.fixture
def store(tmp_path: Path, bench: ServingBench) -> Store:
    store = Store(root=tmp_path / "store")
    bench.keep(store)
    return store


@pytest.fixture
def serving(ecosystem: ServingEcosystem, store: Store, tmp_path: Path) -> Iterator[Serving]:
    with ecosystem.supplier(Supplies(store=store, folder=tmp_path / "served")) as supplier:
        yield supplier.serving(None)


@pytest.fixture
def demand(bench: ServingBench, tmp_path: Path) -> Callable[..., Demand]:
    """Makes demands of commits that do or do not ask for more."""
    buildpack = BuildpackFiles(folder=tmp_path / "buildpack", digest="b", routes=bench.routes)

    def made(*asking: bool) -> Demand:
        path, text = bench.asking
        more = Tree(entries={path: File(data=text.encode())})
        history = (CommitFiles(buildpack=buildpack, app=more if one else Tree()) for one in asking)
        return Demand(history=tuple(history), stack="heroku-24")

    return made


def test_there_is_a_bench_for_each() -> None:
    assert SERVING.keys() == BENCHES.keys() == {each.name for each in serving_ecosystems()}


def test_the_same_demand_is_served_the_same_in_each_run(
    ecosystem: ServingEcosystem,
    serving: Serving,
    store: Store,
    demand: Callable[..., Demand],
    tmp_path: Path,
) -> None:
    first = serving.served(demand(True))
    assert serving.served(demand(True)) == first
    other = Supplies(store=store, folder=tmp_path / "another" / "run")
    with ecosystem.supplier(other) as supplier:
        supplier.begin()
        assert supplier.serving(None).served(demand(True)).digest == first.digest


def test_what_an_app_asks_for_is_served_and_counts(
    serving: Serving, demand: Callable[..., Demand]
) -> None:
    plain, asking = serving.served(demand(False)), serving.served(demand(True))
    assert plain.digest != asking.digest
    assert {*plain.downloads} < {*asking.downloads}


def test_what_an_earlier_commit_asked_for_is_still_served(
    serving: Serving, demand: Callable[..., Demand]
) -> None:
    assert serving.served(demand(True, False)) == serving.served(demand(True))
    assert serving.served(demand(False, False)) == serving.served(demand(False))


def test_files_are_there_and_are_what_they_are_said_to_be(
    serving: Serving, demand: Callable[..., Demand]
) -> None:
    served = serving.served(demand(True))
    files = [(file.path, file.sha256) for release in served.releases for file in release.files]
    for path, sha256 in (*files, *((one.file, one.sha256) for one in served.downloads)):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def test_a_build_can_fetch_it(
    ecosystem: ServingEcosystem,
    serving: Serving,
    bench: ServingBench,
    demand: Callable[..., Demand],
    tmp_path: Path,
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for asking, status in ((True, 200), (False, 403)):
        served = serving.served(demand(asking))
        internet = Internet(releases=served.releases, downloads=served.downloads)
        with online(internet, scratch, indexes=[ecosystem.index]) as client:
            assert client.get(bench.url).status == status


def test_fetching_can_be_begun_and_tried_again(
    serving: Serving, demand: Callable[..., Demand]
) -> None:
    serving.begin(demand(True))
    serving.forget_failures()
    assert serving.served(demand(True)).digest == serving.served(demand(True)).digest


def test_nothing_stands_in_where_nothing_was_asked_for(
    serving: Serving, demand: Callable[..., Demand]
) -> None:
    assert serving.stand_ins(demand(True), ()) == ()


def test_tools_are_named_as_packages_are(serving: Serving, demand: Callable[..., Demand]) -> None:
    assert all(name == name.lower() for name in serving.tools(demand(True)))


def test_a_slot_that_nothing_fills_is_an_error(
    serving: Serving, demand: Callable[..., Demand]
) -> None:
    with pytest.raises(HarnessError):
        serving.slots(frozenset({"no-such-slot"}), demand(False).buildpack)


def test_a_project_is_known_by_its_files(serving: Serving, bench: ServingBench) -> None:
    assert serving.builds(Tree(entries={bench.project: File(data=b"")}))
    assert not serving.builds(Tree(entries={"other": File(data=b"")}))
