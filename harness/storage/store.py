"""The folder where the harness keeps what it made or fetched once."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from harness.errors import StoreError
from harness.storage.staging import scratch_folder, staged_folder


def default_root() -> Path:
    """The store's folder: `CACHE_HARNESS_STORE`, or the platform's cache folder."""
    override = os.environ.get("CACHE_HARNESS_STORE")
    return Path(override) if override else user_cache_path("cache-harness")


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Content kept between runs; what is in it is whole, since it is renamed into place."""

    root: Path

    @property
    def images(self) -> Path:
        """Stack images, one folder each, named by content."""
        return self.root / "images"

    @property
    def runtimes(self) -> Path:
        """Python runtime archives."""
        return self.root / "runtimes"

    @property
    def tools(self) -> Path:
        """Build tools, fetched once from the operator's index."""
        return self.root / "tools"

    @property
    def releases(self) -> Path:
        """Releases built from forks."""
        return self.root / "releases"

    @property
    def builds(self) -> Path:
        """Builds that have ended, one folder each, by their keys."""
        return self.root / "builds"

    @property
    def contents(self) -> Path:
        """What the caches that builds left hold, each content once, by digest."""
        return self.root / "contents"

    @property
    def judgements(self) -> Path:
        """What comparing builds showed, one file each."""
        return self.root / "judgements"

    @property
    def runs(self) -> Path:
        """Work folders of runs under way, one each; what a dead run left is swept."""
        return self.root / "runs"

    def room_of(self, folder: Path) -> tuple[int, int]:
        """How many things one of the store's folders holds, and the bytes of all their files."""
        count = sum(1 for kept in folder.glob("*") if not kept.name.startswith("."))
        size = 0
        for parent, _, files in os.walk(folder):
            for name in files:
                # A run beside this one renames and removes what it staged.
                with suppress(FileNotFoundError):
                    size += Path(parent, name).lstat().st_size
        return count, size

    @contextmanager
    def staged(self, final: Path) -> Iterator[Path]:
        """Yields an empty folder that becomes `final` when the block ends well; `staged_folder`.

        Raises:
            StoreError: The store cannot be written.
        """
        with self._made(staged_folder(final)) as folder:
            yield folder

    @contextmanager
    def scratch(self, within: Path) -> Iterator[Path]:
        """Yields an empty folder of the store that is removed, with all in it, when the block ends.

        Raises:
            StoreError: The store cannot be written.
        """
        with self._made(scratch_folder(within)) as folder:
            yield folder

    @contextmanager
    def _made(self, folder: AbstractContextManager[Path]) -> Iterator[Path]:
        """Enters a folder; that it cannot be made is an error of the store's."""
        with ExitStack() as stack:
            try:
                made = stack.enter_context(folder)
            except OSError as error:
                raise StoreError(
                    f"cannot write to the store at {self.root}: {error.strerror}",
                    hint="free some room, or choose another folder with --store DIR",
                ) from error
            yield made
