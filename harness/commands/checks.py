"""What this machine has of what the harness needs, and the command that mends what it lacks."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.ecosystems.python.runtimes.runtime import available_runtimes
from harness.errors import HarnessError
from harness.sandboxes.docker_images import Engine, find_engine
from harness.stack.image import Image, kept_images
from harness.storage.store import Store

OLDEST_BUBBLEWRAP = (0, 5)
OLDEST_GIT = (2, 25)
ROOM = 4 * 1024**3
"""Bytes that an image, its runtimes and a few builds take, with some to spare."""

_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_DEBIAN_SWITCH = Path("/proc/sys/kernel/unprivileged_userns_clone")
_HIGHEST = Path("/proc/sys/user/max_user_namespaces")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at.

    Attributes:
        name: What it is.
        ok: Whether it is as it should be.
        found: What is there.
        advice: The command that mends it; empty where `ok`.
        needed: Whether no scenario runs without it. One sandbox of the two is enough, so neither
            is needed by itself; and what a run makes by itself need not be there before.
    """

    name: str
    ok: bool
    found: str
    advice: str = ""
    needed: bool = True


def checks(store: Store) -> tuple[Check, ...]:
    """Looks at everything that the harness uses; raises nothing and changes nothing."""
    docker, engine = docker_check()
    bubblewrap = bubblewrap_check()
    images = kept_images(store)
    return (
        docker,
        bubblewrap,
        sandbox_check(docker, bubblewrap),
        git_check(),
        bootstrap_check(images),
        image_check(images, engine),
        runtimes_check(store),
        disk_check(store),
    )


def usable(found: tuple[Check, ...]) -> bool:
    """Whether scenarios can run: everything needed is as it should be."""
    return all(check.ok for check in found if check.needed)


def docker_check() -> tuple[Check, Engine | None]:
    """Whether a Docker engine answers to this user."""
    try:
        engine = find_engine()
    except HarnessError as error:
        return (
            Check(name="Docker", ok=False, found=error.message, advice=error.hint, needed=False),
            None,
        )
    return Check(name="Docker", ok=True, found=f"engine {engine.version}", needed=False), engine


def bubblewrap_check() -> Check:
    """Whether bubblewrap is there and can make namespaces for this user; it is really run."""
    version = _version(("bwrap", "--version"))
    if version is None:
        return Check(
            name="bubblewrap",
            ok=False,
            found="not installed",
            advice="sudo apt-get install bubblewrap",
            needed=False,
        )
    text = ".".join(map(str, version))
    if version < OLDEST_BUBBLEWRAP:
        return Check(
            name="bubblewrap",
            ok=False,
            found=f"version {text}, which is too old",
            advice="sudo apt-get install --only-upgrade bubblewrap",
            needed=False,
        )
    done = _run(
        (
            "bwrap",
            "--unshare-all",
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "true",
        )
    )
    if done is None or done.returncode:
        reason = (
            (done.stderr.strip().splitlines() or ["no reason given"])[-1] if done else "it hung"
        )
        return Check(
            name="bubblewrap",
            ok=False,
            found=f"version {text}, but it cannot make a sandbox: {reason}",
            advice=namespace_advice(
                apparmor=_read(_APPARMOR), clone=_read(_DEBIAN_SWITCH), highest=_read(_HIGHEST)
            ),
            needed=False,
        )
    return Check(name="bubblewrap", ok=True, found=f"version {text}, makes sandboxes", needed=False)


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


def sandbox_check(docker: Check, bubblewrap: Check) -> Check:
    """Whether there is any sandbox at all, and which one a run takes by itself."""
    chosen = next((check.name for check in (docker, bubblewrap) if check.ok), None)
    if chosen is None:
        return Check(
            name="a sandbox",
            ok=False,
            found="neither Docker nor bubblewrap can be used",
            advice=bubblewrap.advice or docker.advice,
        )
    return Check(name="a sandbox", ok=True, found=f"{chosen} is used unless --sandbox says other")


def git_check() -> Check:
    """Whether git is there, new enough, and has the program that serves repositories over HTTP."""
    version = _version(("git", "--version"))
    if version is None:
        return Check(name="git", ok=False, found="not installed", advice="sudo apt-get install git")
    text = ".".join(map(str, version))
    if version < OLDEST_GIT:
        return Check(
            name="git",
            ok=False,
            found=f"version {text}, which is too old",
            advice="sudo apt-get install --only-upgrade git",
        )
    where = _run(("git", "--exec-path"))
    backend = Path(where.stdout.strip() if where else "", "git-http-backend")
    if not backend.is_file():
        return Check(
            name="git",
            ok=False,
            found=f"version {text}, without git-http-backend",
            advice="sudo apt-get install --reinstall git",
        )
    return Check(name="git", ok=True, found=f"version {text}, with git-http-backend")


def bootstrap_check(images: tuple[Image, ...]) -> Check:
    """Whether the stack image can be made here; a kept one will do without."""
    tool = next((name for name in ("mmdebstrap", "debootstrap") if _which(name)), None)
    if tool is None:
        return Check(
            name="mmdebstrap",
            ok=False,
            found="not installed" + (", but an image is kept" if images else ""),
            advice="sudo apt-get install mmdebstrap uidmap",
            needed=not images,
        )
    return Check(name="mmdebstrap", ok=True, found=f"{tool} is installed", needed=False)


def image_check(images: tuple[Image, ...], engine: Engine | None) -> Check:
    """Whether a stack image is kept, and whether the engine has it."""
    if not images:
        return Check(
            name="stack image",
            ok=False,
            found="none is kept",
            advice="cache-harness image build, or the next run makes it",
            needed=False,
        )
    newest = images[0]
    loaded = engine is not None and newest.tag in engine.tags
    where = "" if engine is None else ", in Docker" if loaded else ", goes into Docker when used"
    return Check(
        name="stack image",
        ok=True,
        found=f"{newest.tag} of {newest.suite}{where}",
        needed=False,
    )


def runtimes_check(store: Store) -> Check:
    """Whether Python runtimes of two minor versions are kept."""
    runtimes = available_runtimes(store)
    found = ", ".join(dict.fromkeys(runtime.version for runtime in runtimes)) or "none is kept"
    enough = len({runtime.minor for runtime in runtimes}) >= 2
    return Check(
        name="Python runtimes",
        ok=enough,
        found=found,
        advice="" if enough else "cache-harness runtime pack PREFIX, or the next run makes them",
        needed=False,
    )


def disk_check(store: Store) -> Check:
    """Whether there is room where the store is, or will be."""
    folder = store.root.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check(
            name="disk",
            ok=False,
            found=f"{folder} cannot be read: {error.strerror}",
            advice="choose another folder with --store DIR",
        )
    ok = free >= ROOM
    return Check(
        name="disk",
        ok=ok,
        found=f"{free / 1024**3:.1f} GiB free for {store.root}",
        advice="" if ok else f"free {ROOM / 1024**3:.0f} GiB there, or choose another with --store",
    )


def _which(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def _version(argv: tuple[str, ...]) -> tuple[int, ...] | None:
    done = _run(argv) if shutil.which(argv[0]) else None
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
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
