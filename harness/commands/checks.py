"""What this machine has of what the harness needs, and the command that fixes what is missing."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rich.filesize import decimal

from harness.ecosystems.python.runtimes.runtime import available_runtimes
from harness.sandboxes.check import Check
from harness.sandboxes.registry import backends
from harness.stack.image import Image, kept_images
from harness.storage.store import Store

OLDEST_GIT = (2, 25)
ROOM = 4 * 1000**3
"""Bytes that an image, its runtimes and a few builds take, with some to spare."""


def checks(store: Store) -> tuple[Check, ...]:
    """Looks at everything that the harness uses; raises nothing and changes nothing."""
    images = kept_images(store)
    kinds = {name: kind.check(images) for name, kind in backends().items()}
    return (
        # One that can be used is enough.
        *(replace(check, needed=False) for check in kinds.values()),
        sandbox_check(kinds),
        git_check(),
        bootstrap_check(images),
        image_check(images),
        runtimes_check(store),
        disk_check(store),
    )


def usable(found: tuple[Check, ...]) -> bool:
    """Whether scenarios can run: everything needed is as it should be."""
    return all(check.ok for check in found if check.needed)


def sandbox_check(kinds: Mapping[str, Check]) -> Check:
    """Whether any kind of sandbox can be used, and which one a run takes by itself.

    Args:
        kinds: What was found of each kind, the preferred ones first.
    """
    chosen = next((name for name, check in kinds.items() if check.ok), None)
    if chosen is None:
        return Check(
            name="a sandbox",
            ok=False,
            found=f"none of {', '.join(kinds)} can be used",
            advice="; or ".join(check.advice for check in kinds.values()),
        )
    return Check(
        name="a sandbox", ok=True, found=f"{chosen} is used unless --sandbox names another"
    )


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
            found="not installed" + (", but an image is stored" if images else ""),
            advice="sudo apt-get install mmdebstrap uidmap",
            needed=not images,
        )
    return Check(name="mmdebstrap", ok=True, found=f"{tool} is installed", needed=False)


def image_check(images: tuple[Image, ...]) -> Check:
    """Whether a stack image is kept."""
    if not images:
        return Check(
            name="stack image",
            ok=False,
            found="none is stored",
            advice="cache-harness image build, or let the next run make it",
            needed=False,
        )
    newest = images[0]
    return Check(name="stack image", ok=True, found=f"{newest.tag} of {newest.suite}", needed=False)


def runtimes_check(store: Store) -> Check:
    """Whether Python runtimes of two minor versions are kept."""
    runtimes = available_runtimes(store)
    found = ", ".join(dict.fromkeys(runtime.version for runtime in runtimes)) or "none is stored"
    enough = len({runtime.minor for runtime in runtimes}) >= 2
    return Check(
        name="Python runtimes",
        ok=enough,
        found=found,
        advice="" if enough else "cache-harness runtime pack PREFIX, or let the next run make them",
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
        found=f"{decimal(free)} free for {store.root}",
        advice="" if ok else f"free {decimal(ROOM)} there, or choose another with --store",
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
