"""Whether bubblewrap works for this user, and what to do where it does not."""

import re
import shutil
import subprocess
from pathlib import Path

from harness.sandboxes.bubblewrap.rootfs import host_root
from harness.sandboxes.check import Check

OLDEST = (0, 5)
INSTALL = "sudo apt-get install bubblewrap"
_PATIENCE = 20  # seconds for a command that takes milliseconds

_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_DEBIAN_SWITCH = Path("/proc/sys/kernel/unprivileged_userns_clone")
_HIGHEST = Path("/proc/sys/user/max_user_namespaces")


def check_bubblewrap() -> Check:
    """Whether bwrap is there and can make namespaces for this user; it is really run."""
    program = shutil.which("bwrap")
    version = _version(program) if program else None
    if program is None or version is None:
        return _failed("not installed", INSTALL)
    text = ".".join(map(str, version))
    if version < OLDEST:
        return _failed(
            f"version {text}, which is too old", "sudo apt-get install --only-upgrade bubblewrap"
        )
    # Not all of `/`: below it others' mounts, such as an engine's, come and go.
    tried = _run((program, "--unshare-all", *host_root(), "--proc", "/proc", "/usr/bin/true"))
    if tried is None or tried.returncode:
        said = tried.stderr.strip().splitlines() if tried else ["it hung"]
        return _failed(
            f"version {text}, but it cannot make a sandbox: {(said or ['no reason given'])[-1]}",
            namespace_advice(
                apparmor=_read(_APPARMOR), clone=_read(_DEBIAN_SWITCH), highest=_read(_HIGHEST)
            ),
        )
    return Check(name="bubblewrap", ok=True, found=f"version {text}, makes sandboxes")


def namespace_advice(*, apparmor: str, clone: str, highest: str) -> str:
    """What lets an ordinary user make namespaces, given the kernel's three switches as read."""
    if apparmor == "1":
        return "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    if clone == "0":
        return "sudo sysctl -w kernel.unprivileged_userns_clone=1"
    if highest == "0":
        return "sudo sysctl -w user.max_user_namespaces=15000"
    return (
        "inside a container, start it with --security-opt seccomp=unconfined "
        "--security-opt apparmor=unconfined --cap-add SYS_ADMIN; else use Docker"
    )


def _failed(found: str, advice: str) -> Check:
    return Check(name="bubblewrap", ok=False, found=found, advice=advice)


def _version(program: str) -> tuple[int, ...] | None:
    done = _run((program, "--version"))
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", done.stdout) if done else None
    return tuple(int(part) for part in match.groups() if part) if match else None


def _run(argv: tuple[str, ...]) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
