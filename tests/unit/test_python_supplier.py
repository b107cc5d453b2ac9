"""Which runtimes Python serves to the builds of a run, and which tools."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from python_stores import keep_runtimes
from runtimes import runtime

from harness.ecosystems import serving
from harness.ecosystems.python.ecosystem import PythonEcosystem
from harness.ecosystems.python.runtimes.on_demand import RuntimesOnDemand
from harness.ecosystems.python.runtimes.supply import RuntimeSupply
from harness.ecosystems.python.serving import PythonServing
from harness.ecosystems.serving import BuildpackFiles, CommitFiles, Supplies
from harness.errors import RuntimeArchiveError
from harness.scenarios.tree import File, Tree
from harness.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(root=tmp_path / "store")
    keep_runtimes(store)
    return store


@pytest.fixture
def serve(store: Store, tmp_path: Path) -> Callable[..., Any]:
    """Gives what Python serves in an image that is not the harness's own."""

    def made(*versions: str) -> PythonServing | None:
        supplies = Supplies(store=store, folder=tmp_path / "served", versions=versions)
        with PythonEcosystem().supplier(supplies) as supplier:
            return supplier.serving(None)

    return made


@pytest.fixture
def buildpack(tmp_path: Path) -> BuildpackFiles:
    (tmp_path / "bp/bin").mkdir(parents=True)
    return BuildpackFiles(folder=tmp_path / "bp", digest="bp", routes=())


def test_it_serves_as_an_ecosystem_does() -> None:
    assert isinstance(PythonEcosystem(), serving.ServingEcosystem)


@pytest.mark.parametrize(
    ("named", "slots"),
    [
        ((), {"default": "3.11.2", "other": "3.13.5"}),
        (("3.13.5",), {"default": "3.13.5"}),
        # One that was made because builds asked for it counts where somebody names it.
        (("3.14.8", "3.11.2"), {"default": "3.14.8", "other": "3.11.2"}),
    ],
)
def test_the_kept_runtimes_fill_the_slots(
    serve: Callable[..., Any],
    buildpack: BuildpackFiles,
    named: tuple[str, ...],
    slots: dict[str, str],
) -> None:
    assert serve(*named).slots(frozenset(), buildpack) == slots


def test_a_runtime_that_nobody_has_is_named(serve: Callable[..., Any]) -> None:
    with pytest.raises(RuntimeArchiveError, match=r"--python 3\.9: there is no runtime of that"):
        serve("3.11.2", "3.9")


def test_a_slot_that_cannot_be_filled_is_named(
    serve: Callable[..., Any], buildpack: BuildpackFiles
) -> None:
    with pytest.raises(
        RuntimeArchiveError, match=r"no runtime is available for \$\{python@other\}"
    ):
        serve("3.13.5").slots(frozenset({"other", "default"}), buildpack)


@pytest.mark.parametrize(
    ("wanted", "slot", "version"),
    [("sibling", "sibling", "3.11.1"), ("newest", "newest", "3.13.5")],
)
def test_slots_beyond_those_at_hand(
    serve: Callable[..., Any], buildpack: BuildpackFiles, wanted: str, slot: str, version: str
) -> None:
    assert serve().slots(frozenset({wanted}), buildpack)[slot] == version


def test_one_that_a_buildpack_does_not_know_is_no_default(
    serve: Callable[..., Any], buildpack: BuildpackFiles
) -> None:
    (buildpack.folder / "bin/compile").write_text('LATEST_PYTHON_3_13="3.13.7"\n')
    slots = serve().slots(frozenset({"newest"}), buildpack)
    assert slots == {"default": "3.13.5", "other": "3.11.2", "newest": "3.13.7"}


def test_a_kept_runtime_is_offered_to_whom_names_it(
    store: Store, buildpack: BuildpackFiles
) -> None:
    app = Tree(entries={".python-version": File(data=b"3.14.7\n")})
    at_hand = (runtime("3.11.2"),)
    supply = RuntimeSupply(at_hand, on_demand=RuntimesOnDemand(store, None))
    offered = supply.offers([CommitFiles(buildpack=buildpack, app=app)])
    assert {one.version: one.runtime.version for one in offered} == {
        "3.11.2": "3.11.2", "3.14.8": "3.14.8", "3.14.7": "3.14.8",
    }  # fmt: skip
    # Package managers are installed for it as well.
    assert supply.for_managers(buildpack, offered) == ("3.11.2", "3.14.8")
