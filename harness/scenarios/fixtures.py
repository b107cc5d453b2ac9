"""Where a scenario's fixtures are, and the trees that they hold."""

import re
from dataclasses import dataclass
from pathlib import Path

from harness.bundled import bundled_repositories
from harness.scenarios.edits import EditError
from harness.scenarios.fork import NAME, REPO_FILE, is_fork, load_fork
from harness.scenarios.tree import Tree, TreeError, read_tree
from harness.scenarios.wording import one_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixtures:
    """Folders of fixtures; where two have one of the same name, the first counts."""

    roots: tuple[Path, ...]

    def folder(self, name: str) -> Path | None:
        """A fixture's folder by its name, or None."""
        if not re.fullmatch(NAME, name):
            return None
        return next((root / name for root in self.roots if (root / name).is_dir()), None)

    def names(self) -> tuple[str, ...]:
        """All fixtures' names, sorted."""
        return tuple(sorted({f.name for root in self.roots for f in root.iterdir() if f.is_dir()}))

    def forks(self) -> tuple[str, ...]:
        """The names of those that have revisions, sorted."""
        return tuple(
            name for name in self.names() if (folder := self.folder(name)) and is_fork(folder)
        )


def fixtures_for(file: Path) -> Fixtures:
    """The fixtures of a scenario file: `fixtures/repos` beside it or above, then the bundled ones.

    Raises:
        HarnessError: The installation lacks its own fixtures.
    """
    own = (folder / "fixtures" / "repos" for folder in file.resolve().parents)
    return Fixtures(
        roots=tuple(
            dict.fromkeys([*(root for root in own if root.is_dir()), bundled_repositories()])
        )
    )


def fixture_tree(fixtures: Fixtures, reference: str) -> Tree:
    """The files of `FIXTURE` or `FIXTURE@REVISION`; a `repo.toml` is not part of them.

    Where a revision has submodules, theirs are among them.

    Raises:
        EditError: There is no such fixture or revision, or it cannot be read; the key is `from`.
        InputError: The fixture's `repo.toml` has faults.
    """
    name, at, revision = reference.partition("@")
    folder = fixtures.folder(name)
    if folder is None:
        raise EditError("from", f"there is no fixture `{name}`", one_of(fixtures.names()))
    if at and not is_fork(folder):
        raise EditError("from", f"`{name}` has no revisions", f"`{name}` alone, or a fork")
    if at:
        fork = load_fork(folder)
        if revision not in fork.shas:
            raise EditError("from", f"`{name}` has no revision `{revision}`", one_of(fork.shas))
        return fork.revision(revision).checkout
    try:
        return read_tree(folder, skip=frozenset({REPO_FILE}))
    except TreeError as error:
        raise EditError("from", error.message, "a plain folder") from error
