"""A build as it is stored: what is known of it, its trees, and the caches that it left."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from harness.errors import CacheError
from harness.storage.caches.listing import CacheListing, unpack
from harness.storage.content_store import ContentStore
from harness.storage.records import load, restored
from harness.storage.tree_contents import Contents
from harness.trees.manifest import Manifest, from_json
from harness.trees.named import APP

R = TypeVar("R")

FACTS: Final = "facts"
LOG: Final = "log"
_TAIL_LINES = 40


def manifest_file(tree: str) -> str:
    """The name of the file with a tree's manifest."""
    return f"{tree}.manifest"


def contents_file(tree: str) -> str:
    """The name of the file by which the contents of a tree's files are found."""
    return f"{tree}.contents"


def text_file(name: str) -> str:
    """The name of the file with a text that whoever stores builds keeps with one."""
    return f"{name}.text"


def cache_file(cache: str) -> str:
    """The name of the file that lists what a cache holds."""
    return f"{cache}.cache"


def is_cache_file(name: str) -> bool:
    """Whether a file of a stored build lists what a cache holds."""
    return name.endswith(".cache")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTree:
    """A tree that is kept.

    Attributes:
        name: Its name.
        path: Where it was inside the sandbox.
        manifest: The sha256 of its stored manifest.
        left_out: The files whose contents are not kept, as they are too large.
    """

    name: str
    path: str
    manifest: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCache:
    """A cache that is kept.

    Attributes:
        name: Its name.
        digest: The sha256 of its packed listing.
        count: How many entries it has.
        files: How many of them are no folders.
        size: The bytes of all its files.
    """

    name: str
    digest: str
    count: int
    files: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the store knows of a build.

    Attributes:
        key: The digest of all that went in.
        instance: This run of it; another run of the same build is another.
        parent: The instance whose caches it was given, or empty.
        trees: The trees that it left.
        caches: The caches that it left; none where no build is to be given them.
        record: What whoever stores builds keeps of it, as `harness.storage.records` writes it.
    """

    key: str
    instance: str
    parent: str
    trees: tuple[StoredTree, ...]
    caches: tuple[StoredCache, ...]
    record: Any


@dataclass(frozen=True, kw_only=True)
class StoredBuild(Generic[R]):
    """A build that has ended.

    Attributes:
        facts: What the store knows of it.
        kind: The type of its record.
        folder: Its log, and what is known of its trees and caches.
        content_store: Where the contents of these are.
        stored: Whether later runs find it as well.
    """

    facts: Facts
    kind: type[R]
    folder: Path
    content_store: ContentStore
    stored: bool = True

    @cached_property
    def record(self) -> R:
        """What is kept of it.

        Raises:
            StoreError: It has another version.
        """
        return restored(self.kind, self.facts.record)

    @property
    def log(self) -> Path:
        """Its whole output."""
        return self.folder / LOG

    @property
    def text(self) -> str:
        """Its whole output as text; what is not UTF-8 is replaced."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def trees(self) -> tuple[str, ...]:
        """The names of the trees that it left."""
        return tuple(tree.name for tree in self.facts.trees)

    def place(self, tree: str = APP) -> str:
        """Where a tree was inside the sandbox."""
        return next(one.path for one in self.facts.trees if one.name == tree)

    def manifest(self, tree: str = APP) -> Manifest:
        """What was compared of a tree.

        Raises:
            ManifestError: It is damaged.
        """
        return from_json((self.folder / manifest_file(tree)).read_text(encoding="ascii"))

    def contents(self, tree: str = APP) -> Contents:
        """The contents of the files in a tree's manifest.

        Raises:
            ManifestError: What is known of them is damaged.
        """
        return Contents(self.content_store, self.folder / contents_file(tree))

    def kept_text(self, name: str, kind: type[Any]) -> Any:
        """A record that was stored beside the build, of a type; see `NewBuild.texts`.

        Raises:
            StoreError: It is damaged.
        """
        path = self.folder / text_file(name)
        return load(kind, path.read_text(encoding="ascii", errors="replace"))

    def log_tail(self) -> tuple[str, ...]:
        """The last lines of its output."""
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            return tuple(line.rstrip() for line in deque(lines, maxlen=_TAIL_LINES))

    @property
    def caches(self) -> Mapping[str, StoredCache]:
        """The caches that it left, by name."""
        return {cache.name: cache for cache in self.facts.caches}

    def listing(self, cache: str) -> CacheListing:
        """What a cache holds that it left.

        Raises:
            CacheError: The cache is not kept, or the listing is damaged.
        """
        return unpack(self.packed_listing(cache), digest=self.caches[cache].digest)

    def packed_listing(self, cache: str) -> bytes:
        """The same as it is stored.

        Raises:
            CacheError: The cache is not kept.
        """
        try:
            if cache in self.caches:
                return (self.folder / cache_file(cache)).read_bytes()
        except OSError:
            pass
        raise CacheError(
            f"the cache of build {self.facts.key[:12]} is no longer stored", hint="run it again"
        )
