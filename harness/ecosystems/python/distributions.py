"""Which distributions a tree has installed, from where, and which of its files are theirs."""

import csv
import io
import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Final
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from harness.ecosystems import Owner
from harness.trees.git.refs import checked_out
from harness.trees.manifest import HERE, EntryKind, Manifest, escape

LARGEST: Final = 16 * 1024 * 1024
"""Metadata of more bytes is taken for absent."""

_LOCATIONS = {"site-packages", "dist-packages"}
_SUFFIXES = (".dist-info", ".egg-info", ".egg-link")
_LONGEST_NAME = 200
_LONGEST_PATH = 4096  # what Linux takes, its PATH_MAX
_SHORT_COMMIT = 7
_SHORT_HASH = 8
_COMMIT = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])")
_CREDENTIALS = re.compile(r"(?<=://)[^/@]*@")
_COMPILED = re.compile(r"(?P<module>[^/]+?)(?:\.[a-z]+-\d+(?:\.opt-\w+)?)?\.pyc")

ReadFile = Callable[[str], bytes]
"""Gives a regular file's content by its path in the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a distribution came from, when not from an index (PEP 610).

    Attributes:
        url: The URL without any credentials in it.
        commit: The commit's full id, or empty.
        revision: The branch, tag or commit that was asked for, or empty.
        archive_hash: `<algorithm>=<hex>` of an archive, or empty.
        editable: Whether it is imported from a checkout.
        folder: That checkout's path in the tree, or empty.
    """

    url: str = ""
    commit: str = ""
    revision: str = ""
    archive_hash: str = ""
    editable: bool = False
    folder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """An installed distribution.

    Attributes:
        name: Its name as its metadata spells it.
        version: Its version, or empty where no metadata says it.
        location: The directory that it is installed in, as a path in the tree.
        metadata: The path of its `.dist-info`, `.egg-info` or `.egg-link`.
        files: Paths in the tree that its own record lists, sorted.
        folders: Directories that are its own as a whole, sorted.
        installer: What installed it, or empty.
        source: Where it came from; None where it does not say, as when it came from an index.
        requested: Whether it was asked for by name (PEP 376).
    """

    name: str
    version: str
    location: str
    metadata: str
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    installer: str = ""
    source: Source | None = None
    requested: bool = False

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Which distribution a path belongs to.

    Attributes:
        files: The owner of each file that a record lists.
        folders: The owner of each directory; None where several share it.
    """

    files: Mapping[str, Distribution]
    folders: Mapping[str, Distribution | None]

    def of(self, path: str) -> Distribution | None:
        """The owner of a path in the tree, or None.

        A file that no record lists belongs to the owner of its source, where it is compiled, else
        to the only owner of the nearest directory around it that has one.
        """
        return self._owner(path)[0]

    def owner(self, path: str) -> Owner | None:
        """The same, as ecosystems say it."""
        found, by = self._owner(path)
        return Owner(label=found.label, by=by) if found else None

    def _owner(self, path: str) -> tuple[Distribution | None, str]:
        """The owner of a path, and the path by which it is."""
        source = _source_of(path)
        found = self.files.get(path) or self.files.get(source) or self.folders.get(source)
        folder = path
        while found is None and folder:
            if folder in self.folders:
                return self.folders[folder], folder
            folder = posixpath.dirname(folder)
        return found, path


class FindingKind(StrEnum):
    """In what way the installed distributions differ."""

    LEFTOVER = "leftover"
    MISSING = "missing"
    VERSION = "version"
    SOURCE = "source"
    LOCATION = "location"


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionFinding:
    """A distribution that the two trees do not both have alike.

    Attributes:
        kind: In what way they differ.
        name: The normalised name.
        cached: What the cached tree has.
        clean: What the clean tree has.
        text: The difference as a sentence without a full stop.
    """

    kind: FindingKind
    name: str
    cached: Distribution | None
    clean: Distribution | None
    text: str

    def __str__(self) -> str:
        return self.text


def read_distributions(manifest: Manifest, read: ReadFile) -> tuple[Distribution, ...]:
    """The distributions installed in a tree, sorted by name, version and place.

    They are looked for in directories called `site-packages` or `dist-packages` and in the
    compared roots themselves. What is malformed is taken for absent, line by line and value by
    value: `importlib.metadata` and `packaging.direct_url` refuse a file as a whole for one of them,
    and what the former makes of a record depends on the Python that runs this.

    Args:
        manifest: The tree's manifest.
        read: Gives the content of its metadata files.

    Raises:
        ManifestError: `read` raised it.
    """
    tree = _Tree(manifest=manifest, read=read)
    found = (_distribution(tree, path) for path in manifest.entries if path.endswith(_SUFFIXES))
    return tuple(
        sorted(
            (one for one in found if one is not None),
            key=lambda one: (canonicalize_name(one.name), one.version, one.metadata),
        )
    )


def owners(distributions: Iterable[Distribution]) -> Owners:
    """Which paths of a tree belong to which of its distributions."""
    files: dict[str, Distribution] = {}
    folders: dict[str, Distribution | None] = {}
    distributions = tuple(distributions)
    for one in distributions:
        for path in one.files:
            files.setdefault(path, one)
            for folder in _folders_around(path, one.location):
                _share(folders, folder, one)
    for one in distributions:
        for folder in one.folders:
            if folder not in folders:
                folders[folder] = one
    return Owners(files=files, folders=folders)


def compare_distributions(
    cached: Iterable[Distribution], clean: Iterable[Distribution]
) -> tuple[DistributionFinding, ...]:
    """Says which distributions the two trees do not both have alike, sorted by name.

    Which files they installed is not looked at.
    """
    ours, theirs = _by_name(cached), _by_name(clean)
    return tuple(
        finding
        for name in sorted(ours.keys() | theirs.keys())
        for finding in _findings(name, ours.get(name, ()), theirs.get(name, ()))
    )


@dataclass(frozen=True, kw_only=True)
class _Tree:
    manifest: Manifest
    read: ReadFile

    def lines(self, *parts: str) -> list[str]:
        """A text file's lines; none where there is no such file."""
        return self.text(*parts).splitlines()

    def text(self, *parts: str) -> str:
        """A text file's content; empty where there is no such file."""
        path = posixpath.join(*parts)
        entry = self.manifest.entries.get(path)
        if entry is None or entry.kind is not EntryKind.FILE or entry.size > LARGEST:
            return ""
        return self.read(path).decode("utf-8", "surrogateescape")

    def holds(self, path: str) -> bool:
        return path in self.manifest.entries

    def is_folder(self, path: str) -> bool:
        entry = self.manifest.entries.get(path)
        return entry is not None and entry.kind is EntryKind.DIRECTORY

    def inside(self, absolute: str) -> str:
        """The path in the tree of what the build knew by an absolute path; empty where unknown.

        The tree was elsewhere when it was built, so the longest end of the path that is a path
        in the tree is taken.
        """
        if len(absolute) > _LONGEST_PATH:
            return ""
        ends = posixpath.normpath(absolute).lstrip("/").split("/")[-self._deepest :]
        paths = ("/".join(ends[start:]) for start in range(len(ends)))
        return next(filter(self.holds, paths), "")

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Folders in which editables are checked out, sorted."""
        return tuple(
            path
            for path, entry in self.manifest.entries.items()
            if entry.kind is EntryKind.DIRECTORY and posixpath.basename(path) == "src"
        )

    @cached_property
    def _deepest(self) -> int:
        """How many names the longest path in the tree has."""
        return max((path.count("/") + 1 for path in self.manifest.entries), default=1)


def _distribution(tree: _Tree, path: str) -> Distribution | None:
    location, _, name = path.rpartition("/")
    if posixpath.basename(location) not in _LOCATIONS and (
        (location or HERE) not in tree.manifest.roots
    ):
        return None
    if name.endswith(".egg-link"):
        return _linked(tree, path, location)
    if name.endswith(".dist-info"):
        return _recorded(tree, path, location) if tree.is_folder(path) else None
    return _egg(tree, path, location)


def _recorded(tree: _Tree, path: str, location: str) -> Distribution:
    """A distribution from its `.dist-info` directory."""
    name, version = _name_and_version(tree.lines(path, "METADATA"), *_named(path))
    source = _source(tree, tree.text(path, "direct_url.json"), name)
    folders = [path, *_top_level(tree, tree.lines(path, "top_level.txt"), location)]
    if source is not None and source.folder:
        folders.append(source.folder)
    return Distribution(
        name=name,
        version=version,
        location=location,
        metadata=path,
        files=_owned(tree, _rows(tree.text(path, "RECORD")), location),
        folders=tuple(sorted(folders)),
        installer=_shown(tree.text(path, "INSTALLER")),
        source=source,
        requested=tree.holds(f"{path}/REQUESTED"),
    )


def _egg(tree: _Tree, path: str, location: str) -> Distribution:
    """A distribution from its `.egg-info`, a directory or, from distutils, a file."""
    folder = tree.is_folder(path)
    name, version = _name_and_version(
        tree.lines(path, "PKG-INFO") if folder else tree.lines(path), *_named(path)
    )
    top_level = _top_level(tree, tree.lines(path, "top_level.txt"), location)
    return Distribution(
        name=name,
        version=version,
        location=location,
        metadata=path,
        # That file's paths are relative to the .egg-info directory itself.
        files=_owned(tree, tree.lines(path, "installed-files.txt"), path) if folder else (path,),
        folders=tuple(sorted([path, *top_level] if folder else top_level)),
    )


def _linked(tree: _Tree, path: str, location: str) -> Distribution | None:
    """A distribution from the `.egg-link` that setuptools' `develop` leaves.

    Its first line is the directory that holds the `.egg-info`, its second the way from there to
    the project.
    """
    lines = tree.lines(path)
    if not lines:
        return None
    base = tree.inside(lines[0].strip())
    way = lines[1].strip() if len(lines) > 1 else "."
    folder = posixpath.normpath(posixpath.join(base, way)) if base else ""
    if folder.startswith(".."):
        folder = base
    stem = posixpath.basename(path).removesuffix(".egg-link")
    egg = f"{base}/{stem.replace('-', '_')}.egg-info" if base else ""
    name, version = _name_and_version(tree.lines(egg, "PKG-INFO"), stem, "")
    return Distribution(
        name=name,
        version=version,
        location=location,
        metadata=path,
        files=(path,),
        folders=(folder,) if folder else (),
        source=Source(editable=True, folder=folder, commit=_checked_out(tree, folder)),
    )


def _named(path: str) -> tuple[str, str]:
    """Name and version as the metadata directory's own name says them."""
    name, _, version = posixpath.basename(path).rpartition(".")[0].partition("-")
    return name, version.partition("-")[0]


def _name_and_version(lines: Iterable[str], name: str, version: str) -> tuple[str, str]:
    """From the headers of METADATA or PKG-INFO, else as given."""
    headers = {"name": name, "version": version}
    for line in lines:
        key, colon, value = line.partition(":")
        if not line.strip():
            break
        if colon and key.lower() in headers and value.strip():
            headers[key.lower()] = value
    return _shown(headers["name"]), _shown(headers["version"])


def _source(tree: _Tree, text: str, name: str) -> Source | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not _string(document, "url"):
        return None
    vcs, archive, directory = (
        _table(document, key) for key in ("vcs_info", "archive_info", "dir_info")
    )
    hashes = _table(archive, "hashes")
    source = Source(
        url=_CREDENTIALS.sub("", _string(document, "url")),
        commit=_string(vcs, "commit_id"),
        revision=_string(vcs, "requested_revision"),
        archive_hash=_string(archive, "hash")
        or next((f"{_shown(key)}={_string(hashes, key)}" for key in sorted(hashes)), ""),
        editable=directory.get("editable") is True,
    )
    if not source.editable:
        return source
    folder = _checkout(tree, _string(document, "url"), name)
    return replace(source, folder=folder, commit=source.commit or _checked_out(tree, folder))


def _checkout(tree: _Tree, url: str, name: str) -> str:
    """The directory in the tree that an editable is imported from, or empty."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme == "file" and (folder := tree.inside(unquote(parts.path))):
            return folder
    # pip checks an editable out under `src`, in a directory named as the requirement names it.
    return next(filter(tree.is_folder, (f"{src}/{name}" for src in tree.sources)), "")


def _checked_out(tree: _Tree, folder: str) -> str:
    """The commit that a checkout's HEAD is at, or empty."""
    return checked_out(folder, tree.text) if folder else ""


def _rows(text: str) -> Iterator[str]:
    """The paths that a RECORD lists (PEP 376), as far as it can be read."""
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        for row in rows:
            if row:
                yield row[0]
    except csv.Error:
        return


def _owned(tree: _Tree, recorded: Iterable[str], base: str) -> tuple[str, ...]:
    """Recorded paths as paths in the tree; those outside it are left out."""
    paths = {
        tree.inside(path)
        if path.startswith("/")
        else posixpath.normpath(posixpath.join(base, path))
        for path in recorded
        if path.strip() and len(path) <= _LONGEST_PATH
    }
    return tuple(sorted(path for path in paths if path and path.split("/")[0] != ".."))


def _top_level(tree: _Tree, names: Iterable[str], location: str) -> list[str]:
    paths = (posixpath.join(location, name.strip()) for name in names)
    return sorted({found for path in paths for found in (path, f"{path}.py") if tree.holds(found)})


def _folders_around(path: str, location: str) -> Iterator[str]:
    """Directories strictly inside a location that hold a path, nearest first."""
    inside = f"{location}/" if location else ""
    folder = posixpath.dirname(path)
    # Every module of a location has its compiled file in this one.
    while folder.startswith(inside) and folder != f"{inside}__pycache__":
        if not folder or folder == location:
            return
        yield folder
        folder = posixpath.dirname(folder)


def _share(folders: dict[str, Distribution | None], folder: str, one: Distribution) -> None:
    if folders.setdefault(folder, one) is not one:
        folders[folder] = None


def _source_of(path: str) -> str:
    """The path of a compiled file's source; empty for other files."""
    folder, _, name = path.rpartition("/")
    compiled = _COMPILED.fullmatch(name)
    if compiled is None:
        return ""
    if posixpath.basename(folder) == "__pycache__":
        folder = posixpath.dirname(folder)
    return posixpath.join(folder, f"{compiled['module']}.py")


def _by_name(distributions: Iterable[Distribution]) -> dict[str, tuple[Distribution, ...]]:
    named: dict[str, tuple[Distribution, ...]] = {}
    for one in distributions:
        name = canonicalize_name(one.name)
        named[name] = (*named.get(name, ()), one)
    return named


def _findings(
    name: str, cached: Sequence[Distribution], clean: Sequence[Distribution]
) -> Iterator[DistributionFinding]:
    theirs = {_identity(one) for one in clean}
    ours = {_identity(one) for one in cached}
    extra = [one for one in cached if _identity(one) not in theirs]
    lacking = [one for one in clean if _identity(one) not in ours]
    if len(extra) == len(lacking) == 1:
        yield _changed(name, extra[0], lacking[0])
        return
    for one in extra:
        beside = ", ".join(other.version for other in clean)
        yield DistributionFinding(
            kind=FindingKind.LEFTOVER,
            name=name,
            cached=one,
            clean=None,
            text=f"`{one.label}` is installed as well; a clean build installs only {beside}"
            if clean
            else f"`{one.label}` is installed and nothing asks for it",
        )
    for one in lacking:
        yield DistributionFinding(
            kind=FindingKind.MISSING,
            name=name,
            cached=None,
            clean=one,
            text=f"`{one.label}` is not installed; a clean build installs it",
        )


def _changed(name: str, cached: Distribution, clean: Distribution) -> DistributionFinding:
    ours, theirs = _from(cached), _from(clean)
    if cached.version != clean.version:
        kind = FindingKind.VERSION
        known = cached.source is not None or clean.source is not None
        text = (
            f"`{cached.label}` is installed {ours}; a clean build installs {clean.version} {theirs}"
            if known and ours != theirs
            else f"`{cached.label}` is installed; a clean build installs {clean.version}"
        )
    elif _origin(cached) != _origin(clean):
        kind = FindingKind.SOURCE
        if ours == theirs:
            ours, theirs = _in_full(cached), _in_full(clean)
        text = f"`{cached.label}` is installed {ours}; a clean build installs it {theirs}"
    else:
        kind = FindingKind.LOCATION
        text = (
            f"`{cached.label}` is installed in {escape(cached.metadata)}; "
            f"a clean build installs it in {escape(clean.metadata)}"
        )
    return DistributionFinding(kind=kind, name=name, cached=cached, clean=clean, text=text)


def _identity(one: Distribution) -> tuple[object, ...]:
    return one.version, posixpath.dirname(one.metadata), _origin(one)


def _origin(one: Distribution) -> tuple[object, ...]:
    """What tells two sources apart: not the build dir that the URL of an editable names."""
    source = one.source
    if source is None:
        return ()
    place = source.folder or source.url
    return source.editable, source.commit, source.archive_hash, place


def _from(one: Distribution) -> str:
    """Where a distribution came from, in a few words that follow "is installed"."""
    source = one.source
    if source is None:
        return "from an index"
    how = "as an editable " if source.editable else ""
    in_url = _COMMIT.search(source.url)
    if commit := source.commit or (in_url.group() if in_url else ""):
        return f"{how}at {commit[:_SHORT_COMMIT]}"
    return f"{how}from {escape(source.folder) or source.url}"


def _in_full(one: Distribution) -> str:
    """As `_from`, with all that may differ."""
    source = one.source or Source()
    algorithm, _, value = source.archive_hash.partition("=")
    detail = (
        f"commit {source.commit}" if source.commit else "",
        f"{algorithm} {value[:_SHORT_HASH]}" if value else "",
    )
    shown = ", ".join(part for part in detail if part)
    return f"from {escape(source.folder) or source.url}" + (f" ({shown})" if shown else "")


def _table(document: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _string(document: Mapping[str, object], key: str) -> str:
    found = document.get(key)
    return _shown(found, longest=None) if isinstance(found, str) else ""


def _shown(text: str, *, longest: int | None = _LONGEST_NAME) -> str:
    """Text from a build's file, fit to be printed."""
    return escape(text.strip())[:longest]
