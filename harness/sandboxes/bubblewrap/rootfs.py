"""The read-only root of a bubblewrap sandbox, as arguments of bwrap."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from harness.errors import SandboxError

# Fresh in every sandbox, whatever the image holds there.
FRESH = ("/proc", "/dev", "/tmp", "/var/tmp", "/run")  # noqa: S108
HOST_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# What of the host's /etc a program of its /usr cannot do without; nothing here is private.
HOST_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "nsswitch.conf")


def image_root(rootfs: Path, places: Iterable[str]) -> list[str]:
    """Shows an unpacked image, with room for mounts.

    Args:
        rootfs: The image's root folder.
        places: Paths of the sandbox at which something is to be mounted, links resolved
            (`resolved`). A folder of the image's that lacks one of them is put together again from
            its entries, each mounted by itself, since a place cannot be made in a read-only one.
    """
    opened = {"/"}
    for place in (*places, *FRESH):
        path = PurePosixPath(place)
        if any(path.is_relative_to(fresh) and place != fresh for fresh in FRESH):
            continue
        if not os.path.lexists(rootfs / place.lstrip("/")):
            opened.update(
                str(parent) for parent in path.parents if (rootfs / str(parent)[1:]).is_dir()
            )
    return _shown(rootfs, PurePosixPath("/"), opened)


def _shown(rootfs: Path, folder: PurePosixPath, opened: set[str]) -> list[str]:
    arguments: list[str] = []
    with os.scandir(rootfs / str(folder)[1:]) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        target = folder / entry.name
        if str(target) in FRESH:
            continue
        if entry.is_symlink():
            arguments += ["--symlink", os.readlink(entry.path), str(target)]  # noqa: PTH115
        elif str(target) in opened:
            mode = stat.S_IMODE(entry.stat().st_mode) & 0o755
            arguments += ["--perms", f"{mode:04o}", "--dir", str(target)]
            arguments += _shown(rootfs, target, opened)
        elif entry.is_dir() or entry.is_file():
            arguments += ["--ro-bind", entry.path, str(target)]
    return arguments


def host_root() -> list[str]:
    """Shows the host's /usr, and of its /etc what /usr needs to run."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for name in HOST_LINKS:
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), str(path)]  # noqa: PTH115
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    arguments += ["--perms", "0755", "--dir", "/etc"]
    for name in HOST_ETC:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return arguments


def resolved(rootfs: Path, path: str) -> str:
    """Where `path` leads in the image, its links followed without ever leaving the root.

    Raises:
        SandboxError: The links go round in a circle.
    """
    done = PurePosixPath("/")
    left = [part for part in PurePosixPath(path).parts if part != "/"]
    links = 0
    while left:
        part = left.pop(0)
        if part == "..":
            done = done.parent
            continue
        here = rootfs / str(done / part)[1:]
        if not here.is_symlink():
            done /= part
            continue
        links += 1
        if links > 40:
            raise SandboxError(f"too many links at {path} in {rootfs}")
        link = PurePosixPath(os.readlink(here))  # noqa: PTH115
        if link.is_absolute():
            done = PurePosixPath("/")
        left = [part for part in link.parts if part != "/"] + left
    return str(done)
