"""An ecosystem that serves what it is given, and notes what it is asked."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from harness.ecosystems.python.index.package_index import PythonIndex
from harness.ecosystems.serving import BuildpackFiles, Demand, Served, StandIn, Supplies, Workshop
from harness.errors import ReleaseError, RuntimeArchiveError
from harness.internet import Release, Request
from harness.internet.package_index import PackageIndex
from harness.scenarios.tree import Tree
from harness.stack.image import Image


class FakeServing:
    """Serves to all commits alike."""

    def __init__(self, served: Served | None = None, *, mark: str = "setup.py") -> None:
        """Takes what is served, and the file by which projects are its own."""
        self.all = served or Served()
        self.mark = mark
        self.begun: list[Demand] = []
        self.built: list[str] = []
        self.forgotten = 0

    def slots(self, wanted: frozenset[str], buildpack: BuildpackFiles) -> dict[str, str]:
        if wanted - {"default"}:
            raise RuntimeArchiveError("too few")
        return {"default": f"1.0 of {buildpack.folder.name}"}

    def begin(self, demand: Demand) -> None:
        self.begun.append(demand)

    def forget_failures(self) -> None:
        self.forgotten += 1

    def served(self, demand: Demand) -> Served:
        assert demand.history
        return self.all

    def tools(self, demand: Demand) -> frozenset[str]:
        return frozenset({f"tool-for-{len(demand.app.entries)}"})

    def stand_ins(self, demand: Demand, requests: Iterable[Request]) -> tuple[StandIn, ...]:
        return tuple(StandIn(asked=one.url, served=demand.stack) for one in requests)

    def features(self, buildpack: BuildpackFiles) -> frozenset[str]:
        return frozenset({f"{buildpack.folder.name} offers"})

    def adapted(self, app: Tree, buildpack: BuildpackFiles) -> Tree:
        assert buildpack.folder
        return app

    def builds(self, project: Tree) -> bool:
        return self.mark in project.entries

    def build_release(self, project: Tree, workshop: Workshop, *, label: str) -> Release:
        assert workshop.scratch
        self.built.append(label)
        if "broken" in label:
            raise ReleaseError(f"{label} does not build")
        return Release(project=label, version=str(len(project.entries)), files=())

    def references(self, release: Release) -> dict[str, str]:
        return {"sha256": f"digest of {release.project}"}


class FakeEcosystem:
    """Serves the same whatever the image."""

    index: PackageIndex = PythonIndex(lambda: None)

    def __init__(self, name: str) -> None:
        self.name = name
        self.supplies: Supplies | None = None
        self.images: list[Image | None] = []
        self.begun = 0
        self.open = False

    @contextmanager
    def supplier(self, supplies: Supplies) -> Iterator["FakeEcosystem"]:
        self.supplies, self.open = supplies, True
        yield self
        self.open = False

    def begin(self) -> None:
        self.begun += 1

    def serving(self, image: Image | None) -> FakeServing:
        self.images.append(image)
        return FakeServing()
