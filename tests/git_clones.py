"""Real repositories, made by git as a build makes them, and compared as trees of two builds."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from comparing import compare_folders
from git_repositories import commit, git

from benchmarks.lockstep import compare_trees
from harness.trees.difference import Side
from harness.trees.manifest import HERE
from harness.verdicts.compare import Comparison

PLACE = "src/forms"
GIT = f"{PLACE}/.git"
NAMES = ("cached", "clean")


@dataclass(frozen=True)
class Clones:
    """A fork with a line of commits, and two build dirs with checkouts of it.

    `commits` are v1, which has one template, v2, which changes it, and v3, which adds a module.
    """

    root: Path
    commits: tuple[str, ...]

    @property
    def fork(self) -> Path:
        return self.root / "fork"

    @property
    def url(self) -> str:
        return f"file://{self.fork}"

    def tree(self, side: str) -> Path:
        return self.root / side

    def checkout(self, side: str) -> Path:
        return self.tree(side) / PLACE

    def git_folder(self, side: str) -> Path:
        return self.checkout(side) / ".git"

    def branch(self, commit: str, name: str = "main") -> None:
        git(self.fork, "update-ref", f"refs/heads/{name}", commit)

    def clone(self, side: str, *options: str) -> Path:
        folder = self.checkout(side)
        folder.parent.mkdir(parents=True, exist_ok=True)
        git(folder.parent, "clone", "-q", *options, self.url, folder.name)
        return folder

    def copy(self) -> None:
        """Makes the clean build's tree the same as the cached build's."""
        shutil.rmtree(self.tree("clean"), ignore_errors=True)
        shutil.copytree(self.tree("cached"), self.tree("clean"), symlinks=True)

    def compared(self) -> Comparison:
        cached, clean = (self.tree(side.value) for side in Side)
        found = compare_folders(cached, clean)
        assert compare_trees(cached, clean, (HERE,)) == found
        return found


def clones(root: Path) -> Clones:
    fork = root / "fork"
    fork.mkdir(parents=True)
    git(fork, "init", "-q")
    git(fork, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(fork, "config", "uploadpack.allowFilter", "true")
    git(fork, "config", "receive.denyCurrentBranch", "ignore")
    commits = []
    for number, (name, text) in enumerate(
        (("forms/field.html", "old\n" * 50), ("forms/field.html", "new\n" + "old\n" * 50),
         ("forms/fields.py", "x = 1\n")), start=1,
    ):  # fmt: skip
        (fork / name).parent.mkdir(exist_ok=True)
        (fork / name).write_text(text)
        commits.append(commit(fork, f"v{number}"))
    return Clones(root=root, commits=tuple(commits))


def diverging(found: Comparison) -> list[tuple[str, str]]:
    return [(one.kind.value, one.path) for one in found.divergences]


def whys(found: Comparison) -> str:
    return "\n".join(one.why for one in found.divergences)


def history(found: Comparison) -> str:
    """What notes say of names."""
    return "\n".join(note.why for note in found.notes if note.rule == "git-history")
