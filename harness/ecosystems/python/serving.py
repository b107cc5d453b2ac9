"""What Python serves to the builds of one run: releases, build tools and runtimes.

A route of a buildpack's kind serves one of these:

- `runtime.tar.gz` or `runtime.tar.zst`: a packed CPython, of a `{version}`
- `pip.tar.zst`: the pip that comes with a CPython of a `{version}`, unpacked and compiled
- `default python`: the version, and a newline, of the Python that `${python@default}` stands for
- `tool`: the wheel of a build tool, by its name, `{wheel}`
- `programs of NAME`: those of the tool of that name, of a `{version}`, in an archive whose one
  folder is called as the archive is
"""

import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from harness.ecosystems.python.app_pythons import with_runtime_file
from harness.ecosystems.python.app_requirements import required
from harness.ecosystems.python.buildpack_scripts import (
    offered_features,
    pinned_managers,
    pinned_tools,
    reads_version_file,
)
from harness.ecosystems.python.releases.build import build_release
from harness.ecosystems.python.releases.build_system import is_project
from harness.ecosystems.python.runtimes.offers import Offer
from harness.ecosystems.python.runtimes.served import ServedRuntimes
from harness.ecosystems.python.runtimes.supply import RuntimeSupply
from harness.ecosystems.python.tools.fetcher import Fetcher, Wanted
from harness.ecosystems.python.tools.names import BASE_TOOLS, INSTALLERS
from harness.ecosystems.python.tools.served import tool_downloads
from harness.ecosystems.serving import (
    BuildpackFiles,
    Demand,
    Served,
    StandIn,
    Supplies,
    Workshop,
)
from harness.internet import Download, Release, Request
from harness.scenarios.tree import Tree
from harness.storage.once import Once

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scripts:
    """What the scripts of a buildpack tell of what it understands."""

    features: frozenset[str]
    reads_version_file: bool

    @classmethod
    def of(cls, buildpack: BuildpackFiles) -> "_Scripts":
        return cls(
            features=offered_features(buildpack.folder),
            reads_version_file=reads_version_file(buildpack.folder),
        )


_Asked = tuple[BuildpackFiles, str, Wanted, tuple[Offer, ...]]


class PythonServing:
    """See `harness.ecosystems.serving.Serving`."""

    def __init__(self, supplies: Supplies, fetcher: Fetcher, runtimes: RuntimeSupply) -> None:
        """Takes what the run has, its fetcher of build tools, and its runtimes."""
        self._supplies = supplies
        self._fetcher = fetcher
        self._runtimes = runtimes
        self._files = ServedRuntimes(supplies.folder)
        self._pins: Once[str, tuple[str, ...]] = Once()
        self._scripts: Once[str, _Scripts] = Once()
        self._served: Once[_Asked, Served] = Once()

    def slots(self, wanted: frozenset[str], buildpack: BuildpackFiles) -> dict[str, str]:
        """The version that each of `${python@SLOT}` stands for; see `RuntimeSupply.slots`."""
        return self._runtimes.slots(wanted, buildpack)

    def begin(self, demand: Demand) -> None:
        """Begins to fetch the tools and package managers that builds will be offered."""
        self._fetcher.begin(self._wanted(demand, self._runtimes.offers(demand.history)))

    def features(self, buildpack: BuildpackFiles) -> frozenset[str]:
        """Package managers, hooks and the like, by what the buildpack's scripts speak of."""
        return self._scripts.get(buildpack.digest, lambda: _Scripts.of(buildpack)).features

    def adapted(self, app: Tree, buildpack: BuildpackFiles) -> Tree:
        """The app, with what `.python-version` says in `runtime.txt` for who reads only that."""
        scripts = self._scripts.get(buildpack.digest, lambda: _Scripts.of(buildpack))
        return app if scripts.reads_version_file else with_runtime_file(app)

    def forget_failures(self) -> None:
        """Has tools that could not be fetched tried again."""
        self._fetcher.forget_failures()

    def served(self, demand: Demand) -> Served:
        """The build tools, in the index and at routes, and the runtimes.

        Raises:
            ReleaseError: A tool's pin is not exact, or it could not be fetched.
        """
        offered = self._runtimes.offers(demand.history)
        wanted = self._wanted(demand, offered)
        key = (demand.buildpack, demand.stack, wanted, offered)
        return self._served.get(key, lambda: self._gathered(demand, wanted, offered))

    def tools(self, demand: Demand) -> frozenset[str]:
        """The tools that are offered, and whatever installs packages, less what the app requires.

        Raises:
            ReleaseError: A tool's pin is not exact, or it could not be fetched.
        """
        offered = self.served(demand).releases
        names = {*INSTALLERS, *(canonicalize_name(tool.project) for tool in offered)}
        return frozenset(map(str, names)) - required(demand.app)

    def stand_ins(self, demand: Demand, requests: Iterable[Request]) -> tuple[StandIn, ...]:
        """The Pythons that were asked for and got another release in their place."""
        return self._files.stand_ins(
            demand.buildpack.routes,
            self._runtimes.offers(demand.history),
            route_fields(demand.stack),
            requests,
        )

    def builds(self, project: Tree) -> bool:
        """Whether a project has a file that says how a distribution of it is built."""
        return is_project(project)

    def build_release(self, project: Tree, workshop: Workshop, *, label: str) -> Release:
        """An sdist and a wheel of a project; see `Serving`.

        Raises:
            ReleaseError: It does not build, or the tools for it cannot be fetched.
        """
        tools = self._fetcher.releases(Wanted(tools=BASE_TOOLS))
        return build_release(
            project, workshop, label=label, tools=tools, store=self._supplies.store
        )

    def references(self, release: Release) -> dict[str, str]:
        """The digest of its wheel and of its sdist, and where the index has them."""
        found: dict[str, str] = {}
        for file in release.files:
            source = "" if file.name.endswith(".whl") else "source-"
            place = f"{canonicalize_name(release.project)}/{file.sha256}/{file.name}"
            found |= {f"{source}file": place, f"{source}sha256": file.sha256}
        return found

    def _wanted(self, demand: Demand, offered: tuple[Offer, ...]) -> Wanted:
        """The build tools, and the package managers, that builds of a commit are offered."""
        buildpack = demand.buildpack
        return Wanted(
            tools=self._pins.get(buildpack.digest, lambda: self._pinned(buildpack)),
            managers=pinned_managers(buildpack.folder, demand.app.entries.keys()),
            others=self._supplies.pins,
            pythons=self._runtimes.for_managers(buildpack, offered),
        )

    def _pinned(self, buildpack: BuildpackFiles) -> tuple[str, ...]:
        pins = (*BASE_TOOLS, *pinned_tools(buildpack.folder))
        return tuple(dict.fromkeys(pins))

    def _gathered(self, demand: Demand, wanted: Wanted, offered: tuple[Offer, ...]) -> Served:
        tools = self._fetcher.releases(wanted)
        return Served(releases=tools, downloads=tuple(self._downloads(demand, tools, offered)))

    def _downloads(
        self, demand: Demand, tools: tuple[Release, ...], offered: tuple[Offer, ...]
    ) -> Iterator[Download]:
        fields = route_fields(demand.stack)
        default = (*self._runtimes.at_hand(demand.buildpack).values(),)[:1]
        for route in demand.buildpack.routes:
            yield from tool_downloads(route, tools, fields, self._supplies.store)
            yield from self._files.archives(route, offered, fields)
            for version in default:
                yield from self._files.default_version(route, version)


def route_fields(stack: str) -> dict[str, str]:
    """What stands in a route's fields on a stack, but for versions and wheels."""
    machine = platform.machine()
    return {
        "stack": stack,
        "ubuntu": f"{stack.rpartition('-')[2]}.04",
        "arch": _ARCHITECTURES.get(machine, machine),
        "machine": machine,
    }
