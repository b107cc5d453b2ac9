"""Repositories made by git itself, whatever the configuration and environment of who runs tests."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness.scenarios.tree import File, Leaf, Link, Tree

SETTINGS = {
    "advice.detachedHead": "false",
    "gc.auto": "0",
    "init.defaultBranch": "main",
    "maintenance.auto": "false",
    "protocol.file.allow": "always",
}


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """The variables that git runs with: the same commits have the same names on every machine."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        **{
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in {
                "NAME": "a",
                "EMAIL": "a@example.invalid",
                "DATE": "2024-01-01T00:00:00Z",
            }.items()
        },
        **more,
    }


class GitError(Exception):
    """Git failed; what it printed to stderr."""


def git(
    folder: Path,
    *arguments: str,
    stdin: bytes = b"",
    check: bool = True,
    env: Mapping[str, str] | None = None,
) -> str:
    """Runs git in a folder.

    Args:
        folder: Where it runs.
        arguments: What it is given.
        stdin: Its input.
        check: Whether a failure is an error; otherwise it is as if git had printed nothing.
        env: Variables beside those of `environment`.

    Returns:
        What it printed, without white space at either end.

    Raises:
        GitError: It failed.
    """
    return _printed(folder, arguments, stdin=stdin, check=check, env=env).decode().strip()


def tree_of(folder: Path, commit: str) -> Tree:
    """The files and links of a commit, as git reads them."""
    leaves: dict[str, Leaf] = {}
    listed = _printed(folder, ("ls-tree", "-r", "-z", "--full-tree", commit)).split(b"\0")
    for line in filter(None, listed):
        facts, _, path = line.partition(b"\t")
        mode, kind, name = facts.decode().split()
        data = _printed(folder, ("cat-file", kind, name))
        leaves[os.fsdecode(path)] = (
            Link(target=os.fsdecode(data))
            if mode == "120000"
            else File(data=data, executable=mode == "100755")
        )
    return Tree(entries=leaves)


def _printed(
    folder: Path,
    arguments: tuple[str, ...],
    *,
    stdin: bytes = b"",
    check: bool = True,
    env: Mapping[str, str] | None = None,
) -> bytes:
    settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    done = subprocess.run(
        ("git", *settings, *arguments),
        cwd=folder,
        env=environment(env or {}),
        input=stdin,
        capture_output=True,
        check=False,
    )
    if done.returncode and check:
        raise GitError(done.stderr.decode(errors="replace"))
    return b"" if done.returncode else done.stdout


def commit(folder: Path, message: str, env: Mapping[str, str] | None = None) -> str:
    """Commits all that is in a work tree; the commit's name."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message, env=env)
    return git(folder, "rev-parse", "HEAD")
