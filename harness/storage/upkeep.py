"""What is stored, how much room it takes, whether it is whole, and what goes when room is short."""

import contextlib
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import CacheError, HarnessError, ManifestError, StoreError
from harness.storage.builds import DROPPED, LOCKS, BuildStore, holding, writing
from harness.storage.content_store import ContentStore
from harness.storage.records import load
from harness.storage.store import Store
from harness.storage.stored_build import (
    FACTS,
    Facts,
    StoredBuild,
    StoredTree,
    is_cache_file,
    manifest_file,
)
from harness.trees.manifest import EntryKind, digests_in
from harness.trees.removal import remove_tree

DEFAULT_LIMIT: Final = 10 * 1024**3
"""Bytes that stored builds may take before the least recently used are removed."""
_ROOMY: Final = DEFAULT_LIMIT - DEFAULT_LIMIT // 10
_STORED = f"??/[0-9a-f]*/{FACTS}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A stored build in a listing.

    Attributes:
        build: The build.
        size: Bytes that it takes, apart from its caches, and from contents, which others may share.
        listings: Bytes that the listings of its caches take, 0 where none is stored.
        used: When it was last used, in seconds since the epoch.
    """

    build: StoredBuild[Any]
    size: int
    listings: int
    used: float

    @property
    def has_caches(self) -> bool:
        """Whether any of its caches is kept."""
        return self.listings > 0


class Upkeep:
    """Lists, verifies and prunes the builds of a store, whatever is kept of each."""

    def __init__(self, store: Store) -> None:
        """Args: the store."""
        self._store = store
        self._content_store = ContentStore(store.contents)

    def in_use(self) -> AbstractContextManager[None]:
        """Keeps others from removing what is stored; see `BuildStore.in_use`."""
        return BuildStore(self._store, object).in_use()

    def listing(self) -> tuple[Listed, ...]:
        """Every stored build, the least recently used first."""
        return self._survey()[0]

    def contents_rooms(self) -> tuple[int, ...]:
        """Bytes that each content takes that builds or their caches hold.

        Raises:
            StoreError: The store cannot be read.
        """
        with writing(self._store):
            return tuple(self._content_store.rooms().values())

    def verify(self) -> Iterator[tuple[str, str]]:
        """Reads all that is stored; gives key and fault of damaged builds, which are removed.

        Raises:
            StoreError: The store cannot be read.
        """
        builds = BuildStore(self._store, object)
        # A build that held a damaged content lacks it from now on, as is seen below.
        with writing(self._store):
            deque(self._content_store.verify(), maxlen=0)
        for folder in sorted(self._folders()):
            key = folder.name
            try:
                build = builds.find(key)
                if build is None:
                    continue
                fault = self._fault(builds, build)
            except HarnessError as error:
                fault = error.message
            if fault:
                builds.drop(key)
                yield key, fault

    def make_room(self) -> int | None:
        """Prunes what is over the limit, and a tenth more: the next runs need not look for room.

        Returns and raises as `prune` does.
        """
        return self.prune(limit=_ROOMY, above=DEFAULT_LIMIT)

    def prune(
        self, *, limit: int = DEFAULT_LIMIT, above: int | None = None, age: float | None = None
    ) -> int | None:
        """Removes what is least recently used: caches first, which only a new build can miss.

        Args:
            limit: Bytes that may stay.
            above: Bytes up to which all may stay; the limit unless given.
            age: Seconds after which what nobody used goes as a whole.

        Returns:
            The bytes freed, or None where another run uses the store: the last one may prune.

        Raises:
            StoreError: Something cannot be removed.
        """
        if not self._store.builds.is_dir():
            return 0
        try:
            with (
                holding(self._store, shared=False, wait=False),
                writing(self._store),
            ):
                return self._prune(limit, limit if above is None else above, age)
        except BlockingIOError:
            return None

    def _prune(self, limit: int, above: int, age: float | None) -> int:
        for dropped in self._store.builds.glob(f"??/{DROPPED}*"):
            remove_tree(dropped)
        remove_tree(self._store.builds / LOCKS)
        kept, damaged = self._survey()
        for folder in damaged:  # or left by another version: nobody will ask for it
            remove_tree(folder)
        freed = 0
        if age is not None:
            oldest = time.time() - age
            freed = sum(_remove(one) for one in kept if one.used < oldest)
            kept = tuple(one for one in kept if one.used >= oldest)
            self._drop_judgements(oldest)
        rooms = self._content_store.rooms()
        total = sum(one.size + one.listings for one in kept) + sum(rooms.values())
        if age is None and total <= above:
            return freed
        shelf = _Shelf(rooms, limit)
        newest = kept[::-1]
        staying = [one for one in newest if shelf.takes(one.size, _compared(one.build))]
        freed += sum(_remove(one) for one in newest[len(staying) :])
        for one in staying:
            if one.has_caches and not shelf.takes(one.listings, _cached(one.build)):
                freed += _remove_caches(one)
        return freed + self._content_store.keep_only(shelf.contents)

    def _drop_judgements(self, oldest: float) -> None:
        for path in self._store.judgements.glob("??/[0-9a-f]*"):
            if path.stat().st_mtime < oldest:
                path.unlink()

    def _survey(self) -> tuple[tuple[Listed, ...], tuple[Path, ...]]:
        """The stored builds, the least recently used first; and the folders of damaged ones."""
        kept, damaged = [], []
        for folder in self._folders():
            try:
                kept.append(self._listed(folder))
            except StoreError:
                damaged.append(folder)
            except OSError:  # it is being replaced
                continue
        ordered = sorted(kept, key=lambda one: (one.used, one.build.facts.key))
        return tuple(ordered), tuple(damaged)

    def _folders(self) -> Iterator[Path]:
        """The folders of all stored builds."""
        return (facts.parent for facts in self._store.builds.glob(_STORED))

    def _listed(self, folder: Path) -> Listed:
        """What a listing shows of the build in a folder.

        Raises:
            StoreError: It is damaged.
        """
        path = folder / FACTS
        sizes = {each.name: each.lstat().st_size for each in folder.iterdir()}
        facts = load(Facts, path.read_text(encoding="ascii", errors="replace"))
        return Listed(
            build=StoredBuild(
                facts=facts, kind=object, folder=folder, content_store=self._content_store
            ),
            size=sum(size for name, size in sizes.items() if not is_cache_file(name)),
            listings=sum(size for name, size in sizes.items() if is_cache_file(name)),
            used=path.stat().st_mtime,
        )

    def _fault(self, builds: BuildStore[Any], build: StoredBuild[Any]) -> str:
        if any(map(_lacks_contents, (build,) * len(build.facts.trees), build.facts.trees)):
            return "a file's content was damaged"
        has_caches = any(is_cache_file(path.name) for path in build.folder.iterdir())
        if has_caches and not builds.has_caches(build):
            return "its cache was changed"
        return ""


def _lacks_contents(build: StoredBuild[Any], tree: StoredTree) -> bool:
    contents, left_out = build.contents(tree.name), {*tree.left_out}
    return any(
        entry.kind is EntryKind.FILE and path not in left_out and contents.lacks(entry)
        for path, entry in build.manifest(tree.name).entries.items()
    )


def _compared(build: StoredBuild[Any]) -> list[str]:
    """The contents that are kept of the files in a build's manifests."""
    names: list[str] = []
    for tree in build.trees:
        with contextlib.suppress(OSError, ManifestError):
            path = build.folder / manifest_file(tree)
            manifest = path.read_text(encoding="ascii", errors="replace")
            names += [*digests_in(manifest), *build.contents(tree).names()]
    return names


def _cached(build: StoredBuild[Any]) -> list[str]:
    """The contents that a build's caches hold."""
    names: list[str] = []
    for cache in build.caches:
        with contextlib.suppress(CacheError):
            names += [name for name, _ in build.listing(cache).contents()]
    return names


def _remove(one: Listed) -> int:
    """Removes a build and gives the bytes that are free then."""
    remove_tree(one.build.folder)
    return one.size + one.listings


def _remove_caches(one: Listed) -> int:
    """Removes a build's caches and gives the bytes that are free then."""
    for path in one.build.folder.iterdir():
        if is_cache_file(path.name):
            path.unlink()
    return one.listings


class _Shelf:
    """What may stay, from the newest on, each content counted once."""

    def __init__(self, rooms: Mapping[str, int], room: int) -> None:
        """Args: bytes that each content takes, by its name; and bytes that may stay."""
        self.contents: set[str] = set()
        self._rooms = rooms
        self._room = room

    def takes(self, own: int, contents: Iterable[str]) -> bool:
        """Whether something still fits, with the contents that it names; if not, nothing will."""
        new = set(contents) - self.contents
        wanted = own + sum(self._rooms.get(name, 0) for name in new)
        if wanted > self._room:
            self._room = 0
            return False
        self._room -= wanted
        self.contents |= new
        return True
