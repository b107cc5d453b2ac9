"""Devices for the sandboxes of root's, where a job would own the host's and could change them."""

import os
import stat
from pathlib import Path

from harness.errors import SandboxError

# As the kernel numbers them (its Documentation/admin-guide/devices.txt).
_DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
# A user that a sandbox has no name for: what belongs to it, no job can change.
_NOBODY = 65534


def own_devices(folder: Path) -> list[str]:
    """Puts devices into a folder, and shows them in place of the host's.

    bwrap shows the host's own device files. To a job their owner is the user who runs the harness
    where that is who they belong to, and an owner may change modes and times.

    Args:
        folder: An empty folder for them, on the disk.

    Returns:
        Arguments of bwrap's, for after its `--dev`; none where the host's are somebody else's.

    Raises:
        SandboxError: They cannot be made or used there.
    """
    user = os.geteuid()
    arguments: list[str] = []
    for name, number in _DEVICES.items():
        if Path("/dev", name).stat().st_uid != user:
            continue
        path = folder / name
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(*number))
            path.chmod(0o666)
            os.chown(path, _NOBODY, _NOBODY)
            if name != "tty":  # which nobody can open who has no terminal
                os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            raise SandboxError(
                f"root's builds need device files of their own, and {path} cannot be made or used:"
                f" {error.strerror}",
                hint="choose a store on a file system that is not mounted nodev (--store DIR),"
                " use --sandbox docker, or run as an ordinary user",
            ) from error
        arguments += ["--dev-bind", str(path.absolute()), f"/dev/{name}"]
    return arguments
