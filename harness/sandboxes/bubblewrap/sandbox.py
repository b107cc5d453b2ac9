"""Runs jobs with bubblewrap: namespaces of the kernel's, no daemon, no root."""

import contextlib
import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from harness.errors import ImageError, SandboxError
from harness.sandboxes import (
    NAME_SERVER,
    RESOLVER_OPTIONS,
    End,
    Job,
    Mount,
    OnOutput,
    Outcome,
    Serve,
    accounts,
)
from harness.sandboxes import sockets as namespace_sockets
from harness.sandboxes.bubblewrap.check import INSTALL, check_bubblewrap
from harness.sandboxes.bubblewrap.child import Child
from harness.sandboxes.bubblewrap.devices import own_devices
from harness.sandboxes.bubblewrap.limits import (
    ControlGroup,
    Warden,
    Watch,
    set_resource_limits,
    sweep_groups,
)
from harness.sandboxes.bubblewrap.orphans import end_orphans, mark
from harness.sandboxes.bubblewrap.rootfs import host_root, image_root, resolved
from harness.sandboxes.bubblewrap.seccomp import system_call_filter
from harness.sandboxes.check import Check
from harness.sandboxes.mounts import checked, enclosing
from harness.sandboxes.output_reader import Follower
from harness.sandboxes.registry import BaseImage, SandboxSettings
from harness.stack.image import Image

UID = GID = 1000
HOST_NAME = "build"
KILLED = 128 + signal.SIGKILL
HOST_IMAGE = "host"


class BubblewrapSandbox:
    """A `Sandbox` whose root is an unpacked image, or the host's /usr; see bwrap(1).

    Raises:
        SandboxError: bwrap is missing, or the image's folder is not a root folder.
    """

    name = "bubblewrap"
    preference = 10

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._bwrap = _bwrap()
        self._jobs = itertools.count()
        self._lock = threading.Lock()
        self._live: set[Child] = set()
        self._closed = False
        self._folder = settings.scratch
        self._etc = self._write_etc()
        self._devices = own_devices(Path(tempfile.mkdtemp(prefix="dev-", dir=self._folder)))
        self._filter = system_call_filter()

    @classmethod
    def check(cls, images: tuple[Image, ...]) -> Check:  # noqa: ARG003  (the protocol's)
        """Whether bwrap is there and can make namespaces for this user; it is really run."""
        return check_bubblewrap()

    @classmethod
    def stack_image(cls, image: Image) -> BaseImage:
        """The stack image's unpacked tree, as the store has it."""
        return BaseImage(name=image.tag, identity=image.digest, rootfs=image.rootfs)

    @classmethod
    def named_image(cls, asked: str) -> BaseImage:
        """The folder of an unpacked image, or `host` for the host's /usr.

        Raises:
            ImageError: It is neither.
        """
        if asked == HOST_IMAGE:
            return BaseImage(name=asked)
        if not Path(asked).is_dir():
            raise ImageError(
                f"--image {asked}: {cls.name} needs the folder of an unpacked image,"
                f" or `{HOST_IMAGE}`",
                hint="omit --image to use the harness's own image, or use --sandbox docker",
            )
        return BaseImage(name=asked, rootfs=Path(asked))

    @classmethod
    def sweep(cls, run: str, scratch: Path) -> None:  # noqa: ARG003  (the protocol's)
        """Ends the sandboxes of a dead run that did not die with it; removes its control groups.

        Raises:
            SandboxError: One of them does not end.
        """
        end_orphans(run)
        sweep_groups(run)

    @classmethod
    def reclaim(cls, tree: Path, scratch: Path) -> bool:  # noqa: ARG003  (the protocol's)
        """Has nothing to give back: what a job writes is the caller's from the first."""
        return False

    def run(self, job: Job, *, serve: Serve | None = None, on_output: OnOutput) -> Outcome:
        """Runs a job to its end and leaves nothing of it behind; see `Sandbox.run`."""
        job = checked(job)
        confinement = ControlGroup.make(f"{self._settings.run}-{next(self._jobs)}", job.limits)
        watch = confinement or Watch(job.limits)
        with contextlib.ExitStack() as stack:
            stack.callback(watch.close)
            child = stack.enter_context(self._waiting(job))
            set_resource_limits(child.pid, job.limits, confined=confinement is not None)
            watch.add(child.pid)
            if serve is not None:
                stack.enter_context(serve(namespace_sockets.bound_in_network_of(child.pid)))
            follower = stack.enter_context(Follower(child.chunks(), job.limits))
            # The job must be dead before its output, its server and its limits are done with.
            stack.callback(child.kill_and_wait)
            warden = stack.enter_context(Warden(watch, child.kill))
            child.release()
            end = follower.follow(on_output)
            if end is End.EXITED and not child.wait(follower.left):
                end = End.TIMEOUT
            child.kill_and_wait()
            end = warden.excess() or end
            seconds = follower.seconds
            status = child.status()
        if self._closed:
            raise SandboxError("the sandbox was closed while a job ran in it")
        if end is End.EXITED and status is None:
            raise SandboxError(f"bwrap could not start {job.argv[0]!r}: {child.said}")
        return Outcome(end=end, status=KILLED if status is None else status, seconds=seconds)

    def close(self) -> None:
        """Kills the jobs that still run, in whatever thread, and removes the sandbox's files."""
        with self._lock:
            self._closed = True
            for child in self._live:
                child.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextlib.contextmanager
    def _waiting(self, job: Job) -> Iterator[Child]:
        """A sandbox whose job waits for `release`; whatever happens, it is dead afterwards."""
        with contextlib.ExitStack() as stack:
            # Not on the command line, which every user of the machine can read.
            written = b"".join(os.fsencode(each) + b"\0" for each in self._arguments(job))
            arguments = _memory_file(written)
            stack.callback(os.close, arguments)
            calls = _memory_file(self._filter)
            stack.callback(os.close, calls)
            filtered = ("--seccomp", str(calls)) if self._filter else ()
            status_reads, status_writes = os.pipe()
            block_reads, block_writes = os.pipe()
            status_file = stack.enter_context(io.FileIO(status_reads, "r"))
            block_file = stack.enter_context(io.FileIO(block_writes, "w"))
            # bwrap takes the end of the pipe for leave to begin. One who reads and might write sees
            # none, and so no job begins after its harness has died.
            block_both = os.open(f"/proc/self/fd/{block_reads}", os.O_RDWR | os.O_CLOEXEC)
            os.close(block_reads)
            try:
                process = subprocess.Popen(
                    [
                        *(self._bwrap, *mark(self._settings.run), "--args", str(arguments)),
                        *filtered,
                        *("--json-status-fd", str(status_writes)),
                        *("--block-fd", str(block_both)),
                        # bwrap's --chdir sets PWD, which is not the job's unless it says so.
                        *("--", "/usr/bin/env", "-u", "PWD"),
                        *(f"PWD={value}" for name, value in job.env if name == "PWD"),
                        *job.argv,
                    ],
                    # A job can read with what bwrap, its namespace's first process, was started.
                    env={},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=(arguments, calls, status_writes, block_both),
                    # A terminal's ^C is for the harness, which then ends its jobs.
                    start_new_session=True,
                )
            except OSError as error:
                raise SandboxError(f"cannot run {self._bwrap}: {error.strerror}") from error
            finally:
                os.close(status_writes)
                os.close(block_both)
            stack.enter_context(process)
            stack.callback(process.kill)
            first = status_file.readline()
            if not first:
                assert process.stdout is not None  # noqa: S101  (for the type checker: a pipe)
                said = process.stdout.read().decode(errors="replace").strip()
                raise SandboxError(
                    f"bwrap could not make a sandbox: {said}",
                    hint="run `cache-harness doctor`",
                )
            pid = int(json.loads(first)["child-pid"])
            descriptor = os.pidfd_open(pid)
            stack.callback(os.close, descriptor)
            child = Child(
                pid=pid,
                descriptor=descriptor,
                process=process,
                status_file=status_file,
                block_file=block_file,
            )
            with self._lock:
                self._live.add(child)
                if self._closed:
                    child.kill()
            try:
                yield child
            finally:
                with self._lock:
                    self._live.discard(child)
                child.kill_and_wait()

    def _arguments(self, job: Job) -> list[str]:
        """The arguments of bwrap for what the job may see; pure but for looking at the image."""
        rootfs = self._settings.image.rootfs
        taken = {mount.target for mount in job.mounts}
        mounts = (*(mount for mount in self._etc if mount.target not in taken), *job.mounts)
        places = [self._place(mount, mounts) for mount in mounts]
        size = job.limits.memory
        arguments = [
            *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net"),
            *("--unshare-uts", "--unshare-cgroup-try", "--hostname", HOST_NAME),
            *("--uid", str(UID), "--gid", str(GID), "--cap-drop", "ALL"),
            *("--die-with-parent", "--new-session", "--clearenv"),
        ]
        for name, value in job.env:
            arguments += ["--setenv", name, value]
        own = [self._place(mount, mounts) for mount in mounts if _is_outer(mount, mounts)]
        cwd = job.cwd if enclosing(job.cwd, mounts) else self._resolved(job.cwd)
        if rootfs is None:
            arguments += host_root()
        else:
            arguments += image_root(rootfs, [*own, cwd])
        # Root's sandboxes are root's to the kernel's files: without this one could set /proc/sys.
        arguments += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]
        arguments += self._devices
        for folder, mode in (
            ("/dev/shm", "1777"),  # noqa: S108
            ("/tmp", "1777"),  # noqa: S108
            ("/var/tmp", "1777"),  # noqa: S108
            ("/run", "0755"),
        ):
            arguments += [*_sized(size), "--perms", mode, "--tmpfs", folder]
        for mount, place in zip(mounts, places, strict=True):
            arguments += ["--bind" if mount.writable else "--ro-bind", str(mount.source), place]
        if not enclosing(cwd, mounts):
            arguments += ["--dir", cwd]
        arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", job.cwd]
        return arguments

    def _place(self, mount: Mount, mounts: tuple[Mount, ...]) -> str:
        if _is_outer(mount, mounts):
            return self._resolved(mount.target)
        outer = next(other for other in mounts if other is not mount and _holds(other, mount))
        return self._resolved(outer.target) + mount.target[len(outer.target) :]

    def _resolved(self, path: str) -> str:
        rootfs = self._settings.image.rootfs
        return path if rootfs is None else resolved(rootfs, path)

    def _write_etc(self) -> tuple[Mount, ...]:
        rootfs = self._settings.image.rootfs
        passwd, group = accounts.PASSWD, accounts.GROUP
        if rootfs is not None:
            if not os.access(rootfs / "usr/bin/env", os.X_OK):
                raise SandboxError(
                    f"{rootfs} is not an unpacked image that this user can use:"
                    " it has no usr/bin/env",
                    hint="make one with `cache-harness image build --fresh`",
                )
            with contextlib.suppress(OSError):
                passwd = (rootfs / "etc/passwd").read_text()
                group = (rootfs / "etc/group").read_text()
        texts = {
            "passwd": accounts.with_user(passwd, UID, GID),
            "group": accounts.with_group(group, GID),
            "hosts": accounts.HOSTS,
            "resolv.conf": f"nameserver {NAME_SERVER}\noptions {' '.join(RESOLVER_OPTIONS)}\n",
        }
        mounts = []
        for name, text in texts.items():
            path = self._folder / name
            path.write_text(text)
            mounts.append(Mount(source=path.absolute(), target=f"/etc/{name}"))
        return tuple(mounts)


def _is_outer(mount: Mount, mounts: tuple[Mount, ...]) -> bool:
    return not any(other is not mount and _holds(other, mount) for other in mounts)


def _holds(other: Mount, mount: Mount) -> bool:
    return mount.target.startswith(other.target + "/")


@cache
def _bwrap() -> str:
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxError("bubblewrap is not installed", hint=INSTALL)
    return program


@cache
def _can_size() -> bool:
    said = subprocess.run([_bwrap(), "--help"], capture_output=True, check=False)
    return b"--size" in said.stdout + said.stderr


def _sized(size: int) -> list[str]:
    # Before 0.8 bwrap cannot limit a tmpfs; the kernel's own limit is half of the memory.
    return ["--size", str(size)] if _can_size() else []


def _memory_file(content: bytes) -> int:
    descriptor = os.memfd_create("for bwrap")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
