"""Compares two trees on disk without a manifest of either: side by side, a folder at a time."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from harness.ecosystems.registry import ecosystems, explainers
from harness.errors import ManifestError
from harness.trees.difference import Side
from harness.trees.directory import Directory, Listing, native, walk
from harness.trees.explainer import Explainer, TreePair, content_policy
from harness.trees.file_reader import COMPARE, OTHER, SAME, same, same_open
from harness.trees.git.git_folder import PARTS
from harness.trees.manifest import HERE, Entry, Manifest, escape, file_entry, parents
from harness.trees.reader_process import WORTH_A_PROCESS, Directories, Readers
from harness.trees.roots import find_roots
from harness.trees.scan import read_entries, read_file, scan
from harness.verdicts.compare import Comparison, compare

_OF_PYTHON = (".py", ".pyc", "__pycache__")


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Where two trees differ.

    Attributes:
        cached_roots: The paths that the root patterns matched in the cached tree, sorted.
        clean_roots: The same in the clean tree.
        cached: What the cached tree has and the clean tree has otherwise or not at all, sorted.
        clean: What the clean tree has and the cached tree has otherwise or not at all, sorted.
        compared: How many paths other than directories there are in either tree.
        python: Paths of modules and compiled files that both trees have, sorted: whether Python
            would use the ones for the others depends on times, which are not compared.
        linked: Whether a module, a compiled file or a `__pycache__` is a link in either tree.
    """

    cached_roots: tuple[str, ...]
    clean_roots: tuple[str, ...]
    cached: tuple[str, ...]
    clean: tuple[str, ...]
    compared: int
    python: tuple[str, ...] = ()
    linked: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path where the trees differ, sorted."""
        return tuple(sorted({*self.cached, *self.clean}))


def differences(
    cached: Path, clean: Path, patterns: tuple[str, ...], *, worth: int = WORTH_A_PROCESS
) -> Differences:
    """Finds the paths where two trees differ: those at which their manifests would.

    The trees are read as `scan` reads one, but each pair of files only as far as they are equal,
    and none that has no equal of its size.

    Args:
        cached: The folder of the tree of the build that was given a cache.
        clean: The folder of the tree of the build that was given none.
        patterns: Globs of the compared roots, as for `scan`.
        worth: From so many files on, a second process reads with this one.

    Raises:
        ManifestError: Something cannot be read, or changed while it was read, or a pattern is
            absolute, empty, or holds `..` or `**`.
    """
    found = _Found()
    with Directory.top(cached) as ours, Directory.top(clean) as theirs:
        our_roots, their_roots = find_roots(ours, patterns), find_roots(theirs, patterns)
        with Readers(_Pairs(found), worth=worth) as files:
            for root in sorted({*our_roots, *their_roots}):
                if root in our_roots and root in their_roots:
                    _root_of_both(_Pair(ours, theirs), root, found, files)
                elif root in our_roots:
                    _root_of_one(ours, root, found.cached)
                else:
                    _root_of_one(theirs, root, found.clean)
    return Differences(
        cached_roots=our_roots,
        clean_roots=their_roots,
        cached=tuple(sorted(found.cached.paths)),
        clean=tuple(sorted(found.clean.paths)),
        compared=found.in_both + len(found.cached.leaves | found.clean.leaves),
        python=tuple(sorted(found.python)),
        linked=found.linked,
    )


def compare_trees(
    cached: Path, clean: Path, patterns: tuple[str, ...], *, worth: int = WORTH_A_PROCESS
) -> Comparison:
    """Lists where two trees differ, as `compare` does with their manifests.

    Args:
        cached: The folder of the tree of the build that was given a cache.
        clean: The folder of the tree of the build that was given none.
        patterns: Globs of the compared roots, as for `scan`.
        worth: From so many files on, a second process reads with this one.

    Raises:
        ManifestError: Something cannot be read, or changed while it was read, or a pattern is
            absolute, empty, or holds `..` or `**`.
    """
    found = differences(cached, clean, patterns, worth=worth)
    if found.linked:
        # What Python does with a file depends on where links lead, through folders that are alike.
        ours, theirs = (scan(tree, patterns, worth=worth) for tree in (cached, clean))
        return _compared(ours, theirs, cached, clean)
    return _comparison(cached, clean, found, worth)


@cache
def everyone_installed() -> tuple[Explainer, ...]:
    """Whoever explains differences here; looked up once in a process."""
    return explainers(ecosystems())


def _comparison(cached: Path, clean: Path, found: Differences, worth: int) -> Comparison:
    ours = read_entries(cached, found.cached, worth=worth)
    theirs = read_entries(clean, found.clean, worth=worth)
    for path in ours.keys() & theirs.keys():
        if ours[path] == theirs[path]:
            raise ManifestError(
                f"cannot read {escape(path)}: it changed while it was read",
                hint="make sure that nothing writes to the trees meanwhile",
            )
    for place in {*_repositories((cached, clean), found.paths)}:
        for tree, entries in ((cached, ours), (clean, theirs)):
            for path, entry in scan(tree, (_glob(place),)).entries.items():
                entries.setdefault(path, entry)
    comparison = _compared(
        _manifest(cached, found.cached_roots, ours, found.python),
        _manifest(clean, found.clean_roots, theirs, found.python),
        cached,
        clean,
    )
    return replace(comparison, compared=found.compared)


def _compared(ours: Manifest, theirs: Manifest, cached: Path, clean: Path) -> Comparison:
    """What manifests of two trees show, whose files are read from their folders."""
    trees = {Side.CACHED: cached, Side.CLEAN: clean}
    everyone = everyone_installed()
    limit = content_policy(everyone).largest
    pair = TreePair(
        cached=ours,
        clean=theirs,
        read=lambda side, path: read_file(trees[side], path, limit=limit(path)),
    )
    return compare(pair, everyone)


def _repositories(trees: Iterable[Path], differing: Iterable[str]) -> Iterator[str]:
    """The checkouts, and repositories that are none's, in which something differs.

    What a repository is depends on all of its files, not only on those that differ.
    """
    folders = sorted({folder for path in differing for folder in parents(path)})
    for tree in trees:
        with Directory.top(tree) as top:
            for folder in folders:
                # One of the two trees may have nothing there.
                with suppress(ManifestError), top.parent_of(f"{folder}/HEAD") as (opened, _):
                    found = opened.listing()
                    if {*PARTS} <= {*found.files, *found.folders, *found.others}:
                        yield folder.removesuffix("/.git") if folder != ".git" else HERE


def _glob(path: str) -> str:
    """A pattern that matches a path only."""
    return re.sub(r"[*?[]", r"[\g<0>]", path)


def _manifest(
    tree: Path, roots: tuple[str, ...], entries: dict[str, Entry], python: Iterable[str]
) -> Manifest:
    """A manifest of differing entries, with what tells whether Python uses compiled files.

    Of those that are alike in both trees the content is left out.
    """
    times: dict[str, int] = {}
    inside: dict[str, list[str]] = {}
    for path in python:
        inside.setdefault(path.rpartition("/")[0], []).append(path)
    with Directory.top(tree) as top:
        for siblings in inside.values():
            with top.parent_of(siblings[0]) as (folder, _):
                for path in siblings:
                    status = folder.status(native(path.rpartition("/")[2]))
                    times[path] = int(status.st_mtime)
                    entries.setdefault(path, file_entry(0, status.st_size, ""))
    return Manifest(roots=roots, entries=entries, times=times)


@dataclass(slots=True)
class _Side:
    """Differing paths of one tree; `leaves` are those that are not directories."""

    paths: set[str] = field(default_factory=set)
    leaves: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Found:
    """What was found so far; `in_both` are the paths compared that both trees have alike."""

    cached: _Side = field(default_factory=_Side)
    clean: _Side = field(default_factory=_Side)
    in_both: int = 0
    python: list[str] = field(default_factory=list)
    linked: bool = False

    def differ(self, path: str) -> None:
        self.cached.paths.add(path)
        self.clean.paths.add(path)


class _Pairs:
    """Compares regular files that have one path."""

    task = COMPARE
    answer_size = len(SAME)

    def __init__(self, found: _Found) -> None:
        self._found = found

    def read(self, folders: Directories, names: Sequence[str]) -> None:
        ours, theirs = folders
        for name in names:
            try:
                equal = same(ours.fd, theirs.fd, name)
            except OSError:
                with ours.file(name) as one, theirs.file(name) as other:
                    equal = same_open(one, other)
            if not equal:
                self._found.differ(ours.child(name))

    def take(self, folders: Directories, names: Sequence[str], answer: bytes) -> None:
        if answer == SAME * len(names):
            return
        for place, name in enumerate(names):
            said = answer[place : place + 1]
            if said == OTHER:
                self._found.differ(folders[0].child(name))
            elif said != SAME:
                self.read(folders, (name,))


class _Pair:
    """The open folders of one path in both trees."""

    __slots__ = ("ours", "theirs")

    def __init__(self, ours: Directory, theirs: Directory) -> None:
        self.ours = ours
        self.theirs = theirs

    def enter(self, name: str) -> "_Pair":
        ours = self.ours.enter(name)
        try:
            return _Pair(ours, self.theirs.enter(name))
        except BaseException:
            ours.close()
            raise

    def close(self) -> None:
        try:
            self.ours.close()
        finally:
            self.theirs.close()


def _root_of_both(tops: _Pair, root: str, found: _Found, files: Readers) -> None:
    def visit(pair: _Pair) -> list[str]:
        if pair.ours.entry() != pair.theirs.entry():
            found.differ(pair.ours.path)
        return _compare_names(pair, pair.ours.listing(), pair.theirs.listing(), found, files)

    if root == HERE:
        walk(tops, visit)
        return
    with tops.ours.parent_of(root) as (ours, name), tops.theirs.parent_of(root) as (theirs, _):
        parents = _Pair(ours, theirs)
        for inner in _compare_names(
            parents, ours.listing_of(name), theirs.listing_of(name), found, files
        ):
            with closing(parents.enter(inner)) as start:
                walk(start, visit)


def _root_of_one(top: Directory, root: str, side: _Side) -> None:
    with top.parent_of(root) as (folder, name):
        _list_all(folder, folder.listing_of(name), side)


def _compare_names(
    pair: _Pair, ours: Listing, theirs: Listing, found: _Found, files: Readers
) -> list[str]:
    """Compares what is in two folders; gives the names of the folders that both have."""
    links = (*ours.others, *theirs.others)
    found.linked |= any(name.endswith(_OF_PYTHON) for name in links)
    shared = (
        ours
        if ours == theirs
        else Listing(
            files=_shared(ours.files, theirs.files),
            folders=_shared(ours.folders, theirs.folders),
            others=_shared(ours.others, theirs.others),
        )
    )
    if shared.files:
        files.add((pair.ours, pair.theirs), shared.files)
        python = [name for name in shared.files if name.endswith(_OF_PYTHON)]
        found.python += pair.ours.children(python)
    for name in shared.others:
        if pair.ours.special(name) != pair.theirs.special(name):
            found.differ(pair.ours.child(name))
    found.in_both += len(shared.files) + len(shared.others)
    if shared is not ours:
        _list_all(pair.ours, _without(ours, shared), found.cached)
        _list_all(pair.theirs, _without(theirs, shared), found.clean)
    return shared.folders


def _shared(ours: list[str], theirs: list[str]) -> list[str]:
    return list({*ours} & {*theirs})


def _without(listing: Listing, shared: Listing) -> Listing:
    return Listing(
        files=list({*listing.files} - {*shared.files}),
        folders=list({*listing.folders} - {*shared.folders}),
        others=list({*listing.others} - {*shared.others}),
    )


def _list_all(folder: Directory, listing: Listing, side: _Side) -> None:
    """Notes what the other tree has not or is no such thing there, with all that is in it."""

    def enter(inside: Directory, names: Listing) -> list[str]:
        leaves = inside.children((*names.files, *names.others))
        side.leaves.update(leaves)
        side.paths.update(leaves, inside.children(names.folders))
        return names.folders

    for name in enter(folder, listing):
        with folder.enter(name) as start:
            walk(start, lambda inside: enter(inside, inside.listing()))
