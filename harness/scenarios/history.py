"""Plays the histories of apps and forks into real git repositories."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

# Without git on the path the import would fail, and with it every command that needs no git.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from git import Reference, Repo
from git.exc import GitError
from git.objects import Commit
from gitdb import IStream
from gitdb.exc import ODBError

from harness.errors import HarnessError
from harness.scenarios.fork import Fork
from harness.scenarios.gitobjects import GitObject, commit_object, tree_objects
from harness.scenarios.scenario import Stage

REVISIONS = "refs/revisions"
"""Where each revision of a fork is kept, whether or not a branch leads to it."""

_CONFIG = """[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
"""

_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_WORK_TREE",
)
"""What tells git, and GitPython, of another repository than the one that is named."""
_ENVIRONMENT = RLock()


class HistoryError(HarnessError):
    """A history cannot be written as a repository."""


def play_fork(fork: Fork, into: Path) -> Path:
    """Writes a fork as a bare repository.

    It holds every revision, under `refs/revisions/<name>`, besides the branches and tags. Commits
    of its submodules are in their own forks' repositories. What it holds
    depends on nothing but the fork: not on the user's git configuration, nor on the machine.

    Args:
        fork: The fork.
        into: The repository's folder, which is not there yet.

    Returns:
        The repository's folder.

    Raises:
        HistoryError: It cannot be written.
    """
    branches = dict(fork.branches)
    head = "main" if "main" in branches else next(iter(branches))
    try:
        with _new_repository(into, head) as repo:
            for revision in fork.revisions:
                parent = fork.sha(revision.parent) if revision.parent else None
                objects = tree_objects(revision.tree, revision.gitlinks)
                sha = _store(repo, objects, parent, revision.message, revision.time)
                _point(repo, f"{REVISIONS}/{revision.name}", sha)
            for branch, tip in branches.items():
                _point(repo, f"refs/heads/{branch}", fork.sha(tip))
            for tag, named in fork.tags:
                _point(repo, f"refs/tags/{tag}", fork.sha(named))
    except (OSError, GitError, ODBError) as error:
        raise _unwritable(into, error) from error
    return into


def play_app(stages: tuple[Stage, ...], into: Path) -> tuple[str, ...]:
    """Writes an app's commits as a bare repository whose branch `main` holds them all.

    Args:
        stages: What each commit comes to.
        into: The repository's folder, which is not there yet.

    Returns:
        Each commit's SHA, in order; the same on every machine.

    Raises:
        HistoryError: It cannot be written.
    """
    shas: list[str] = []
    try:
        with _new_repository(into, "main") as repo:
            for stage in stages:
                parent = shas[-1] if shas else None
                objects = tree_objects(stage.tree)
                shas.append(_store(repo, objects, parent, stage.message, stage.time))
            if shas:
                _point(repo, "refs/heads/main", shas[-1])
    except (OSError, GitError, ODBError) as error:
        raise _unwritable(into, error) from error
    return tuple(shas)


@contextmanager
def _opened(folder: Path) -> Iterator[Repo]:
    """A repository, whatever repository the caller's environment is about."""
    with _ENVIRONMENT:
        # A git hook, say, has these set, and GitPython would follow them to another repository.
        kept = {name: os.environ.pop(name) for name in _VARIABLES if name in os.environ}
        try:
            with Repo(folder) as repo:
                yield repo
        finally:
            os.environ.update(kept)


@contextmanager
def _new_repository(into: Path, head: str) -> Iterator[Repo]:
    # `git init` would take the user's templates and hash; these files are all it makes that
    # git needs.
    into.mkdir(parents=True)
    for folder in ("objects", "refs/heads", "refs/tags"):
        (into / folder).mkdir(parents=True)
    (into / "HEAD").write_text(f"ref: refs/heads/{head}\n")
    (into / "config").write_text(_CONFIG)
    with _opened(into) as repo:
        yield repo


def _store(
    repo: Repo, objects: tuple[GitObject, ...], parent: str | None, message: str, time: int
) -> str:
    for item in objects:
        _keep(repo, item)
    commit = commit_object(root=objects[-1].sha, parent=parent, message=message, time=time)
    _keep(repo, commit)
    return commit.sha


def _keep(repo: Repo, item: GitObject) -> None:
    stream = IStream(item.kind, len(item.data), io.BytesIO(item.data))
    kept = repo.odb.store(stream).hexsha.decode()
    if kept != item.sha:
        raise HistoryError(f"git names a {item.kind} {kept}, the harness {item.sha}")


def _point(repo: Repo, reference: str, sha: str) -> None:
    Reference(repo, reference).set_object(Commit(repo, bytes.fromhex(sha)))


def _unwritable(into: Path, error: Exception) -> HistoryError:
    return HistoryError(
        f"cannot write a git repository at {into}: {error}",
        hint="choose a new folder, on a disk with room",
    )
