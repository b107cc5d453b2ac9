"""What vendored files are fetched from: `https://vendor.example/<name>-<version>` has each.

An app names what it wants in `vendor.txt`, a line `<name> <version>` for each. A project whose
releases can be built has a file `package.acme`, that holds its name and its version.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from harness.ecosystems.serving import (
    BuildpackFiles,
    Demand,
    Served,
    StandIn,
    Supplies,
    Workshop,
)
from harness.errors import EcosystemError, ReleaseError
from harness.internet import Download, Internet, Release, Request
from harness.internet.package_index import Responder
from harness.scenarios.tree import File, Tree
from harness.stack.image import Image

HOST = "vendor.example"
_MARK = "package.acme"


class NoIndex:
    """Files are fetched by their URLs: there is nothing to look them up in."""

    companion = ""

    def urls(self) -> None:
        return None

    def responder(self, _internet: Internet) -> Responder:
        return lambda _: None

    def negotiated(self, _accept: str) -> str:
        return ""

    def is_page(self, _url: str, **_headers: str) -> bool:
        return False

    def links(self, _page: str) -> tuple[str, ...]:
        return ()


class AcmeSupplies:
    """What is given to a run."""

    index = NoIndex()

    @contextmanager
    def supplier(self, supplies: Supplies) -> Iterator["AcmeServing"]:
        supplies.folder.mkdir(parents=True)
        yield AcmeServing(supplies)


class AcmeServing:
    """Serves what is asked for, the same in every image."""

    def __init__(self, supplies: Supplies) -> None:
        self._folder = supplies.folder

    def begin(self, _demand: Demand | None = None) -> None:
        pass

    def serving(self, _image: Image | None) -> "AcmeServing":
        return self

    def forget_failures(self) -> None:
        pass

    def slots(self, wanted: frozenset[str], _buildpack: BuildpackFiles) -> dict[str, str]:
        if wanted:
            raise EcosystemError("vendored files have no runtime")
        return {}

    def served(self, demand: Demand) -> Served:
        wanted = {line for commit in demand.history for line in _lines(commit.app, "vendor.txt")}
        return Served(downloads=tuple(self._download(line) for line in sorted(wanted)))

    def _download(self, line: str) -> Download:
        name, version = line.split()
        data = f"{name} {version}\n".encode()
        file = self._folder / f"{name}-{version}"
        file.write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        return Download(host=HOST, path=f"/{name}-{version}", file=file, sha256=sha256)

    def tools(self, _demand: Demand) -> frozenset[str]:
        return frozenset()

    def stand_ins(self, _demand: Demand, _requests: Iterable[Request]) -> tuple[StandIn, ...]:
        return ()

    def builds(self, project: Tree) -> bool:
        return _MARK in project.entries

    def build_release(self, project: Tree, _workshop: Workshop, *, label: str) -> Release:
        try:
            ((name, version),) = (line.split() for line in _lines(project, _MARK))
        except ValueError as error:
            raise ReleaseError(f"{label} does not build") from error
        return Release(project=name, version=version, files=())

    def references(self, _release: Release) -> dict[str, str]:
        return {}


def _lines(tree: Tree, path: str) -> list[str]:
    file = tree.entries.get(path)
    return file.data.decode().splitlines() if isinstance(file, File) else []
