"""How an ecosystem serves releases, build tools and runtimes to the sealed internet."""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.ecosystems.route import Route
from harness.internet import Download, Release, Request
from harness.internet.package_index import PackageIndex
from harness.internet.tape import Toolbox
from harness.sandboxes import Sandbox
from harness.scenarios.tree import Tree
from harness.stack.bootstrap import OnLine, quiet
from harness.stack.image import Image
from harness.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildpackFiles:
    """What an ecosystem knows of a buildpack.

    Attributes:
        folder: Its files.
        digest: By which they are known.
        routes: What buildpacks of its kind download.
    """

    folder: Path
    digest: str
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFiles:
    """An app's files at one commit, and the buildpack that builds them."""

    buildpack: BuildpackFiles
    app: Tree = field(repr=False, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What decides which things the builds of one commit may ask for.

    Attributes:
        history: The commits up to this one, which is the last: what an earlier one asked for may be
            asked for again by what it left in the cache.
        stack: The value of STACK.
    """

    history: tuple[CommitFiles, ...]
    stack: str

    @property
    def buildpack(self) -> BuildpackFiles:
        """The buildpack that builds the commit."""
        return self.history[-1].buildpack

    @property
    def app(self) -> Tree:
        """The app at the commit."""
        return self.history[-1].app


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What an ecosystem serves to the builds of one commit, besides what scenarios publish."""

    releases: tuple[Release, ...] = ()
    downloads: tuple[Download, ...] = ()

    @property
    def digest(self) -> str:
        """The sha256, in hex, of all that can be fetched of it, by names and contents."""
        files = [(file.name, file.sha256) for release in self.releases for file in release.files]
        downloads = [(one.host, one.path, one.sha256) for one in self.downloads]
        return hashlib.sha256(repr((files, downloads)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """A release that a build asked for, and the one that it got in its place."""

    asked: str
    served: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where releases are built: a sandbox, and an existing folder for the work."""

    sandbox: Sandbox
    scratch: Path


class Serving(Protocol):
    """What an ecosystem serves to the builds of one run; safe to use from several threads."""

    def slots(self, wanted: frozenset[str], buildpack: BuildpackFiles) -> Mapping[str, str]:
        """The version of the runtime that each slot in a scenario stands for.

        Raises:
            HarnessError: There are fewer runtimes available than are wanted.
        """
        ...

    def begin(self, demand: Demand) -> None:
        """Begins to fetch what `served` is soon to be asked for; failures show there."""
        ...

    def forget_failures(self) -> None:
        """Has what could not be fetched tried again when it is next wanted."""
        ...

    def served(self, demand: Demand) -> Served:
        """What builds of a commit can fetch; waits for it.

        Raises:
            HarnessError: Something cannot be fetched.
        """
        ...

    def tools(self, demand: Demand) -> frozenset[str]:
        """Normalised names of the projects that only serve to install what an app needs.

        Raises:
            HarnessError: Something cannot be fetched.
        """
        ...

    def stand_ins(self, demand: Demand, requests: Iterable[Request]) -> tuple[StandIn, ...]:
        """The runtimes that a commit's builds asked for and got another release in their place."""
        ...

    def features(self, buildpack: BuildpackFiles) -> frozenset[str]:
        """What of all that a scenario may need a buildpack offers, such as a package manager."""
        ...

    def adapted(self, app: Tree, buildpack: BuildpackFiles) -> Tree:
        """An app's files as a buildpack understands them.

        A scenario says in one way which runtime it wants; a buildpack that does not know that way
        finds it said in its own.
        """
        ...

    def builds(self, project: Tree) -> bool:
        """Whether a project is one of this ecosystem's, of which a release can be built."""
        ...

    def build_release(self, project: Tree, workshop: Workshop, *, label: str) -> Release:
        """A project's release, built unless it is kept.

        Args:
            project: The files of a fork's revision, with its submodules'.
            workshop: Where it is built.
            label: What an error calls it, such as `forms@fixed`.

        Raises:
            ReleaseError: It does not build.
        """
        ...

    def references(self, release: Release) -> Mapping[str, str]:
        """What a scenario may write of a release's files, by the form of the reference.

        The forms are those of `harness.scenarios.interpolation.FILE_FORMS` that there are.
        """
        ...


class Supplier(Protocol):
    """An ecosystem's side of a run for which it is not known yet in which image builds run."""

    def begin(self) -> None:
        """Begins to fetch what every build is offered; failures show where it is needed."""
        ...

    def serving(self, image: Image | None) -> Serving:
        """What is served to builds that run in an image.

        Args:
            image: The harness's own, for which runtimes are made where they are missing; None where
                builds run in another: for that one the stored runtimes have to do.

        Raises:
            HarnessError: A runtime that the operator named is missing, or none can be made.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplies:
    """What an ecosystem is given for a run.

    Attributes:
        store: What is kept between runs.
        folder: A new folder for files that are made for this run.
        versions: Versions of kept runtimes that the operator named, the default one first.
        pins: Exact pins of build tools to offer besides those that buildpacks name.
        toolbox: What is asked for build tools before the operator's own index.
        on_line: Called with each line of progress.
    """

    store: Store
    folder: Path
    versions: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    toolbox: Toolbox | None = None
    on_line: OnLine = quiet


@runtime_checkable
class ServingEcosystem(Protocol):
    """An ecosystem that serves something; one that serves nothing lacks these."""

    name: str
    index: PackageIndex
    """Its package index."""

    def supplier(self, supplies: Supplies) -> AbstractContextManager[Supplier]:
        """Its side of one run; what is on its way when the block ends is not waited for."""
        ...
