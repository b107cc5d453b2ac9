"""The engine's containers of a run: made, attached to, watched, removed."""

import contextlib
import math
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.types import LogConfig, Ulimit
from docker.types import Mount as EngineMount
from docker.utils.socket import frames_iter
from urllib3.exceptions import HTTPError

from harness.errors import SandboxError
from harness.sandboxes import (
    MEBIBYTE,
    NAME_SERVER,
    OPEN_FILES,
    RESOLVER_OPTIONS,
    End,
    Limits,
    Mount,
)
from harness.sandboxes.docker.engine import GONE, asking

RUN_LABEL = "cache-harness.run"
OWNER_LABEL = "cache-harness.owner"
HOST_NAME = "build"
SHARED_MEMORY = 256 * MEBIBYTE
# What a build by root needs to unpack archives and to change owners and modes; nothing that
# reaches the kernel or the network.
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"),
    *("KILL", "SETGID", "SETUID"),
)
NO_LOG = LogConfig(type="none")

FramesOf = Callable[[socket.SocketIO, bool], Iterator[tuple[int, bytes]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a container is to run, and with what.

    Attributes:
        image: The image's id.
        argv: The command.
        cwd: Where it starts.
        mounts: What it sees besides the image.
        network: The engine's name of a network mode.
        limits: What it may use.
    """

    image: str
    argv: tuple[str, ...]
    cwd: str
    mounts: tuple[Mount, ...]
    network: str
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Makes the containers of one run.

    Attributes:
        run: The run's id, which they carry.
        user: The user and the group that they run as.
        userns: The user namespace that they are in, where it is not the engine's own choice.
    """

    run: str
    user: tuple[int, int]
    userns: str | None

    @classmethod
    def of(cls, run: str, engine: docker.APIClient) -> "Maker":
        """Makes containers that run as the caller, by what the engine says of itself."""
        options = " ".join(asking(engine.info).get("SecurityOptions") or ())
        return cls(
            run=run,
            user=(0, 0) if "name=rootless" in options else (os.getuid(), os.getgid()),
            userns="host" if "name=userns" in options else None,
        )

    def make(self, engine: docker.APIClient, command: Command, **options: Any) -> str:
        """Makes a container that may do nothing but what its command needs; gives its id.

        Args:
            engine: Where.
            command: What it runs once it is started.
            options: More of the client's options for the host's side of it.

        Raises:
            SandboxError: The engine refused, or cannot be reached.
        """
        limits = command.limits
        # A container that shares a network namespace shares the names that go with it as well.
        shared = command.network.startswith("container:")
        config = engine.create_host_config(
            network_mode=command.network,
            dns=None if shared else [NAME_SERVER],
            dns_opt=None if shared else list(RESOLVER_OPTIONS),
            mounts=[
                EngineMount(
                    mount.target, str(mount.source), type="bind", read_only=not mount.writable
                )
                for mount in command.mounts
            ],
            mem_limit=limits.memory,
            memswap_limit=limits.memory,
            pids_limit=limits.processes,
            shm_size=min(SHARED_MEMORY, limits.memory),
            ulimits=[
                Ulimit(name="core", soft=0, hard=0),
                Ulimit(name="fsize", soft=limits.file_size, hard=limits.file_size),
                Ulimit(name="nofile", soft=OPEN_FILES[0], hard=OPEN_FILES[1]),
            ],
            cap_drop=["ALL"],
            cap_add=list(CAPABILITIES),
            # A confined container (SELinux) could not read the caller's folders unless they were
            # relabelled, which would change the caller's folders.
            security_opt=["no-new-privileges", "label=disable"],
            userns_mode=self.userns,
            **options,
        )
        made = asking(
            lambda: engine.create_container(
                command.image,
                entrypoint=list(command.argv),
                working_dir=command.cwd,
                user=f"{self.user[0]}:{self.user[1]}",
                hostname=None if shared else HOST_NAME,
                labels={RUN_LABEL: self.run, OWNER_LABEL: str(os.getuid())},
                host_config=config,
                healthcheck={"test": ["NONE"]},
            )
        )
        return str(made["Id"])


@contextlib.contextmanager
def attached(engine: docker.APIClient, container: str) -> Iterator[socket.SocketIO]:
    """The connection over which the engine sends a container's output."""
    wanted = {"stdout": 1, "stderr": 1, "stream": 1}
    stream = asking(lambda: engine.attach_socket(container, params=wanted))
    # The client keeps the response that it came by at it, which must be closed as well.
    response = getattr(stream, "_response", None)
    try:
        yield stream
    finally:
        if response is not None:
            response.close()
        stream.close()


def output(stream: socket.SocketIO) -> Iterator[bytes]:
    """A container's output, as it comes.

    Raises:
        SandboxError: The engine was lost.
    """
    try:
        frames: FramesOf = frames_iter
        for _, chunk in frames(stream, False):  # noqa: FBT003  (no terminal)
            yield chunk
    except (*GONE, DockerException, HTTPError, OSError) as error:
        raise SandboxError(f"the Docker engine was lost: {error}") from error


def out_of_memory(engine: docker.APIClient, container: str, since: int) -> End | None:
    """`MEMORY` where a process of a running container was killed for want of it.

    The container's state tells so only after its end.
    """
    filters = {"container": container, "event": "oom"}
    # A whole second would leave out what happened in this one; the client passes text on as it is.
    until: Any = f"{time.time():.9f}"
    found = asking(lambda: list(engine.events(since=since, until=until, filters=filters)))
    return End.MEMORY if found else None


def state(engine: docker.APIClient, container: str) -> dict[str, Any]:
    """The container's state as the engine tells it; empty where there is none."""
    try:
        return dict(asking(lambda: engine.inspect_container(container))["State"])
    except SandboxError as error:
        if isinstance(error.__cause__, NotFound):
            return {}
        raise


def ended(engine: docker.APIClient, container: str, seconds: float) -> bool:
    """Whether the container ends within so many seconds.

    Raises:
        SandboxError: It is there no more.
    """
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(*GONE, APIError):
            engine.wait(container, timeout=max(1, math.ceil(end - time.monotonic())))
        found = state(engine, container)
        if not found:
            raise SandboxError("another process removed the job's container")
        if not found.get("Running"):
            return True
        if time.monotonic() >= end:
            return False


def kill(engine: docker.APIClient, container: str) -> None:
    """Kills a container's processes; it may have ended by itself."""
    with contextlib.suppress(APIError):
        engine.kill(container)


def remove(engine: docker.APIClient, container: str) -> None:
    """Removes a container, running or not; one that goes or is gone already is none."""
    with contextlib.suppress(APIError):
        engine.remove_container(container, force=True, v=True)


def remove_all(engine: docker.APIClient, run: str) -> None:
    """Removes a run's containers and waits until the engine has none.

    Raises:
        SandboxError: The engine keeps one.
    """
    for _ in range(100):
        found = asking(lambda: engine.containers(all=True, filters={"label": f"{RUN_LABEL}={run}"}))
        if not found:
            return
        for container in found:
            remove(engine, container["Id"])
        time.sleep(0.05)
    raise SandboxError(
        f"the Docker engine fails to remove containers of run {run}",
        hint=f"docker rm -f $(docker ps -aq --filter label={RUN_LABEL}={run})",
    )
