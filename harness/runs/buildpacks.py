"""The buildpacks of a run, each brought once."""

from pathlib import Path

from harness.buildpacks.source import Buildpack, resolve
from harness.storage.once import Once
from harness.storage.store import Store


class Buildpacks:
    """Buildpacks by the specs that name them; safe to use from several threads."""

    def __init__(self, store: Store, folder: Path) -> None:
        """Takes where clones of repositories are kept, and a folder for buildpacks' files."""
        self._store = store
        self._folder = folder
        self._brought: Once[str, Buildpack] = Once()

    def get(self, spec: str) -> Buildpack:
        """The buildpack that a spec names.

        Raises:
            BuildpackError: Nothing is there, or git cannot bring it.
        """
        return self._brought.get(spec, lambda: resolve(spec, store=self._store, into=self._folder))
