"""Repositories made by git itself, whatever the configuration and environment of who runs tests."""

import os
import subprocess
from pathlib import Path

SETTINGS = {
    "advice.detachedHead": "false",
    "gc.auto": "0",
    "init.defaultBranch": "main",
    "maintenance.auto": "false",
    "protocol.file.allow": "always",
}


def environment(**more: str) -> dict[str, str]:
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


def git(folder: Path, *arguments: str, stdin: bytes = b"", check: bool = True, **env: str) -> str:
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
    settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    done = subprocess.run(
        ("git", *settings, *arguments),
        cwd=folder,
        env=environment(**env),
        input=stdin,
        capture_output=True,
        check=False,
    )
    if done.returncode and check:
        raise GitError(done.stderr.decode(errors="replace"))
    return "" if done.returncode else done.stdout.decode().strip()


def commit(folder: Path, message: str, **env: str) -> str:
    """Commits all that is in a work tree; the commit's name."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message, **env)
    return git(folder, "rev-parse", "HEAD")
