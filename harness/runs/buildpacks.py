"""The buildpacks of a run, each brought once."""

from collections.abc import Mapping
from pathlib import Path

from harness.buildpacks import Buildpack
from harness.buildpacks.source import from_tree, resolve
from harness.scenarios.scenario import Stage
from harness.scenarios.tree import Tree, digest
from harness.storage.once import Once
from harness.storage.store import Store


class Buildpacks:
    """Buildpacks by the specs that name them; safe to use from several threads."""

    def __init__(self, store: Store, folder: Path) -> None:
        """Takes where clones of repositories are kept, and a folder for buildpacks' files."""
        self._store = store
        self._folder = folder
        self._brought: Once[str, Buildpack] = Once()
        self._found_as: dict[str, str] = {}

    def get(self, spec: str) -> Buildpack:
        """The buildpack that a spec names.

        Raises:
            BuildpackError: Nothing is there, or git cannot bring it.
        """
        found = self._brought.get(spec, lambda: resolve(spec, store=self._store, into=self._folder))
        if found.found_as:
            self._found_as[spec] = found.found_as
        return found

    @property
    def found_as(self) -> Mapping[str, str]:
        """The names by which revisions were found that were asked for by others, by specs."""
        return dict(self._found_as)

    def of_tree(self, name: str, files: Tree) -> Buildpack:
        """The buildpack that a scenario brings along.

        Args:
            name: What the scenario calls it.
            files: Its files.

        Raises:
            BuildpackError: They are not a buildpack of a known kind.
        """
        key = f"{name} {digest(files)}"
        return self._brought.get(key, lambda: from_tree(name, files, into=self._folder))


def stack_of(buildpack: Buildpack, stage: Stage) -> str:
    """The stack on which a commit is built: the platform's own unless the scenario says one."""
    return stage.world.stack or buildpack.kind.stack
