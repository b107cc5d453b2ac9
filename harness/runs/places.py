"""Where the builds of a run work: folders in memory as long as there is room, else on disk."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.runs.memory import Room
from harness.runs.workspace import Workspace
from harness.trees.removal import Remover


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a build works: a folder that is not there yet, in memory or on disk."""

    folder: Path
    in_memory: bool = False


class Places:
    """The folders of builds; safe to use from several threads."""

    def __init__(
        self, workspace: Workspace, remover: Remover, *, memory: int, keep: bool = False
    ) -> None:
        """Takes the run's folders, and what removes those of builds.

        Args:
            workspace: The run's.
            remover: What removes a folder that is done with.
            memory: Bytes of memory that one build may use.
            keep: Whether folders stay, for inspection.
        """
        self._workspace = workspace
        self._remover = remover
        self._memory = memory
        self._keep = keep
        self._room = Room(workspace.memory)
        self._lock = threading.Lock()
        self._made = 0

    def folder(self, name: str, *, within: Path | None = None) -> Path:
        """The path of a new folder in the run's own, or in another; it is not made."""
        with self._lock:
            self._made += 1
            within = within or self._workspace.folder / "builds"
            return within / f"{self._made:04}-{name}"

    @contextmanager
    def place(self, name: str, *, cache: int = 0, on_disk: bool = False) -> Iterator[Place]:
        """Gives a build a place to work in.

        Args:
            name: What its folder is called after.
            cache: Bytes of the cache that it is given.
            on_disk: Whether it has to be on disk.
        """
        if on_disk:
            yield Place(folder=self.folder(name))
            return
        with self._room.held(cache=cache, memory=self._memory) as memory:
            yield Place(folder=self.folder(name, within=memory), in_memory=memory is not None)

    def done_with(self, folder: Path, stored: Path | None = None) -> None:
        """Has a build's folder removed soon; where it is kept, it shows what was stored of it."""
        if not self._keep or stored is None:
            self._remover.remove(folder)
            return
        (folder / "stored").symlink_to(stored.absolute())
