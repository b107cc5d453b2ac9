"""What a build fetched, judged by its requests: of which part of an installation, which project."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import unquote, urlsplit

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    canonicalize_version,
    parse_sdist_filename,
    parse_wheel_filename,
)

from harness.ecosystems.python.distributions import Distribution
from harness.ecosystems.reuse import Part
from harness.ecosystems.route import Route
from harness.internet import Request
from harness.internet.forge_urls import CLONE, is_archive, repository

_OK = range(200, 300)
_INDEX = re.compile(r"^/simple/|^/packages/")
_SDISTS = (".tar.gz", ".zip")
_FIELD = re.compile(r"\\\{[a-z]+\\\}")
_PROGRAMS = "programs of "
_RUNTIME = "runtime."
_VERSION = "default python"
# A page of an index, and what stands beside a wheel: these bring nothing.
_ASKING = re.compile(r"\.metadata$|^/simple(?:/|$)|^/packages/|^/pypi/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """One request that brought something to be installed.

    Attributes:
        part: What it is a part of.
        name: A project's normalised name, or what else tells it from others.
        version: The version as far as the URL tells, normalised, or empty.
        url: The URL.
        git: Whether it is one of several by which git asks: asking what a branch's tip is, is one
            as well.
    """

    part: Part
    name: str
    version: str = ""
    url: str
    git: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorter:
    """Tells what a URL is of.

    Attributes:
        routes: What buildpacks of the kind download.
        tools: Normalised names of the projects that build others and are none that the app asks
            for.
        origins: Names of installed distributions by the repository that they are from.
        installed: Normalised names of what is installed; None where that is not all that was
            to be, as after a build that failed.
    """

    routes: tuple[Route, ...]
    tools: frozenset[str]
    origins: Mapping[str, frozenset[str]]
    installed: frozenset[str] | None = None

    def fetches(self, requests: Iterable[Request]) -> Iterator[Fetch]:
        """What was fetched of Python, in order; pages and what only asks are passed over."""
        for request in requests:
            if request.status in _OK and request.method in {"GET", "POST"}:
                yield from self._fetches(request.method, request.url)

    def claimed(self, requests: Iterable[Request]) -> frozenset[str]:
        """The URLs that are Python's: what was fetched of it, and pages of its index."""
        return frozenset(
            request.url
            for request in requests
            if (request.method == "GET" and self._only_asks(request.url))
            or any(self.fetches((request,)))
        )

    def _only_asks(self, url: str) -> bool:
        """Whether a URL brings nothing that is installed, but what a page says."""
        path = _path(url)
        asked = self._served(urlsplit(url).hostname or "", path)
        return asked == _VERSION or _ASKING.search(path) is not None

    def part_of(self, name: str) -> Part:
        """The part that a project is of; what is fetched and never installed builds others."""
        if name in self.tools:
            return Part.TOOLS
        return Part.PACKAGES if self._may_be_installed(name) else Part.TOOLS

    def _fetches(self, method: str, url: str) -> Iterator[Fetch]:
        path = _path(url)
        if method == "POST":
            if path.endswith(CLONE):
                yield from self._from(path, url, git=True)
        elif served := self._served(urlsplit(url).hostname or "", path):
            if served != _VERSION:
                yield self._download(served, path, url)
        elif release := _release(path):
            name, version = release
            yield Fetch(part=self.part_of(name), name=name, version=version, url=url)
        elif is_archive(path):
            yield from self._from(path, url, git=False)

    def _from(self, path: str, url: str, *, git: bool) -> Iterator[Fetch]:
        """The distributions from the repository that a path leads to, known by its own name.

        One that nothing is installed from may be anything.
        """
        origin = repository(path)
        names = sorted(self.origins.get(origin, ())) or [
            str(canonicalize_name(origin.rpartition("/")[2]))
        ]
        for name in names:
            if name in self.tools or self._may_be_installed(name):
                yield Fetch(part=self.part_of(name), name=name, url=url, git=git)

    def _may_be_installed(self, name: str) -> bool:
        return self.installed is None or name in self.installed

    def _download(self, served: str, path: str, url: str) -> Fetch:
        """What a route of the buildpack's kind serves."""
        if served.startswith(_RUNTIME):
            return Fetch(part=Part.RUNTIME, name=_file(path), url=url)
        name, version = _release(path) or (_served_name(served), "")
        return Fetch(part=Part.TOOLS, name=name, version=version, url=url)

    def _served(self, host: str, path: str) -> str:
        return next(
            (
                route.serves
                for route in self.routes
                if fnmatchcase(host.lower(), route.host.lower()) and _leads(route.path, path)
            ),
            "",
        )


def origins(*trees: Iterable[Distribution]) -> dict[str, frozenset[str]]:
    """Names of distributions by the repository that they say they are from."""
    found: dict[str, set[str]] = {}
    for tree in trees:
        for one in tree:
            if one.source is not None and one.source.url.startswith("http"):
                origin = repository(_path(one.source.url))
                found.setdefault(origin, set()).add(str(canonicalize_name(one.name)))
    return {origin: frozenset(names) for origin, names in found.items()}


def _leads(template: str, path: str) -> bool:
    return re.fullmatch(_FIELD.sub("[^/]+", re.escape(template)), path) is not None


def _release(path: str) -> tuple[str, str] | None:
    """Name and version by the file name of a wheel, or of an sdist that an index has."""
    file = _file(path)
    try:
        if file.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(file)
        elif _INDEX.search(path) and file.endswith(_SDISTS):
            name, version = parse_sdist_filename(file)
        else:
            return None
    except (InvalidWheelFilename, InvalidSdistFilename):
        return (str(canonicalize_name(file.partition("-")[0])), "")
    return str(name), canonicalize_version(version)


def _served_name(served: str) -> str:
    """The project of `programs of NAME` or of `pip.tar.zst`."""
    return served.removeprefix(_PROGRAMS).partition(".")[0]


def _path(url: str) -> str:
    return unquote(urlsplit(url).path)


def _file(path: str) -> str:
    return path.rpartition("/")[2]
