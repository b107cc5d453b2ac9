"""Keeps builds, each under the digest of all that went into it."""

import contextlib
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic

from harness.errors import CacheError, HarnessError, StoreError
from harness.storage.caches.listing import pack
from harness.storage.caches.restore import lay_out
from harness.storage.caches.save import record
from harness.storage.content_store import ContentStore
from harness.storage.locks import locked
from harness.storage.records import dump, load, plain
from harness.storage.store import Store
from harness.storage.stored_build import (
    FACTS,
    LOG,
    Facts,
    R,
    StoredBuild,
    StoredCache,
    StoredTree,
    cache_file,
    contents_file,
    manifest_file,
    text_file,
)
from harness.storage.tree_contents import keep_contents
from harness.trees.explainer import PLAIN, ContentPolicy
from harness.trees.manifest import Manifest, to_json

DROPPED: Final = ".dropped-"
LOCKS: Final = ".locks"
_LOOK = 0.05  # seconds between looks whether a build is free, or is waited for no longer


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTree:
    """A tree to be kept: its name, its path inside the sandbox, its folder, and its manifest."""

    name: str
    path: str
    folder: Path
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCache:
    """A cache to be kept: its name, and its folder; None for the one that the build was given."""

    name: str
    folder: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBuild(Generic[R]):
    """A build that has ended and is to be stored.

    Attributes:
        record: What is kept of it, a frozen dataclass; see `StoredBuild.record`.
        log: The file with its whole output, which is moved.
        trees: The trees that it left.
        caches: The caches that it left; none where no build will be given them.
        texts: Further records by name, each kept in a file of its own, as not everyone who asks
            for the build reads them.
    """

    record: R
    log: Path
    trees: tuple[NewTree, ...]
    caches: tuple[NewCache, ...] = ()
    texts: Mapping[str, object] = field(default_factory=dict)


class BuildStore(Generic[R]):
    """The stored builds; safe to use from several threads and processes at once."""

    def __init__(
        self,
        store: Store,
        kind: type[R],
        *,
        policy: ContentPolicy = PLAIN,
        fresh: bool = False,
    ) -> None:
        """Opens a store's builds.

        Args:
            store: Where they are kept.
            kind: The type of the record that is kept of each.
            policy: Which contents of their trees are kept, and how.
            fresh: Whether what earlier runs kept is passed over.
        """
        self._store = store
        self._kind = kind
        self._builds = str(store.builds)
        self._policy = policy
        self._content_store = ContentStore(store.contents, headed=policy.headed)
        self._fresh = fresh
        self._own: set[str] = set()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keeps others from removing what is stored for as long as the block runs.

        Raises:
            StoreError: The store cannot be written.
        """
        with holding(self._store, shared=True):
            yield

    @contextlib.contextmanager
    def only_one(self, key: str, *, stopped: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Holds a build, so that whoever else wants it waits until it is there.

        Args:
            key: The build's.
            stopped: Asked now and then while another holds it: whether to wait no longer.

        Raises:
            HarnessError: It was waited for no longer.
        """
        lock = self._store.builds / LOCKS / key
        with contextlib.ExitStack() as held:
            with writing(self._store):
                lock.parent.mkdir(parents=True, exist_ok=True)
                while True:
                    try:
                        held.enter_context(locked(lock, wait=False))
                        break
                    except BlockingIOError:
                        if stopped():
                            raise HarnessError("stopped") from None
                        time.sleep(_LOOK)
            yield

    def find(self, key: str) -> StoredBuild[R] | None:
        """The stored build of a key, or None; a damaged one is not a build.

        Raises:
            StoreError: It is damaged; it was dropped, and the key is free again.
        """
        # Asked of every build of a large suite: a Path for each would take longer than the look.
        if (self._fresh and key not in self._own) or not os.path.isdir(self._place(key)):  # noqa: PTH112
            return None
        folder = self._folder(key)
        try:
            facts = load(Facts, (folder / FACTS).read_bytes().decode("ascii", "replace"))
            whole = facts.key == key and all(
                hashlib.sha256((folder / manifest_file(tree.name)).read_bytes()).hexdigest()
                == tree.manifest
                for tree in facts.trees
            )
            found = StoredBuild(
                facts=facts, kind=self._kind, folder=folder, content_store=self._content_store
            )
            _ = found.record
        except (FileNotFoundError, StoreError):
            whole = False
        if not whole:
            self.drop(key)
            raise StoreError(f"the stored build {key[:12]} was damaged")
        with contextlib.suppress(OSError):
            os.utime(folder / FACTS)
        return found

    def has_caches(self, build: StoredBuild[R]) -> bool:
        """Whether a build's caches are kept, and still as the build left them."""
        if not build.facts.caches:
            return False
        try:
            listings = [build.listing(cache) for cache in build.caches]
        except CacheError:
            return False
        contents = {one for listing in listings for one in listing.contents()}
        return all(self._content_store.has(name, size) for name, size in contents)

    def lay_out_cache(self, build: StoredBuild[R], name: str, target: Path) -> None:
        """Makes a copy of a cache that a build left, with times, modes, links and hard links.

        Args:
            build: The build.
            name: The cache's name.
            target: The copy's path; nothing is there yet.

        Raises:
            CacheError: The cache is not kept or damaged, or the copy cannot be made.
            StoreError: There is no room for it.
        """
        lay_out(build.listing(name), self._content_store, target)

    def keep(
        self,
        key: str,
        new: NewBuild[R],
        *,
        parent: StoredBuild[R] | None,
        aside: Path | None = None,
    ) -> StoredBuild[R]:
        """Stores a build in place of what was there under its key.

        Args:
            key: The digest of all that went in.
            new: The build; its trees are done with afterwards.
            parent: The build whose caches it was given.
            aside: A folder that is not there yet: the build is put there instead, and no other
                run finds it, as another run of it may end otherwise.

        Raises:
            StoreError: The store cannot be written.
        """
        manifests = {tree.name: to_json(tree.manifest) for tree in new.trees}
        caches = [self._keep_cache(cache, parent) for cache in new.caches]

        def fill(folder: Path) -> Facts:
            trees = []
            for tree in new.trees:
                text = manifests[tree.name]
                (folder / manifest_file(tree.name)).write_text(text, encoding="ascii")
                contents = folder / contents_file(tree.name)
                left_out = keep_contents(
                    tree.manifest, tree.folder, self._content_store, contents, policy=self._policy
                )
                trees.append(
                    StoredTree(
                        name=tree.name,
                        path=tree.path,
                        manifest=hashlib.sha256(text.encode("ascii")).hexdigest(),
                        left_out=left_out,
                    )
                )
            for name, kept in new.texts.items():
                (folder / text_file(name)).write_text(dump(kept), encoding="ascii")
            shutil.move(new.log, folder / LOG)
            for cache, packed in caches:
                (folder / cache_file(cache.name)).write_bytes(packed)
            facts = Facts(
                key=key,
                instance=secrets.token_hex(16),
                parent=parent.facts.instance if parent else "",
                trees=tuple(trees),
                caches=tuple(cache for cache, _ in caches),
                record=plain(new.record),
            )
            (folder / FACTS).write_text(dump(facts), encoding="ascii")
            return facts

        with writing(self._store):
            if aside is not None:
                aside.mkdir(parents=True)
                return self._stored(fill(aside), aside, stored=False)
            self.drop(key)
            with self._store.staged(self._folder(key)) as staging:
                facts = fill(staging)
        self._own.add(key)
        return self._stored(facts, self._folder(key))

    def _stored(self, facts: Facts, folder: Path, *, stored: bool = True) -> StoredBuild[R]:
        return StoredBuild(
            facts=facts,
            kind=self._kind,
            folder=folder,
            content_store=self._content_store,
            stored=stored,
        )

    def _keep_cache(
        self, cache: NewCache, parent: StoredBuild[R] | None
    ) -> tuple[StoredCache, bytes]:
        """Keeps a cache's contents; gives what is known of it, and its packed listing."""
        if cache.folder is None and parent is not None:
            return parent.caches[cache.name], parent.packed_listing(cache.name)
        with writing(self._store), contextlib.ExitStack() as exits:
            empty = exits.enter_context(self._store.scratch(self._store.builds))
            listing = record(cache.folder or empty, self._content_store)
        packed = pack(listing)
        digest = hashlib.sha256(packed).hexdigest()
        kept = StoredCache(
            name=cache.name,
            digest=digest,
            count=listing.count,
            files=listing.files,
            size=listing.size,
        )
        return kept, packed

    def forget_own(self) -> None:
        """Drops what this run stored."""
        for key in self._own:
            self.drop(key)

    def drop(self, key: str) -> None:
        """Makes a key free again; what was there is removed once nobody can be using it."""
        folder = self._folder(key)
        with contextlib.suppress(FileNotFoundError), writing(self._store):
            folder.rename(folder.with_name(f"{DROPPED}{secrets.token_hex(6)}"))

    def _place(self, key: str) -> str:
        return f"{self._builds}/{key[:2]}/{key}"

    def _folder(self, key: str) -> Path:
        return Path(self._place(key))


@contextlib.contextmanager
def holding(store: Store, *, shared: bool, wait: bool = True) -> Iterator[None]:
    """Holds the builds: shared, so that nobody removes any, or alone, to remove some.

    Raises:
        BlockingIOError: Somebody else holds them, and `wait` is false.
        StoreError: The store cannot be written.
    """
    with contextlib.ExitStack() as held:
        with writing(store):
            store.builds.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(store.builds, shared=shared, wait=wait))
        yield


@contextlib.contextmanager
def writing(store: Store) -> Iterator[None]:
    """Has what the store's file system refuses raised as what a person can act on.

    Raises:
        StoreError: The store cannot be written.
    """
    try:
        yield
    except (FileNotFoundError, BlockingIOError):
        raise
    except OSError as error:
        raise _unwritable(store.root, error) from error


def _unwritable(place: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write to the store at {place}: {error.strerror or error}",
        hint="free some room (`cache-harness store prune`), or choose another with --store DIR",
    )
