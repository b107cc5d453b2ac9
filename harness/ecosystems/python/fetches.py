"""What a build fetched, told by its requests: of which part of an installation, which project."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
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
from harness.ecosystems.serving import Route
from harness.internet import Request

_OK = range(200, 300)
_GIT = "/git-upload-pack"
_INDEX = re.compile(r"^/simple/|^/packages/")
_SDISTS = (".tar.gz", ".zip")
_REPOSITORY = re.compile(
    r"^/(?P<name>.+?)(?:\.git)?"
    r"(?:/git-upload-pack|/-?/?archive/.*|/(?:tarball|zipball|tar\.gz|zip)/.*)?/?$"
)
_ARCHIVE = re.compile(r"/(?:archive|tarball|zipball|tar\.gz|zip)/")
_FIELD = re.compile(r"\\\{[a-z]+\\\}")
_PROGRAMS = "programs of "
_RUNTIME = "runtime."
# A page of an index, what stands beside a wheel, a repository's branches: these bring nothing.
_ASKING = re.compile(r"/$|\.metadata$|/info/refs$|^/simple(?:/|$)|^/packages/|^/pypi/")


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
        """What was fetched, in order; pages and what only asks are passed over."""
        for request in requests:
            if request.status in _OK and request.method in {"GET", "POST"}:
                yield from self._fetches(request.method, request.url)

    def part_of(self, name: str, other: Part = Part.TOOLS) -> Part:
        """The part that a project is of; another one where it is fetched and never installed."""
        if name in self.tools:
            return Part.TOOLS
        return Part.PACKAGES if self.installed is None or name in self.installed else other

    def _fetches(self, method: str, url: str) -> Iterator[Fetch]:
        parts = urlsplit(url)
        path = unquote(parts.path)
        if method == "POST":
            if path.endswith(_GIT):
                for name in self._from(path):
                    yield Fetch(part=self._repository_of(name), name=name, url=url, git=True)
        elif served := self._served(parts.hostname or "", path):
            yield self._download(served, path, url)
        elif release := _release(path):
            name, version = release
            yield Fetch(part=self.part_of(name), name=name, version=version, url=url)
        elif _ARCHIVE.search(path):
            for name in self._from(path):
                yield Fetch(part=self._repository_of(name), name=name, url=url)
        elif not _ASKING.search(path):
            yield Fetch(part=Part.DOWNLOADS, name=_file(path), url=url)

    def _download(self, served: str, path: str, url: str) -> Fetch:
        """What a route of the buildpack's kind serves."""
        if served.startswith(_RUNTIME):
            return Fetch(part=Part.RUNTIME, name=_file(path), url=url)
        name, version = _release(path) or (_served_name(served), "")
        return Fetch(part=Part.TOOLS, name=name, version=version, url=url)

    def _repository_of(self, name: str) -> Part:
        return self.part_of(name, Part.DOWNLOADS)

    def _from(self, path: str) -> Collection[str]:
        """The distributions from the repository that a path leads to; its own name unless known."""
        origin = _repository(path)
        return sorted(self.origins.get(origin, ())) or [
            str(canonicalize_name(origin.rpartition("/")[2]))
        ]

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
                origin = _repository(unquote(urlsplit(one.source.url).path))
                found.setdefault(origin, set()).add(str(canonicalize_name(one.name)))
    return {origin: frozenset(names) for origin, names in found.items()}


def _repository(path: str) -> str:
    """`owner/name` of a repository by a path that leads to it or to an archive of it."""
    match = _REPOSITORY.match(path)
    return match["name"].lower() if match else ""


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


def _file(path: str) -> str:
    return path.rpartition("/")[2]
