"""The commits of a project's git repository that touch what its builds install."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import HarnessError
from harness.scenarios.imported import PYTHON_FILES, ProjectCommit

DEFAULT_PATHS = (
    "*requirements*.txt", "*requirements*.in", "requirements/**", "*constraints*.txt",
    "constraints/**", *PYTHON_FILES, "Pipfile", "Pipfile.lock", "pyproject.toml", "poetry.lock",
    "uv.lock", "setup.py", "setup.cfg",
)  # fmt: skip
"""What says which distributions are installed, as patterns of git's `glob` kind."""

DEFAULT_LAST = 10

_ODD_MODES = {"120000": "is a symbolic link", "160000": "is a submodule"}
_HINT = "leave it out with --path GLOB, which replaces the default patterns"


class ProjectError(HarnessError):
    """A project's repository has not what was asked for, or holds what a scenario cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A repository, and which of its files are looked at.

    Attributes:
        repository: Its folder, bare or not.
        paths: Patterns of files, as git's `glob` pathspecs have them.
        without: Files that are passed over though a pattern matches.
    """

    repository: Path
    paths: tuple[str, ...] = DEFAULT_PATHS
    without: tuple[str, ...] = ()
    _texts: dict[str, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What the project goes by: its folder's name."""
        parts = [part for part in self.repository.resolve().parts if part != ".git"]
        return parts[-1].removesuffix(".git")

    def commits(
        self, revisions: str = "HEAD", *, last: int | None = None
    ) -> tuple[ProjectCommit, ...]:
        """The commits that touch the files, the oldest first.

        Of a merge only what it brought to its first parent counts, as that is what was deployed.

        Args:
            revisions: A range `A..B`, all of whose commits are looked at, or a revision.
            last: How many of the newest are taken; by default a range's all, else `DEFAULT_LAST`.

        Raises:
            ProjectError: There is no such repository or revision, too few commits touch the files,
                or one of the files is not text.
        """
        self._check(revisions)
        is_range = ".." in revisions
        most = last or (None if is_range else DEFAULT_LAST)
        found = self._log(revisions, most)
        if len(found) < max(last or 0, 2):
            raise self._too_few(revisions, found=len(found), last=last)
        commits = tuple(
            ProjectCommit(sha=sha, subject=subject, files=dict(self._files(sha)))
            for sha, subject in reversed(found)
        )
        if not commits[0].files:
            raise ProjectError(
                f"{self.repository}: commit {commits[0].short} deletes the last of {self._sought}",
                hint="begin later: an app needs some at first",
            )
        return commits

    def _check(self, revisions: str) -> None:
        place = self.repository
        opened = self._git("rev-parse", "--git-dir")
        if opened.returncode:
            # Git's own words, as there may be one which belongs to somebody else.
            said = opened.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
            raise ProjectError(
                f"{place}: no readable git repository is there: {said}",
                hint="name the folder of a clone, such as `git clone --bare URL` makes",
            )
        for revision in revisions.split("...", 1) if "..." in revisions else revisions.split(".."):
            asked = f"{revision or 'HEAD'}^{{commit}}"
            if self._git("rev-parse", "--verify", "--quiet", "--end-of-options", asked).returncode:
                raise ProjectError(
                    f"{place}: there is no revision `{revision or 'HEAD'}`",
                    hint="name a branch, tag or SHA that the clone has, or a range of two: A..B",
                )

    def _log(self, revisions: str, most: int | None) -> tuple[tuple[str, str], ...]:
        """SHA and subject of each commit, the newest first."""
        counted = () if most is None else (f"--max-count={most}",)
        told = self._said(
            "rev-list", "--first-parent", "--encoding=UTF-8", "--format=%H %s", *counted,
            "--end-of-options", revisions, "--", *self._pathspecs(),
        ).decode(errors="replace")  # fmt: skip
        # Each commit has two lines: `commit SHA`, and what is asked for.
        found = (line.partition(" ") for line in told.split("\n")[1::2])
        return tuple((sha, subject) for sha, _, subject in found)

    def _files(self, sha: str) -> Iterator[tuple[str, str]]:
        """Path and text of each file that a commit holds."""
        # Against nothing, because a listing of a tree knows no patterns.
        empty = self._said("hash-object", "-t", "tree", os.devnull).decode().strip()
        told = self._said(
            "diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", empty, sha,
            "--", *self._pathspecs(),
        )  # fmt: skip
        fields = told.split(b"\0")
        for head, raw in zip(fields[0:-1:2], fields[1::2], strict=False):
            _, mode, _, blob, _ = head.decode().split(" ")
            path = raw.decode(errors="backslashreplace")
            yield path, self._text(sha, path, mode, blob, is_named=path.encode() == raw)

    def _text(self, sha: str, path: str, mode: str, blob: str, *, is_named: bool) -> str:
        fault = _ODD_MODES.get(mode, "" if is_named else "has a name that is not UTF-8")
        if not fault:
            if blob not in self._texts:
                self._texts[blob] = self._said("cat-file", "blob", blob)
            try:
                return self._texts[blob].decode()
            except UnicodeDecodeError:
                fault = "is not UTF-8 text"
        raise ProjectError(
            f"{self.repository}: `{path}` {fault} at commit {sha[:9]}, and a scenario takes only"
            " text from a project",
            hint=_HINT,
        )

    def _pathspecs(self) -> tuple[str, ...]:
        return (
            *(f":(top,glob){path}" for path in self.paths),
            *(f":(top,literal,exclude){path}" for path in self.without),
        )

    def _too_few(self, revisions: str, *, found: int, last: int | None) -> ProjectError:
        count = {0: "no commit", 1: "only one commit"}.get(found, f"only {found} commits")
        touch = "touch" if found > 1 else "touches"
        wanted = f"{last} are requested" if last and last > 1 else "a scenario needs two"
        hint = "begin earlier, or name the files with --path GLOB"
        return ProjectError(
            f"{self.repository}: {count} of `{revisions}` {touch} {self._sought}; {wanted}",
            hint=f"{hint}; or ask for --last {found}" if found > 1 else hint,
        )

    @property
    def _sought(self) -> str:
        return "requirements" if {*DEFAULT_PATHS} <= {*self.paths} else ", ".join(self.paths)

    def _said(self, *arguments: str) -> bytes:
        done = self._git(*arguments)
        if done.returncode:
            raise ProjectError(
                f"{self.repository}: git {arguments[0]} failed:"
                f" {done.stderr.decode(errors='replace').strip()}",
                hint="check that the clone is whole (`git fsck`), and not a partial one",
            )
        return done.stdout

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                ("git", "-C", str(self.repository), *arguments),
                env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise ProjectError("git is not installed", hint="install git") from error


def _environment() -> dict[str, str]:
    # In a git hook, say, git's variables are about another repository and change what paths mean;
    # the configuration stays, as it may be what allows a repository of somebody else's.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(("GIT_CONFIG", "GIT_EXEC_PATH"))
    }
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}
