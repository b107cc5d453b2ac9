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
from harness.scenarios.tree import Tree, TreeError, read_tree
from harness.scenarios.wording import one_of

REPO_FILE = "repo.toml"
NAME = r"^[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*$"
BRANCH = r"^[A-Za-z0-9_][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_-]+)*$"
"""Names that git takes in a reference and a URL shows as they are; a part of git's own rules."""

Name = Annotated[str, Field(pattern=NAME)]
BranchName = Annotated[str, Field(pattern=BRANCH)]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoTable:
    """A git repository as a fixture: the folder's files are its first revision."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    description: Annotated[str, Field(min_length=1, description="What the fork is for.")]
    owner: Annotated[
        Name, Field(description="Whose it is: `OWNER` in `https://github.com/OWNER/NAME.git`.")
    ] = "acme"
    base: Annotated[
        Name, Field(description="The name of the first revision, the folder's files.")
    ] = "v1"
    message: Annotated[str, Field(description="The first commit's message.")] = ""
    revisions: Annotated[
        tuple[RevisionTable, ...], Field(description="The further revisions, parents first.")
    ] = ()
    branches: Annotated[
        Mapping[BranchName, str],
        Field(
            description="Branches and the revisions at their tips; by default `main`, at the last."
        ),
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One commit of a fork.

    Attributes:
        name: What scenarios call it.
        message: The commit's message.
        parent: The parent's name, or None for the first.
        time: Seconds since 1970 of author and committer.
        tree: All its files.
        sha: The commit's SHA, 40 hex digits.
    """

    name: str
    message: str
    parent: str | None
    time: int
    tree: Tree = field(repr=False)
    sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """A git repository of the forge's, as a value.

    Attributes:
        name: Its folder's name, and the last part of its URL.
        owner: Whose it is, the URL's first part.
        description: What it is for.
        revisions: Parents before children.
        branches: Names and the revisions at their tips, sorted; the first build sees these.
    """

    name: str
    owner: str
    description: str
    revisions: tuple[Revision, ...]
    branches: tuple[tuple[str, str], ...]

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

    Raises:
        InputError: Every fault of the `repo.toml`: its form, names that are not there, and edits
            that do not apply.
    """
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
    revisions, edit_problems = _revisions(document, table, files)
    problems += edit_problems
    if problems:
        raise InputError(problems)
    branches = dict(table.branches) or {"main": revisions[-1].name}
    return Fork(
        name=folder.name,
        owner=table.owner,
        description=table.description,
        revisions=revisions,
        branches=tuple(sorted(branches.items())),
    )


def branch_fault(branch: str, others: Iterable[str]) -> str:
    """What keeps git from having a branch beside others, as the rest of a sentence; or nothing."""
    if any(part.endswith(".lock") for part in branch.split("/")):
        return "ends in `.lock`, which git keeps for itself"
    for other in others:
        if branch.startswith(f"{other}/") or other.startswith(f"{branch}/"):
            return f"cannot stand beside the branch `{other}`"
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
                (*place, "name"), f"there is a revision `{revision.name}` already", "a new name"
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
    for branch, tip in table.branches.items():
        fault = branch_fault(branch, table.branches)
        if fault:
            yield document.problem(("branches", branch), f"`{branch}` {fault}", "another name")
        if tip not in known:
            yield document.problem(
                ("branches", branch),
                f"there is no revision `{tip}`",
                one_of(known),
            )


def _revisions(
    document: Document, table: RepoTable, files: Tree
) -> tuple[tuple[Revision, ...], tuple[Problem, ...]]:
    first = RevisionTable(name=table.base, message=table.message)
    made = {table.base: (_revision(first, None, files, 0), 0)}
    problems: list[Problem] = []
    before = table.base
    for index, row in enumerate(table.revisions):
        parent, depth = made.get(row.parent or before, made[before])
        tree = parent.tree
        for at, edit in enumerate(row.edits):
            try:
                tree = _applied(tree, edit)
            except EditError as error:
                place = ("revisions", index, "edits", at, error.key)
                problems.append(document.problem(place, error.message, error.expected))
                break
        made[row.name] = (_revision(row, parent, tree, depth + 1), depth + 1)
        before = row.name
    return tuple(revision for revision, _ in made.values()), tuple(problems)


def _applied(tree: Tree, edit: Edit) -> Tree:
    if isinstance(edit, Copy):
        raise EditError("do", "a fork cannot copy from a fixture", "another edit")
    return apply(tree, edit, lambda _: Tree())


def _revision(row: RevisionTable, parent: Revision | None, tree: Tree, depth: int) -> Revision:
    time = commit_time(depth)
    message = row.message or row.name
    commit = commit_object(
        root=tree_objects(tree)[-1].sha,
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
    )
