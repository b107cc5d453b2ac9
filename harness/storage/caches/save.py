"""Lists a cache as a build left it, and keeps its contents in the content_store."""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.errors import CacheError
from harness.storage.caches.listing import CacheEntry, CacheFolder, CacheListing
from harness.storage.content_store import ContentStore, Headed
from harness.trees.directory import Directory, reading, walk
from harness.trees.reader_process import WORTH_A_PROCESS, Directories, Readers
from harness.trees.scan import Digests

_TOP = "."
# Each folder on the way is held open, here and by whoever lays the cache out.
_DEEPEST = 200

Attributes = tuple[tuple[str, str], ...]


def record(
    cache: Path, content_store: ContentStore, *, worth: int = WORTH_A_PROCESS
) -> CacheListing:
    """Lists all that a cache holds: contents, kinds, modes, times, links, hard links, attributes.

    No link is followed, and nothing is opened but folders and regular files. What its owner may
    not read is given that permission for as long as it takes.

    Args:
        cache: The cache's folder.
        content_store: Where contents are kept.
        worth: From so many files on, a second process reads with this one.

    Raises:
        CacheError: It is too deep.
        ManifestError: Something cannot be read, or changed while it was read.
        OSError: Something cannot be kept.
    """
    recorder = _Recorder(content_store)
    with Directory.top(cache) as top, Readers(recorder, worth=worth) as files:
        recorder.files = files
        walk(top, recorder.visit)
    return recorder.listing()


class _Recorder(Digests):
    """What is known so far; digests of files come after their folder was visited."""

    def __init__(self, content_store: ContentStore) -> None:
        self._content_store = content_store
        super().__init__({})
        self._folders: list[tuple[int, CacheEntry, str, list[CacheEntry]]] = []
        self._sparse: dict[str, str] = {}
        self._headed: dict[str, Headed] = {}
        self._twins: dict[tuple[int, int], str] = {}
        self.files: Readers

    def read(self, folders: Directories, names: Sequence[str]) -> None:
        super().read(folders, names)
        self._keep(folders[0], names)

    def take(self, folders: Directories, names: Sequence[str], answer: bytes) -> None:
        super().take(folders, names, answer)
        self._keep(folders[0], names)

    def _keep(self, folder: Directory, names: Sequence[str]) -> None:
        for name, path in zip(names, folder.children(names), strict=True):
            entry = self.entries[path]
            if self._content_store.is_headed(name, entry.size):
                with folder.opened(name) as file:
                    self._headed[path] = self._content_store.add_headed(
                        file, entry.digest, entry.size
                    )
            elif not self._content_store.has(entry.digest, entry.size):
                with folder.opened(name) as file:
                    self._content_store.add(file, entry.digest, entry.size)

    def visit(self, folder: Directory) -> list[str]:
        depth = 0 if folder.path == _TOP else folder.path.count("/") + 1
        if depth > _DEEPEST:
            raise CacheError(
                f"a cache is more than {_DEEPEST} folders deep, which cannot be saved",
                hint="look at what the buildpack saves: a folder may hold a copy of itself",
            )
        name = folder.path.rpartition("/")[2]
        own = _entry(name, os.fstat(folder.fd), _attributes(folder.fd))
        own = own._replace(mode=stat.S_IFDIR | folder.mode)
        entries: list[CacheEntry] = []
        inner, files = [], []
        for item, status in _statuses(folder):
            if stat.S_ISDIR(status.st_mode):
                inner.append(item.name)
                continue
            path = folder.child(item.name)
            entry = _entry(path.rpartition("/")[2], status, ())
            if stat.S_ISLNK(status.st_mode):
                entry = entry._replace(content=folder.special(item.name).target)
            if status.st_nlink > 1:
                twin = self._twins.setdefault((status.st_dev, status.st_ino), path)
                if twin != path:
                    entries.append(entry._replace(twin=twin))
                    continue
            if stat.S_ISREG(status.st_mode):
                entry = entry._replace(attributes=_attributes_of(folder, item.name))
                if status.st_blocks * 512 < status.st_size:
                    with folder.opened(item.name) as file:
                        self._sparse[path] = self._content_store.add_sparse(file, status.st_size)
                else:
                    files.append(item.name)
            entries.append(entry)
        self._folders.append((depth, own, folder.prefix, entries))
        if files:
            self.files.add((folder,), files)
        return inner[::-1]

    def listing(self) -> CacheListing:
        """What was found, once all files were read."""
        return CacheListing(
            tuple(
                CacheFolder(depth, own, tuple(self._whole(prefix, entry) for entry in entries))
                for depth, own, prefix, entries in self._folders
            )
        )

    def _whole(self, prefix: str, entry: CacheEntry) -> CacheEntry:
        if not stat.S_ISREG(entry.mode) or entry.twin:
            return entry
        path = prefix + entry.name
        if path in self._sparse:
            return entry._replace(content=self._sparse[path])
        found = self.entries[path]
        if path in self._headed:
            head, name = self._headed[path]
            return entry._replace(size=found.size, content=name, head=head.hex())
        return entry._replace(size=found.size, content=found.digest)


def _entry(name: str, status: os.stat_result, attributes: Attributes) -> CacheEntry:
    device = stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
    return CacheEntry(
        name,
        status.st_mode,
        status.st_mtime_ns,
        (status.st_uid, status.st_gid),
        size=status.st_size if stat.S_ISREG(status.st_mode) else 0,
        device=status.st_rdev if device else 0,
        attributes=attributes,
    )


def _statuses(folder: Directory) -> list[tuple[os.DirEntry[str], os.stat_result]]:
    with reading(folder.path), os.scandir(folder.fd) as found:
        items = sorted(found, key=lambda item: item.name)
        return [(item, item.stat(follow_symlinks=False)) for item in items]


def _attributes_of(folder: Directory, name: str) -> Attributes:
    return _attributes(f"/proc/self/fd/{folder.fd}/{name}")


def _attributes(of: int | str) -> Attributes:
    """Those that may be read, of a file system that has any."""
    found = []
    with suppress(OSError):
        for name in sorted(os.listxattr(of)):
            with suppress(OSError):
                found.append((name, os.getxattr(of, name).hex()))
    return tuple(found)
