"""Keeps the contents of a built tree's files: to be judged, the tree itself need not be kept."""

from itertools import groupby
from pathlib import Path

from harness.folder import Folder, native
from harness.manifest import EntryKind, Manifest
from harness.pool import Pool


def keep_contents(manifest: Manifest, tree: Path, pool: Pool, *, largest: int) -> None:
    """Keeps what the regular files of a manifest hold, each content once.

    Args:
        manifest: What the tree held when it was read.
        tree: The tree's folder.
        pool: Where contents are kept.
        largest: Files of more bytes are left out.

    Raises:
        ManifestError: A file cannot be read, or holds something else by now.
        OSError: Something cannot be kept.
    """
    missing = {
        entry.digest: path
        for path, entry in manifest.entries.items()
        if entry.kind is EntryKind.FILE
        and entry.size <= largest
        and not pool.has(entry.digest, entry.size)
    }
    with Folder.top(tree) as top:
        for _, paths in groupby(missing.values(), key=lambda path: path.rpartition("/")[0]):
            siblings = list(paths)
            with top.parent_of(siblings[0]) as (folder, _):
                for path in siblings:
                    entry = manifest.entries[path]
                    with folder.opened(native(path.rpartition("/")[2])) as file:
                        pool.add(file, entry.digest, entry.size)
