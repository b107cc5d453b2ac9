"""What a buildpack kind is: how to recognise one, what a build of it runs, how to read its log."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.buildpacks.preparation import Preparation
from harness.ecosystems.route import Route
from harness.trees.named import AfterFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Buildpack:
    """A buildpack ready to be copied into builds.

    Attributes:
        spec: How the operator named it.
        folder: Its files, without a `.git`.
        revision: The commit it is at, or empty for a plain folder.
        found_as: By what name its revision was found, where that is not the one in the spec.
        kind: How it is run and read.
        kind_identity: By what the kind is known; empty for the harness's own.
        digest: sha256 of its files, in hex.
    """

    spec: str
    folder: Path
    revision: str
    kind: "BuildpackKind"
    kind_identity: str = ""
    digest: str
    found_as: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One buildpack of those that build an app one after the other.

    Attributes:
        name: What tells it from the others; empty for the one under test.
        buildpack: Its files, and the kind by which it runs.
    """

    name: str
    buildpack: Buildpack

    @property
    def identity(self) -> tuple[str, ...]:
        """By what its builds are known, wherever its files are."""
        buildpack = self.buildpack
        return (self.name, buildpack.digest, buildpack.kind.name, buildpack.kind_identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a kind learns of a build.

    Attributes:
        sequence: The buildpacks in the order in which they run, the one under test among them.
        stack: The stack's name.
        build: What to name the build's folder after, where the kind has one that may change from
            build to build: other names are other paths.
        cache: What to name the cache's folder after, where it may change from build to build; empty
            where it does not.
        cache_apart: Whether the cache is on another mount than the build.
        after_failure: What the next build gets of a cache if this one fails; None for what the
            platform does.
        test_run: What to name the CI run after in which the app is built, as hexadecimal digits;
            empty where it is built to be deployed.
    """

    sequence: tuple[Member, ...]
    stack: str
    build: str = "app"
    cache: str = ""
    cache_apart: bool = False
    after_failure: AfterFailure | None = None
    test_run: str = ""


class BuildpackKind(Protocol):
    """How buildpacks of one API are run on one platform. Knows no single buildpack's policy.

    What a build runs, in which folders, what it leaves and what crosses from it to the next build
    is the kind's to say, in `prepare`; the harness acts on nothing else.
    """

    name: str

    @property
    def fallback(self) -> bool:
        """Whether another kind that recognises a buildpack as well is preferred."""
        ...

    ecosystems: tuple[str, ...]
    """Names of the languages' ecosystems from which its buildpacks install."""

    @property
    def stack(self) -> str:
        """The stack on which an app is built unless it says otherwise."""
        ...

    @property
    def routes(self) -> tuple[Route, ...]:
        """Downloads that buildpacks of this kind make, apart from git and the package index."""
        ...

    def features(self, folder: Path) -> frozenset[str]:
        """What of all that scenarios may need a buildpack of this kind offers.

        Such as `sequence`: it runs beside others. See `Scenario.all_needs`.

        Args:
            folder: The buildpack's files.
        """
        ...

    def recognises(self, folder: Path) -> bool:
        """Whether the folder holds a buildpack of this kind."""
        ...

    def prepare(self, setting: Setting) -> Preparation:
        """What one build runs, in which folders, and what it leaves.

        Args:
            setting: The buildpacks, of which the one under test is of this kind, and the rest.

        Raises:
            BuildpackError: A buildpack of the sequence cannot run beside one of this kind.
        """
        ...

    def reasons(self, log: str) -> tuple[str, ...]:
        """What the log says of why the cache was discarded; empty where it is silent."""
        ...
