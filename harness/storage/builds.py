"""Keeps builds and what was judged of them, each under the digest of all that went into it."""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from harness.builds.run import Build
from harness.ecosystems.python.ages import Ages
from harness.ecosystems.python.distributions import Distribution
from harness.ecosystems.python.ecosystem import PythonEcosystem
from harness.errors import CacheError, HarnessError, ManifestError, StoreError
from harness.internet import Request
from harness.sandboxes import End, Outcome
from harness.storage.caches.listing import CacheListing, unpack
from harness.storage.caches.listing import pack as pack_listing
from harness.storage.caches.restore import lay_out
from harness.storage.caches.save import record
from harness.storage.content_store import Pool
from harness.storage.records import dump, load
from harness.storage.store import Store
from harness.storage.tree_contents import Contents, keep_contents
from harness.trees.explainer import largest as largest_of
from harness.trees.git.explainer import GitExplainer
from harness.trees.manifest import EntryKind, Manifest, digests_in, from_json, to_json
from harness.trees.removal import remove_tree
from harness.verdicts.result import Step

DEFAULT_LIMIT: Final = 10 * 1024**3
"""Bytes that stored builds may take before the least recently used are dropped."""
_ROOMY: Final = DEFAULT_LIMIT - DEFAULT_LIMIT // 10

largest = largest_of((PythonEcosystem(), GitExplainer()))
_CACHE = "cache"
_CONTENTS = "contents"
_DROPPED = ".dropped-"
_STORED = "??/[0-9a-f]*/facts"
_TAIL_LINES = 40
_LOOK = 0.5  # seconds between looks whether to wait any longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a built tree lacks of an expectation, as a sentence's end; empty where it meets it."""

    expectation: str
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCache:
    """A cache that is kept, by the sha256 of its packed listing, with its size in bytes."""

    digest: str
    count: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is told of a build apart from its files.

    Attributes:
        key: The digest of all that went in.
        instance: This run of it; another run of the same build is another.
        parent: The instance whose cache it was given, or empty.
        in_memory: Whether its folders were in memory, not on disk.
        outcome: How it ended.
        failed: The command that decided a failure; empty where it passed.
        requests: What it asked the sealed internet for.
        checks: What was expected of its tree, and what came of it.
        released: What its commands told the platform of what is deployed.
        began: When it began, in seconds since the epoch.
        manifest: sha256 of the stored manifest.
        cache: The cache that it left; None where no build is to be given it.
    """

    key: str
    instance: str
    parent: str
    in_memory: bool
    outcome: Outcome
    failed: str
    requests: tuple[Request, ...]
    checks: tuple[Check, ...]
    released: str
    began: float
    manifest: str
    cache: StoredCache | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What a build left installed, and which files that tell of it are older than the build."""

    distributions: tuple[Distribution, ...]
    ages: Ages


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A build that has ended.

    Attributes:
        facts: What is told of it.
        folder: Its log, and what is known of its files and cache.
        pool: Where the contents of these are.
        stored: Whether later runs find it as well.
    """

    facts: Facts
    folder: Path
    pool: Pool
    stored: bool = True

    @property
    def log(self) -> Path:
        """Its whole output."""
        return self.folder / "log"

    def manifest(self) -> Manifest:
        """What was compared of its tree.

        Raises:
            ManifestError: It is damaged.
        """
        return from_json((self.folder / "manifest").read_text(encoding="ascii"))

    def distributions(self) -> tuple[Distribution, ...]:
        """What is installed in its tree.

        Raises:
            StoreError: It is damaged.
        """
        return self.installed().distributions

    def installed(self) -> Installed:
        """The same, and which files that tell of it are older than the build.

        Raises:
            StoreError: It is damaged.
        """
        text = (self.folder / "distributions").read_text(encoding="ascii", errors="replace")
        return load(Installed, text)

    def log_tail(self) -> tuple[str, ...]:
        """The last lines of its output."""
        with self.log.open(encoding="utf-8", errors="replace") as lines:
            return tuple(line.rstrip() for line in deque(lines, maxlen=_TAIL_LINES))

    def contents(self) -> Contents:
        """The contents of the files in its manifest.

        Raises:
            ManifestError: What is known of them is damaged.
        """
        return Contents(self.pool, self.folder / _CONTENTS)

    def check(self, expectation: str) -> str | None:
        """What its tree lacks of an expectation; None where that was not looked at."""
        return next(
            (one.fault for one in self.facts.checks if one.expectation == expectation), None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A stored build in a listing.

    Attributes:
        key: Its key.
        folder: Where it is.
        size: Bytes that it takes, apart from its cache and from contents, which may be others' too.
        listing: Bytes that its cache's listing takes, 0 where none is kept.
        facts: What is told of it.
        used: When it was last used.
    """

    key: str
    folder: Path
    size: int
    listing: int
    facts: Facts
    used: float

    @property
    def has_cache(self) -> bool:
        """Whether its cache is kept."""
        return self.listing > 0


class BuildStore:
    """The stored builds; safe to use from several threads and processes at once."""

    def __init__(self, store: Store, *, fresh: bool = False) -> None:
        """Args: where they are kept, and whether what earlier runs kept is passed over."""
        self._store = store
        self._builds = str(store.builds)
        self._pool = Pool(store.contents)
        self._fresh = fresh
        self._own: set[str] = set()

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keeps others from removing what is stored for as long as the block runs.

        Raises:
            StoreError: The store cannot be written.
        """
        with _locked(self._store.builds, exclusive=False):
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
        locks = self._store.builds / ".locks"
        with _writing(self._store):
            locks.mkdir(parents=True, exist_ok=True)
            lock = FileLock(locks / key)
            while True:
                try:
                    lock.acquire(timeout=_LOOK)
                except Timeout:
                    if stopped():
                        raise HarnessError("stopped") from None
                else:
                    break
        try:
            yield
        finally:
            lock.release()

    def find(self, key: str) -> Built | None:
        """The stored build of a key, or None; a damaged one is no build.

        Raises:
            StoreError: It is damaged; it was dropped, and the key is free again.
        """
        # Asked of every build of a large suite: a Path for each would take longer than the look.
        if (self._fresh and key not in self._own) or not os.path.isdir(self._place(key)):  # noqa: PTH112
            return None
        folder = self._folder(key)
        try:
            facts = load(Facts, (folder / "facts").read_bytes().decode("ascii", "replace"))
            manifest = hashlib.sha256((folder / "manifest").read_bytes()).hexdigest()
            whole = facts.key == key and manifest == facts.manifest
        except (FileNotFoundError, StoreError):
            whole = False
        if not whole:
            self.drop(key)
            raise StoreError(f"the stored build {key[:12]} was damaged")
        with contextlib.suppress(OSError):
            os.utime(folder / "facts")
        return Built(facts=facts, folder=folder, pool=self._pool)

    def has_cache(self, built: Built) -> bool:
        """Whether a build's cache is kept, and still as the build left it."""
        try:
            listing = _listing(built.folder, built.facts)
        except CacheError:
            return False
        return all(self._pool.has(name, size) for name, size in set(listing.contents()))

    def lay_out_cache(self, built: Built, target: Path) -> None:
        """Makes a copy of the cache that a build left, with times, modes, links and hard links.

        Args:
            built: The build.
            target: The copy's path; nothing is there yet.

        Raises:
            CacheError: The cache is not kept or damaged, or the copy cannot be made.
            StoreError: There is no room for it.
        """
        lay_out(_listing(built.folder, built.facts), self._pool, target)

    def keep(
        self,
        key: str,
        build: Build,
        *,
        in_memory: bool = False,
        with_cache: bool = True,
        parent: Built | None,
        manifest: Manifest,
        distributions: tuple[Distribution, ...],
        ages: Ages,
        checks: tuple[Check, ...],
        aside: Path,
    ) -> Built:
        """Stores a build in place of what was there under its key.

        Args:
            key: The digest of all that went in.
            build: The build; its tree is done with afterwards.
            in_memory: Whether it worked there.
            with_cache: Whether its cache is kept: a build that will be given one needs it.
            parent: The build whose cache it was given.
            manifest: What is compared of its tree.
            distributions: What is installed in it.
            ages: Which files that tell of that are older than the build.
            checks: What was expected of it.
            aside: A folder that is not there yet: a build which its time limit ended is put there,
                as another run of it may end otherwise.

        Raises:
            StoreError: The store cannot be written.
        """
        text = to_json(manifest)
        cache, listing = self._keep_cache(build.cache) if with_cache else (None, b"")
        facts = Facts(
            key=key,
            instance=secrets.token_hex(16),
            parent=parent.facts.instance if parent else "",
            in_memory=in_memory,
            outcome=build.outcome,
            failed=build.failed,
            requests=build.requests,
            checks=checks,
            released=build.released,
            began=build.began,
            manifest=hashlib.sha256(text.encode("ascii")).hexdigest(),
            cache=cache,
        )

        def fill(folder: Path) -> None:
            (folder / "manifest").write_text(text, encoding="ascii")
            installed = dump(Installed(distributions=distributions, ages=ages))
            (folder / "distributions").write_text(installed, encoding="ascii")
            contents = folder / _CONTENTS
            keep_contents(manifest, build.tree, self._pool, contents, largest=largest)
            shutil.move(build.log, folder / "log")
            if cache is not None:
                (folder / _CACHE).write_bytes(listing)
            (folder / "facts").write_text(dump(facts), encoding="ascii")

        with _writing(self._store):
            if build.outcome.end is End.TIMEOUT:
                aside.mkdir(parents=True)
                fill(aside)
                return Built(facts=facts, folder=aside, pool=self._pool, stored=False)
            self.drop(key)
            with self._store.staged(self._folder(key)) as staging:
                fill(staging)
        self._own.add(key)
        return Built(facts=facts, folder=self._folder(key), pool=self._pool)

    def _keep_cache(self, folder: Path) -> tuple[StoredCache, bytes]:
        """Keeps a cache's contents; gives what tells of it, and its packed listing."""
        with _writing(self._store):
            listing = record(folder, self._pool)
        packed = pack_listing(listing)
        digest = hashlib.sha256(packed).hexdigest()
        return StoredCache(digest=digest, count=listing.count, size=listing.size), packed

    def forget_own(self) -> None:
        """Drops what this run stored."""
        for key in self._own:
            self.drop(key)
            self._judgement(key).unlink(missing_ok=True)

    def drop(self, key: str) -> None:
        """Makes a key free again; what was there is removed once nobody can be using it."""
        folder = self._folder(key)
        with contextlib.suppress(FileNotFoundError), _writing(self._store):
            folder.rename(folder.with_name(f"{_DROPPED}{secrets.token_hex(6)}"))

    def judged(self, key: str) -> Step | None:
        """What was judged under a key before, or None."""
        if self._fresh and key not in self._own:
            return None
        path = self._judgement(key)
        try:
            step = load(Step, path.read_bytes().decode("ascii", "replace"))
            os.utime(path)
        except FileNotFoundError:
            return None
        except StoreError:
            path.unlink(missing_ok=True)
            return None
        return step

    def keep_judgement(self, key: str, step: Step) -> None:
        """Stores what was judged.

        Raises:
            StoreError: The store cannot be written.
        """
        path = self._judgement(key)
        staged = path.with_name(f".staged-{secrets.token_hex(6)}")
        with _writing(self._store):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                staged.write_text(dump(step), encoding="ascii")
                staged.replace(path)
            finally:
                staged.unlink(missing_ok=True)
        self._own.add(key)

    def listing(self) -> tuple[Kept, ...]:
        """Every stored build, the least recently used first."""
        return self._survey()[0]

    def _survey(self) -> tuple[tuple[Kept, ...], tuple[Path, ...]]:
        """The stored builds, the least recently used first; and the folders of damaged ones."""
        kept, damaged = [], []
        for folder in self._folders():
            try:
                kept.append(_kept(folder))
            except StoreError:
                damaged.append(folder)
            except OSError:  # it is being replaced
                continue
        return tuple(sorted(kept, key=lambda one: (one.used, one.key))), tuple(damaged)

    def _folders(self) -> Iterator[Path]:
        """The folders of all stored builds."""
        return (facts.parent for facts in self._store.builds.glob(_STORED))

    def verify(self) -> Iterator[tuple[str, str]]:
        """Reads all that is stored; gives key and fault of damaged builds, which are dropped.

        Raises:
            StoreError: The store cannot be read.
        """
        # A build that held a damaged content lacks it from now on, as is seen below.
        with _writing(self._store):
            deque(self._pool.verify(), maxlen=0)
        for folder in sorted(self._folders()):
            key = folder.name
            try:
                built = self.find(key)
                if built is None:
                    continue
                fault = self._fault(built)
            except HarnessError as error:
                fault = error.message
            if fault:
                self.drop(key)
                yield key, fault

    def _fault(self, built: Built) -> str:
        contents = built.contents()
        for path, entry in built.manifest().entries.items():
            is_kept = entry.kind is EntryKind.FILE and entry.size <= largest(path)
            if is_kept and contents.lacks(entry):
                return "a file's content was damaged"
        if (built.folder / _CACHE).exists() and not self.has_cache(built):
            return "its cache was changed"
        return ""

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
                _locked(self._store.builds, exclusive=True, wait=False),
                _writing(self._store),
            ):
                return self._prune(limit, limit if above is None else above, age)
        except BlockingIOError:
            return None

    def _prune(self, limit: int, above: int, age: float | None) -> int:
        for dropped in self._store.builds.glob(f"??/{_DROPPED}*"):
            remove_tree(dropped)
        remove_tree(self._store.builds / ".locks")
        kept, damaged = self._survey()
        for folder in damaged:  # or left by another version: nobody will ask for it
            remove_tree(folder)
        freed = 0
        if age is not None:
            oldest = time.time() - age
            freed = sum(_remove(one) for one in kept if one.used < oldest)
            kept = tuple(one for one in kept if one.used >= oldest)
            for path in self._store.judgements.glob("??/[0-9a-f]*"):
                if path.stat().st_mtime < oldest:
                    path.unlink()
        rooms = self._pool.rooms()
        total = sum(one.size + one.listing for one in kept) + sum(rooms.values())
        if age is None and total <= above:
            return freed
        shelf = _Shelf(rooms, limit)
        newest = kept[::-1]
        staying = [one for one in newest if shelf.takes(one.size, self._compared(one))]
        freed += sum(_remove(one) for one in newest[len(staying) :])
        for one in staying:
            if one.has_cache and not shelf.takes(one.listing, _cached(one)):
                (one.folder / _CACHE).unlink()
                freed += one.listing
        return freed + self._pool.keep_only(shelf.contents)

    def _compared(self, build: Kept) -> list[str]:
        """The contents that are kept of the files in a build's manifest."""
        built = Built(facts=build.facts, folder=build.folder, pool=self._pool)
        with contextlib.suppress(OSError, ManifestError):
            manifest = (build.folder / "manifest").read_text(encoding="ascii", errors="replace")
            return [*digests_in(manifest), *built.contents().names()]
        return []

    def contents_rooms(self) -> tuple[int, ...]:
        """Bytes that each content takes that builds or their caches hold.

        Raises:
            StoreError: The store cannot be read.
        """
        with _writing(self._store):
            return tuple(self._pool.rooms().values())

    def _place(self, key: str) -> str:
        return f"{self._builds}/{key[:2]}/{key}"

    def _folder(self, key: str) -> Path:
        return Path(self._place(key))

    def _judgement(self, key: str) -> Path:
        return self._store.judgements / key[:2] / key


def _listing(folder: Path, facts: Facts) -> CacheListing:
    """The listing of a build's cache.

    Raises:
        CacheError: The cache is not kept, or the listing is damaged.
    """
    try:
        packed = (folder / _CACHE).read_bytes() if facts.cache else None
    except OSError:
        packed = None
    if packed is None or facts.cache is None:
        raise CacheError(
            f"the cache of build {facts.key[:12]} is not kept any more", hint="run it again"
        )
    return unpack(packed, digest=facts.cache.digest)


def _kept(folder: Path) -> Kept:
    """What a listing tells of the build in a folder.

    Raises:
        StoreError: It is damaged.
    """
    facts = folder / "facts"
    sizes = {path.name: path.lstat().st_size for path in folder.iterdir()}
    listing = sizes.pop(_CACHE, 0)
    return Kept(
        key=folder.name,
        folder=folder,
        size=sum(sizes.values()),
        listing=listing,
        facts=load(Facts, facts.read_text(encoding="ascii", errors="replace")),
        used=facts.stat().st_mtime,
    )


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


def _cached(build: Kept) -> list[str]:
    """The contents that a build's cache holds."""
    with contextlib.suppress(CacheError):
        return [name for name, _ in _listing(build.folder, build.facts).contents()]
    return []


def _remove(build: Kept) -> int:
    """Removes a build and gives the bytes that are free then."""
    remove_tree(build.folder)
    return build.size + build.listing


@contextlib.contextmanager
def _locked(folder: Path, *, exclusive: bool, wait: bool = True) -> Iterator[None]:
    """Holds a folder's lock (flock(2)), which goes with its process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        fcntl.flock(descriptor, kind | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _writing(store: Store) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unwritable(store.root, error) from error


def _unwritable(place: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot write to the store at {place}: {error.strerror or error}",
        hint="free some room (`cache-harness store prune`), or choose another with --store DIR",
    )
