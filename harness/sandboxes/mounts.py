"""Checks a job before a sandbox is made for it, and readies the places for its mounts."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from harness.errors import SandboxError
from harness.sandboxes import Job, Mount


def checked(job: Job) -> Job:
    """The job, its paths normal and absolute, its mounts' sources there.

    Where a mount's target lies within a writable mount, the place is made in that one's source.

    Raises:
        SandboxError: A path is not absolute or holds `..`, a source is missing, a name in the
            environment is not one, or a target lies in a read-only mount that has no such place.
    """
    _check_words(job)
    mounts: list[Mount] = []
    for given in job.mounts:
        mount = _checked_mount(given)
        if parent := enclosing(mount.target, mounts):
            try:
                _make_place(mount, parent)
            except OSError as error:
                raise SandboxError(
                    f"cannot mount at {mount.target}: {error.filename}: {error.strerror}"
                ) from error
        mounts.append(mount)
    return replace(job, cwd=_normal(job.cwd, "a job's working directory"), mounts=tuple(mounts))


def _check_words(job: Job) -> None:
    if not job.argv or not job.argv[0] or "=" in job.argv[0]:
        raise SandboxError(f"a job needs a program to run, not {job.argv!r}")
    for name, _ in job.env:
        if not name or "=" in name:
            raise SandboxError(f"not a name for an environment variable: {name!r}")
    for word in (*job.argv, *(part for pair in job.env for part in pair)):
        if "\0" in word:
            raise SandboxError(f"a NUL byte cannot be passed to a program: {word!r}")


def _checked_mount(mount: Mount) -> Mount:
    target = _normal(mount.target, "a mount's target")
    if target == "/":
        raise SandboxError("a mount cannot take the place of the sandbox's root")
    source = Path(os.path.abspath(mount.source))  # noqa: PTH100  (links are kept as they are)
    if not os.path.exists(source):  # noqa: PTH110  (a folder that may not be entered raises there)
        raise SandboxError(
            f"cannot mount {source} at {target}: it does not exist, or this user may not reach it"
        )
    for path in (str(source), target):
        if any(ord(letter) < 32 for letter in path):
            raise SandboxError(f"cannot mount a path with control characters: {path!r}")
    return replace(mount, source=source, target=target)


def enclosing(target: str, mounts: Iterable[Mount]) -> Mount | None:
    """The innermost of the mounts at or above `target`, the later one where two are alike."""
    found = None
    for mount in mounts:
        if PurePosixPath(target).is_relative_to(mount.target) and (
            found is None or len(mount.target) >= len(found.target)
        ):
            found = mount
    return found


def _normal(path: str, what: str) -> str:
    if not path.startswith("/") or ".." in path.split("/"):
        raise SandboxError(f"{what} must be an absolute path without '..', not {path!r}")
    return os.path.normpath("/" + path.lstrip("/"))


def _make_place(mount: Mount, parent: Mount) -> None:
    # Made here, as the caller, since Docker's engine would make it as root.
    parts = PurePosixPath(mount.target).relative_to(parent.target).parts
    place = parent.source
    folder = mount.source.is_dir()
    for number, part in enumerate(parts, 1):
        place /= part
        if place.is_symlink():
            raise SandboxError(
                f"cannot mount at {mount.target}: {place} is a symbolic link",
                hint="mount at the path that it points to",
            )
        if place.exists():
            continue
        if not parent.writable:
            raise SandboxError(
                f"cannot mount at {mount.target}: {parent.target} is mounted read-only from "
                f"{parent.source}, which has no such place"
            )
        if folder or number < len(parts):
            place.mkdir()
        else:
            place.touch()
