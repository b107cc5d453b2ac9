"""Forks: fixtures with named revisions, whose SHAs are the same on every machine."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from harness.errors import InputError, Problem
from harness.scenarios.document import Document, check, faults, read_document, shape
from harness.scenarios.edits import STRICT, Copy, Edit, EditError, apply
from harness.scenarios.gitobjects import commit_object, commit_time, tree_objects
from harness.scenarios.interpolation import PYTHON
from harness.scenarios.positions import Place
from harness.scenarios.submodule import Submodule, place_faults, with_checkouts, with_gitmodules
from harness.scenarios.tree import Tree, TreeError, read_tree
from harness.scenarios.wording import one_of

REPO_FILE = "repo.toml"
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*$"
BRANCH = r"^[A-Za-z0-9_][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_-]+)*$"
"""Names that git takes in a reference and a URL shows as they are; a part of git's own rules."""

Name = Annotated[str, Field(pattern=NAME)]
BranchName = Annotated[str, Field(pattern=BRANCH)]
TagName = Annotated[str, Field(pattern=BRANCH)]
SubmodulePath = Annotated[str, Field(pattern=BRANCH)]
Pin = Annotated[str, Field(pattern=f"{NAME[:-1]}@{NAME[1:]}")]
"""`FORK@REVISION`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionTable:
    """A named revision: what it changes in its parent."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    name: Annotated[Name, Field(description="What scenarios call it, as in `${forms@fixed}`.")]
    edits: Annotated[
        tuple[Edit, ...], Field(description="What it changes in its parent, in order.")
    ] = ()
    message: Annotated[str, Field(description="The commit's message; by default the name.")] = ""
    parent: Annotated[
        str | None, Field(description="The revision that it changes; by default the one before.")
    ] = None
    submodules: Annotated[
        Mapping[SubmodulePath, Pin] | None,
        Field(description="All its submodules, as for the first; by default the parent's."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoTable:
    """A git repository as a fixture: the folder's files are its first revision."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    description: Annotated[str, Field(min_length=1, description="What the fork is for.")]
    owner: Annotated[
        Name, Field(description="Its owner: `OWNER` in `https://github.com/OWNER/NAME.git`.")
    ] = "acme"
    base: Annotated[
        Name, Field(description="The name of the first revision, the folder's files.")
    ] = "v1"
    message: Annotated[str, Field(description="The first commit's message.")] = ""
    revisions: Annotated[
        tuple[RevisionTable, ...], Field(description="The further revisions, parents first.")
    ] = ()
    submodules: Annotated[
        Mapping[SubmodulePath, Pin],
        Field(
            description="The first revision's submodules: folders, and the `FORK@REVISION` that"
            " is pinned in each. The fork is one beside this."
        ),
    ] = field(default_factory=dict)
    branches: Annotated[
        Mapping[BranchName, str],
        Field(
            description="Branches and the revisions at their tips; by default `main`, at the last."
        ),
    ] = field(default_factory=dict)
    tags: Annotated[
        Mapping[TagName, str],
        Field(description="Tags and the revisions that they name; none by default."),
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One commit of a fork.

    Attributes:
        name: What scenarios call it.
        message: The commit's message.
        parent: The parent's name, or None for the first.
        time: Seconds since 1970 of author and committer.
        tree: All its files; submodules are not part of it.
        sha: The commit's SHA, 40 hex digits.
        submodules: What it pins of other forks, sorted by path.
    """

    name: str
    message: str
    parent: str | None
    time: int
    tree: Tree = field(repr=False)
    sha: str
    submodules: tuple[Submodule, ...] = ()

    @property
    def gitlinks(self) -> Mapping[str, str]:
        """The submodules' paths, and the SHAs that are pinned there."""
        return {submodule.path: submodule.sha for submodule in self.submodules}

    @property
    def checkout(self) -> Tree:
        """All its files and its submodules', as a recursive clone has them."""
        return with_checkouts(self.tree, self.submodules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """A git repository of the forge's, as a value.

    Attributes:
        name: Its folder's name, and the last part of its URL.
        owner: Whose it is, the URL's first part.
        description: What it is for.
        revisions: Parents before children.
        branches: Names and the revisions at their tips, sorted; the first build sees these.
        tags: Names and the revisions that they stand for, likewise.
    """

    name: str
    owner: str
    description: str
    revisions: tuple[Revision, ...]
    branches: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def url(self) -> str:
        """Where git clones it from."""
        return f"https://github.com/{self.owner}/{self.name}.git"

    def revision(self, name: str) -> Revision:
        """A revision by name.

        Raises:
            KeyError: There is none; scenarios are checked when they are loaded.
        """
        for revision in self.revisions:
            if revision.name == name:
                return revision
        raise KeyError(name)

    def sha(self, name: str) -> str:
        """A revision's SHA, by the revision's name; raises as `revision` does."""
        return self.revision(name).sha

    @property
    def shas(self) -> Mapping[str, str]:
        """Every revision's SHA, by name."""
        return {revision.name: revision.sha for revision in self.revisions}


_REPO = shape(RepoTable)
_EDIT = shape(Edit)


def is_fork(folder: Path) -> bool:
    """Whether a fixture's folder has revisions."""
    return (folder / REPO_FILE).is_file()


def load_fork(folder: Path) -> Fork:
    """Reads a fork: a folder's files and its `repo.toml`.

    Its submodules are forks in the folders beside it.

    Raises:
        InputError: Every fault of the `repo.toml`: its form, names that are not there, and edits
            that do not apply; and the faults of the forks that it has as submodules.
    """
    return _load(folder, ())


def _load(folder: Path, above: tuple[str, ...]) -> Fork:
    """Reads a fork that those named `above` have as a submodule, the outermost first."""
    document = read_document(folder / REPO_FILE)
    try:
        files = read_tree(folder, skip=frozenset({REPO_FILE}))
    except TreeError as error:
        raise InputError((Problem(file=str(folder), line=0, message=error.message),)) from error
    problems = tuple(faults(document, _REPO, document.data))
    table = check(document, _REPO, document.data)
    if table is None:
        raise InputError(problems)
    problems += tuple(_name_faults(document, folder.name, table))
    pins = _Pins(document=document, folder=folder, above=(*above, folder.name))
    revisions, revision_problems = _revisions(document, table, files, pins)
    problems += revision_problems
    if problems:
        raise InputError(tuple(dict.fromkeys(problems)))
    branches = dict(table.branches) or {"main": revisions[-1].name}
    return Fork(
        name=folder.name,
        owner=table.owner,
        description=table.description,
        revisions=revisions,
        branches=tuple(sorted(branches.items())),
        tags=tuple(sorted(table.tags.items())),
    )


def reference_fault(kind: str, name: str, others: Iterable[str]) -> str:
    """What keeps git from having a branch or a tag beside others of its kind.

    Args:
        kind: `branch` or `tag`.
        name: The one.
        others: The names of the others.

    Returns:
        The rest of a sentence; empty where nothing does.
    """
    if any(part.endswith(".lock") for part in name.split("/")):
        return "ends in `.lock`, which git reserves"
    for other in others:
        if name.startswith(f"{other}/") or other.startswith(f"{name}/"):
            return f"cannot exist beside the {kind} `{other}`"
    return ""


def _name_faults(document: Document, name: str, table: RepoTable) -> Iterator[Problem]:
    if name == PYTHON:
        yield document.problem(
            (), f"a fork cannot be called `{PYTHON}`", "another name: that one means a Python"
        )
    known = [table.base]
    for index, revision in enumerate(table.revisions):
        place = ("revisions", index)
        if revision.name in known:
            yield document.problem(
                (*place, "name"), f"there is already a revision `{revision.name}`", "a new name"
            )
        if revision.parent is not None and revision.parent not in known:
            yield document.problem(
                (*place, "parent"),
                f"there is no revision `{revision.parent}` before this one",
                one_of(known),
            )
        known.append(revision.name)
    for other in known:
        if other.endswith(".lock"):
            yield document.problem((), f"the revision `{other}` ends in `.lock`", "another name")
    yield from _reference_problems(document, table, known)


def _reference_problems(
    document: Document, table: RepoTable, known: list[str]
) -> Iterator[Problem]:
    for key, kind, references in (
        ("branches", "branch", table.branches),
        ("tags", "tag", table.tags),
    ):
        for reference, named in references.items():
            fault = reference_fault(kind, reference, references)
            if fault:
                yield document.problem((key, reference), f"`{reference}` {fault}", "another name")
            if named not in known:
                message = f"there is no revision `{named}`"
                yield document.problem((key, reference), message, one_of(known))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pins:
    """Where the submodules of a fork are looked up.

    Attributes:
        document: The fork's `repo.toml`.
        folder: The fork's own folder.
        above: The names of the forks that led here, this one the last.
        loaded: The forks that were read, or None for those that cannot be.
    """

    document: Document
    folder: Path
    above: tuple[str, ...]
    loaded: dict[str, Fork | None] = field(default_factory=dict)

    def resolved(
        self, pins: Mapping[str, str], place: Place
    ) -> tuple[tuple[Submodule, ...], tuple[Problem, ...]]:
        """The submodules that a table names, sorted by path, and the faults of those it cannot."""
        found: list[Submodule] = []
        problems: list[Problem] = []
        for path, pin in sorted(pins.items()):
            name, _, revision = pin.partition("@")
            at = (*place, "submodules", path)
            problems += self._load(name, at)
            fork = self.loaded[name]
            if fork is None:
                continue
            if revision not in fork.shas:
                message = f"`{name}` has no revision `{revision}`"
                problems.append(self.document.problem(at, message, one_of(fork.shas)))
                continue
            pinned = fork.revision(revision)
            found.append(
                Submodule(
                    path=path,
                    fork=name,
                    revision=revision,
                    url=fork.url,
                    sha=pinned.sha,
                    files=pinned.checkout,
                )
            )
        return tuple(found), tuple(problems)

    def _load(self, name: str, at: Place) -> tuple[Problem, ...]:
        if name in self.loaded:
            return ()
        self.loaded[name] = None
        beside = self.folder.parent
        if name in self.above:
            way = " has the submodule ".join(f"`{one}`" for one in (*self.above, name))
            return (self.document.problem(at, f"no end: {way}", "another fork"),)
        if not is_fork(beside / name):
            forks = sorted(file.parent.name for file in beside.glob(f"*/{REPO_FILE}"))
            message = f"there is no fork `{name}` beside this one"
            return (self.document.problem(at, message, one_of(forks)),)
        try:
            self.loaded[name] = _load(beside / name, self.above)
        except InputError as error:
            return error.problems
        return ()


def _revisions(
    document: Document, table: RepoTable, files: Tree, pins: _Pins
) -> tuple[tuple[Revision, ...], tuple[Problem, ...]]:
    first = RevisionTable(name=table.base, message=table.message)
    submodules, told = pins.resolved(table.submodules, ())
    problems = [*told, *_place_problems(document, (), files, submodules)]
    # Each with its depth, and with the files that its children change.
    made = {table.base: (_revision(first, None, files, submodules, 0), 0, files)}
    before = table.base
    for index, row in enumerate(table.revisions):
        parent, depth, tree = made.get(row.parent or before, made[before])
        place: Place = ("revisions", index)
        for at, edit in enumerate(row.edits):
            try:
                tree = _applied(tree, edit)
            except EditError as error:
                at_key = (*place, "edits", at, error.key)
                problems.append(document.problem(at_key, error.message, error.expected))
                break
        submodules = parent.submodules
        if row.submodules is not None:
            submodules, told = pins.resolved(row.submodules, place)
            problems += told
        problems += _place_problems(document, place, tree, submodules)
        made[row.name] = (_revision(row, parent, tree, submodules, depth + 1), depth + 1, tree)
        before = row.name
    return tuple(revision for revision, *_ in made.values()), tuple(problems)


def _place_problems(
    document: Document, place: Place, tree: Tree, submodules: tuple[Submodule, ...]
) -> Iterator[Problem]:
    for path, fault in place_faults(tree, submodules):
        at = (*place, "submodules", path)
        yield document.problem(at, f"the submodule `{path}` {fault}", "a folder of its own")


def _applied(tree: Tree, edit: Edit) -> Tree:
    if isinstance(edit, Copy):
        raise EditError("do", "a fork cannot copy from a fixture", "another edit")
    return apply(tree, edit, lambda _: Tree())


def _revision(
    row: RevisionTable,
    parent: Revision | None,
    files: Tree,
    submodules: tuple[Submodule, ...],
    depth: int,
) -> Revision:
    time = commit_time(depth)
    message = row.message or row.name
    tree = with_gitmodules(files, submodules)
    commit = commit_object(
        root=tree_objects(tree, {one.path: one.sha for one in submodules})[-1].sha,
        parent=parent.sha if parent else None,
        message=message,
        time=time,
    )
    return Revision(
        name=row.name,
        message=message,
        parent=parent.name if parent else None,
        time=time,
        tree=tree,
        sha=commit.sha,
        submodules=submodules,
    )
