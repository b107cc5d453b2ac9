"""A tree of distribution packages, made by mmdebstrap or debootstrap as one tar stream."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

from harness.errors import ImageError
from harness.stack.distro import COMPONENTS, Archive
from harness.stack.processes import Processes

EPOCH = 1704067200
"""The time given to every file that is newer, in seconds since 1970, so that bytes repeat."""

OnLine = Callable[[str], None]


def quiet(_line: str) -> None:
    """Takes a line of progress and shows it nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """What to make: packages of one archive, installed or only extracted.

    Attributes:
        archive: Where the packages come from.
        packages: Their names; what they depend on comes along.
        install: True for a system that runs, False for the packages' files and nothing else.
        finish: A shell script run at the end with the tree's path as its first argument.
    """

    archive: Archive
    packages: tuple[str, ...]
    install: bool = True
    finish: str = ""


def mmdebstrap_argv(bootstrap: Bootstrap) -> tuple[str, ...]:
    """The command that writes the tree as a tar stream to its standard output (mmdebstrap(1))."""
    options = [f"--aptopt={key} {_quoted(value)};" for key, value in bootstrap.archive.options]
    hooks = [f"--customize-hook={bootstrap.finish}"] if bootstrap.finish else []
    # If the machine goes down with the tree, it is made again: no file need be on disk at once.
    quickly = ["--dpkgopt=force-unsafe-io"] if bootstrap.install else []
    return (
        "mmdebstrap",
        "--mode=auto",
        "--format=tar",
        f"--variant={'apt' if bootstrap.install else 'extract'}",
        f"--include={','.join(bootstrap.packages)}",
        *quickly,
        *options,
        *hooks,
        bootstrap.archive.suite,
        "-",
        bootstrap.archive.entry,
    )


def debootstrap_argv(bootstrap: Bootstrap, target: Path) -> tuple[str, ...]:
    """The command that makes the tree in a folder (debootstrap(8)); it needs root."""
    archive = bootstrap.archive
    keyring = [f"--keyring={archive.signed_by}"] if archive.signed_by else []
    return (
        "debootstrap",
        "--variant=minbase",
        f"--components={','.join(COMPONENTS[archive.distro])}",
        f"--include={','.join(bootstrap.packages)}",
        *keyring,
        archive.suite,
        str(target),
        archive.uri,
    )


def write_tar(
    bootstrap: Bootstrap,
    tar: Path,
    *,
    on_line: OnLine = quiet,
    processes: Processes | None = None,
) -> str:
    """Makes the tree and writes it to `tar`; gives the sha256 of its bytes, in hex.

    The same packages give the same bytes.

    Args:
        bootstrap: What to make.
        tar: The file to write; its folder exists.
        on_line: Called with each line of progress.
        processes: Those that may be ended from elsewhere, which then counts as a failure.

    Raises:
        ImageError: No tool for it is installed, or the tool failed.
    """
    processes = processes or Processes()
    if shutil.which("mmdebstrap"):
        return _stream(mmdebstrap_argv(bootstrap), tar, on_line, processes)
    if shutil.which("debootstrap", path=_path()) and os.geteuid() == 0:
        # --variant=extract has no counterpart there, but an installed tree holds the same files.
        with tempfile.TemporaryDirectory(prefix="cache-harness-") as folder:
            root = Path(folder) / "root"
            environment = _environment() | _proxies(bootstrap.archive)
            _run(debootstrap_argv(bootstrap, root), on_line, processes, environment)
            if bootstrap.finish:
                finish = ("sh", "-c", bootstrap.finish, "sh", str(root))
                _run(finish, on_line, processes, environment)
            return _stream(
                (
                    *("tar", "--create", "--sort=name", f"--mtime=@{EPOCH}", "--clamp-mtime"),
                    *("--numeric-owner", "--format=gnu", f"--directory={root}", "."),
                ),
                tar,
                on_line,
                processes,
            )
    raise ImageError(
        "mmdebstrap is not installed; it makes the stack image from your distribution's packages",
        hint="apt-get install mmdebstrap (and uidmap, to run it without root)",
    )


def unpack(tar: Path, target: Path) -> None:
    """Unpacks a tree into an existing folder, owned by the caller, without device nodes.

    Raises:
        ImageError: The command failed, for instance for want of room.
    """
    argv = (
        *("tar", "--extract", f"--file={tar}", f"--directory={target}", "--no-same-owner"),
        *("--preserve-permissions", "--delay-directory-restore", "--exclude=./dev/*"),
    )
    _run(argv, quiet, Processes(), _environment())


def _stream(argv: tuple[str, ...], tar: Path, on_line: OnLine, processes: Processes) -> str:
    try:
        with tar.open("wb") as file:
            return _run(argv, on_line, processes, _environment(), file)
    except OSError as error:
        raise ImageError(
            f"cannot write {tar}: {error.strerror}",
            hint="free some room, or choose another folder with --store DIR",
        ) from error


def _run(
    argv: tuple[str, ...],
    on_line: OnLine,
    processes: Processes,
    environment: dict[str, str],
    output: IO[bytes] | None = None,
) -> str:
    """Runs a command to its end; with `output` its stdout goes there, and its sha256 is given."""
    tail: deque[str] = deque(maxlen=12)
    digest = hashlib.sha256()

    def tell(lines: IO[bytes]) -> None:
        for raw in lines:
            line = raw.decode(errors="replace").rstrip()
            tail.append(line)
            # mmdebstrap marks its own lines so; the rest is the text of the script it is given.
            if line[:3] in {"I: ", "W: ", "E: "}:
                on_line(line[3:])

    with (
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if output else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            # What it leaves mounted must not outlive it: it cleans up after an interrupt itself.
            start_new_session=False,
        ) as process,
        processes.including(process),
    ):
        assert process.stderr is not None  # noqa: S101 - it is a pipe
        listener = Thread(target=tell, args=(process.stderr,), daemon=True)
        listener.start()
        if output and process.stdout:
            while chunk := process.stdout.read(1 << 20):
                digest.update(chunk)
                output.write(chunk)
        status = process.wait()
        listener.join()
    if status:
        raise ImageError(
            f"{argv[0]} ended with status {status}:\n" + "\n".join(f"  {line}" for line in tail),
            hint=_advice("\n".join(tail)),
        )
    return digest.hexdigest()


def _advice(log: str) -> str:
    """What usually fixes such a failure."""
    lower = log.lower()
    if "newuidmap" in lower or "subuid" in lower or "unable to pick chroot mode" in lower:
        return "apt-get install uidmap, or run this command once as root"
    if "unprivileged_userns" in lower or "unshare" in lower:
        return "run this command once as root, or allow user namespaces (cache-harness doctor)"
    if "no_pubkey" in lower or "not signed" in lower or "keyring" in lower:
        return (
            "apt-get install --only-upgrade debian-archive-keyring (or ubuntu-keyring), "
            "or choose an older suite with --suite NAME"
        )
    if "no space left" in lower:
        return "free some room, or set TMPDIR to a larger folder"
    if "404" in lower or "release file" in lower or "could not" in lower or "failed to" in lower:
        return "check that `apt-get update` works here, or give another archive with --mirror URL"
    return "run the command again; the end of its log is above"


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": _path(),
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": str(EPOCH),
        "DEBIAN_FRONTEND": "noninteractive",
    }


def _path() -> str:
    # An ordinary user's PATH often lacks the folders in which debootstrap and chroot live.
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def _proxies(archive: Archive) -> dict[str, str]:
    """The proxies of apt, as debootstrap's wget reads them."""
    return {
        f"{scheme}_proxy": value
        for scheme in ("http", "https")
        for key, value in archive.options
        if key.lower() == f"acquire::{scheme}::proxy"
    }


def _quoted(value: str) -> str:
    return '"' + value.replace('"', "%22") + '"'
