"""Runs jobs with Docker: a container each, in a network namespace that has no way out."""

import contextlib
import io
import itertools
import math
import os
import shutil
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import LogConfig, Ulimit
from docker.types import Mount as EngineMount
from docker.utils import kwargs_from_env
from docker.utils.socket import frames_iter
from urllib3.exceptions import HTTPError

from harness.errors import SandboxError
from harness.sandboxes import (
    MEBIBYTE,
    NAME_SERVER,
    RESOLVER_OPTIONS,
    End,
    Job,
    Limits,
    Listeners,
    Mount,
    OnOutput,
    Outcome,
    Serve,
    accounts,
    sockets,
)
from harness.sandboxes.check import Check
from harness.sandboxes.docker_images import find_engine, load_into_docker
from harness.sandboxes.limits import OPEN_FILES
from harness.sandboxes.mounts import checked
from harness.sandboxes.output_reader import Follower
from harness.sandboxes.registry import BaseImage, SandboxSettings
from harness.stack.image import Image

RUN_LABEL = "cache-harness.run"
OWNER_LABEL = "cache-harness.owner"
KINDRED_IMAGES = "cache-harness/stack"
HOST_NAME = "build"
SHARED_MEMORY = 256 * MEBIBYTE
# What a build by root needs to unpack archives and to change owners and modes; nothing that
# reaches the kernel or the network.
CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"),
    *("KILL", "SETGID", "SETUID"),
)
# One stream, so that stdout and stderr keep their order; and env(1) drops what the image and the
# engine would add to the environment.
MERGE = ("/bin/sh", "-c", 'exec /usr/bin/env -i "$@" 2>&1', "sh")
KILLED = 137
NO_LOG = LogConfig(type="none")
ATTEMPTS = 3
GONE = (requests.ConnectionError, requests.Timeout)
HOLDER_FOLDER = "/run/cache-harness"

T = TypeVar("T")
FramesOf = Callable[[socket.SocketIO, bool], Iterator[tuple[int, bytes]]]


@dataclass(eq=False, slots=True, kw_only=True)
class _Holder:
    """A container whose network namespace jobs use one after another, and its sockets.

    The container ends, and the engine removes it, once `control` is closed: so it does when this
    process dies.
    """

    container: str
    control: socket.socket
    listeners: Listeners

    def close(self) -> None:
        self.control.close()
        sockets.close(self.listeners)


class DockerSandbox:
    """A `Sandbox` in containers of the engine's.

    A job with no server has no network at all. One with a server joins the network namespace of a
    container that holds nothing but sockets bound in it: no network of the engine's is made, and no
    port of the host's is used, so a user who may do no more than talk to the engine can run it.

    Raises:
        SandboxError: The engine does not answer, or the image cannot be had.
    """

    name = "docker"
    preference = 20

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._holders: list[_Holder] = []
        self._idle: list[_Holder] = []
        self._numbers = itertools.count()
        self._closed = False
        self._folder = settings.scratch
        with _engine() as engine:
            self._image = _image_id(engine, settings.image.name)
            # For whoever has to put right what this run leaves, should it be killed.
            (self._folder / "image").write_text(self._image)
            options = " ".join(_asking(engine.info).get("SecurityOptions") or ())
            rootless = "name=rootless" in options
            self._user = (0, 0) if rootless else (os.getuid(), os.getgid())
            self._userns = "host" if "name=userns" in options else None
            self._etc = self._write_etc(engine)

    @classmethod
    def check(cls, images: tuple[Image, ...]) -> Check:
        """Whether an engine answers to this user, and whether it has the newest stack image."""
        try:
            engine = find_engine()
        except SandboxError as error:
            return Check(name="Docker", ok=False, found=error.message, advice=error.hint)
        found = f"engine {engine.version}"
        if images:
            loaded = images[0].tag in engine.tags
            found += ", has the stack image" if loaded else ", gets the stack image when used"
        return Check(name="Docker", ok=True, found=found)

    @classmethod
    def stack_image(cls, image: Image) -> BaseImage:
        """Puts the stack image into the engine, where it is not there yet.

        Raises:
            SandboxError: The engine does not answer, or refuses the image.
        """
        return BaseImage(name=load_into_docker(image), identity=image.digest)

    @classmethod
    def named_image(cls, asked: str) -> BaseImage:
        """An image by its name or id, which is fetched where the engine lacks it.

        Raises:
            SandboxError: The engine does not answer, or cannot fetch it.
        """
        with _engine() as engine:
            return BaseImage(name=asked, identity=_image_id(engine, asked))

    @classmethod
    def sweep(cls, run: str, scratch: Path) -> None:  # noqa: ARG003  (the protocol's)
        """Removes the containers that a dead run left, by their label.

        Raises:
            SandboxError: The engine does not answer.
        """
        with _engine() as engine:
            _remove_all(engine, run)

    @classmethod
    def reclaim(cls, tree: Path, scratch: Path) -> bool:
        """Makes the caller the owner of all below `tree`, by a container's root.

        Returns:
            Whether that was done.
        """
        with contextlib.suppress(SandboxError, OSError), _engine() as engine:
            kept = scratch / "image"
            image = kept.read_text() if kept.exists() else _kindred_image(engine)
            if image is None:
                return False
            owner = f"{os.getuid()}:{os.getgid()}"
            script = f"chown -hR {owner} /tree && chmod -R u+rwX /tree"
            made = _asking(
                lambda: engine.create_container(
                    image,
                    entrypoint=["/bin/sh", "-c", script],
                    user="0:0",
                    host_config=engine.create_host_config(
                        network_mode="none",
                        mounts=[EngineMount("/tree", str(tree.absolute()), type="bind")],
                        cap_drop=["ALL"],
                        cap_add=["CHOWN", "DAC_OVERRIDE", "FOWNER"],
                        security_opt=["no-new-privileges", "label=disable"],
                        log_config=NO_LOG,
                    ),
                )
            )
            try:
                _asking(lambda: engine.start(made["Id"]))
                return bool(_asking(lambda: engine.wait(made["Id"]))["StatusCode"] == 0)
            finally:
                _remove(engine, made["Id"])
        return False

    def run(self, job: Job, *, serve: Serve | None = None, on_output: OnOutput) -> Outcome:
        """Runs a job to its end and leaves nothing of it behind; see `Sandbox.run`."""
        job = checked(job)
        with contextlib.ExitStack() as stack:
            engine = stack.enter_context(_engine())
            network = "none"
            if serve is not None:
                holder = stack.enter_context(self._held(engine))
                network = f"container:{holder.container}"
                stack.enter_context(serve(sockets.duplicate(holder.listeners)))
            container = self._create(engine, job, network)
            stack.callback(_remove, engine, container)
            if self._closed:
                raise SandboxError("the sandbox was closed before its job started")
            stream = stack.enter_context(_attached(engine, container))
            began = int(time.time())
            _asking(lambda: engine.start(container))
            follower = stack.enter_context(Follower(_output(stream), job.limits))
            # The job must be dead before its output and its server are done with.
            stack.callback(_kill, engine, container)
            end = follower.follow(on_output, lambda: _out_of_memory(engine, container, began))
            if end is End.EXITED and not _ended(engine, container, follower.left):
                end = End.TIMEOUT
            _kill(engine, container)
            seconds = follower.seconds
            state = _state(engine, container)
            # The engine may hear of a kill after the end of a job that went on all the same.
            killed = state.get("OOMKilled") or _out_of_memory(engine, container, began)
        if self._closed:
            raise SandboxError("the sandbox was closed while a job ran in it")
        if killed:
            end = End.MEMORY
        return Outcome(end=end, status=int(state.get("ExitCode", KILLED)), seconds=seconds)

    def close(self) -> None:
        """Removes every container of the run's, jobs that still run in other threads included."""
        with self._lock:
            self._closed = True
            holders, self._holders, self._idle = self._holders, [], []
        for holder in holders:
            holder.close()
        with contextlib.suppress(SandboxError), _engine() as engine:
            _remove_all(engine, self._settings.run)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _create(self, engine: docker.APIClient, job: Job, network: str) -> str:
        taken = {mount.target for mount in job.mounts}
        mounts = (*(mount for mount in self._etc if mount.target not in taken), *job.mounts)
        command = [*(f"{name}={value}" for name, value in job.env), *job.argv]
        return self._container(
            engine,
            image=self._image,
            entrypoint=[*MERGE, *command],
            cwd=job.cwd,
            mounts=mounts,
            network=network,
            limits=job.limits,
            log_config=NO_LOG,
            init=True,
        )

    def _container(
        self,
        engine: docker.APIClient,
        *,
        image: str,
        entrypoint: list[str],
        cwd: str,
        mounts: tuple[Mount, ...],
        network: str,
        limits: Limits,
        **options: Any,
    ) -> str:
        # A container that shares a network namespace shares the names that go with it as well.
        shared = network.startswith("container:")
        config = engine.create_host_config(
            network_mode=network,
            dns=None if shared else [NAME_SERVER],
            dns_opt=None if shared else list(RESOLVER_OPTIONS),
            mounts=[
                EngineMount(
                    mount.target, str(mount.source), type="bind", read_only=not mount.writable
                )
                for mount in mounts
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
            userns_mode=self._userns,
            **options,
        )
        made = _asking(
            lambda: engine.create_container(
                image,
                entrypoint=entrypoint,
                working_dir=cwd,
                user=f"{self._user[0]}:{self._user[1]}",
                hostname=None if shared else HOST_NAME,
                labels={RUN_LABEL: self._settings.run, OWNER_LABEL: str(os.getuid())},
                host_config=config,
                healthcheck={"test": ["NONE"]},
            )
        )
        return str(made["Id"])

    @contextlib.contextmanager
    def _held(self, engine: docker.APIClient) -> Iterator[_Holder]:
        """A holder for one job's time."""
        with self._lock:
            holder = self._idle.pop() if self._idle else None
        if holder is not None and not _state(engine, holder.container).get("Running"):
            self._drop(holder)
            holder = None
        if holder is None:
            holder = self._make_holder(engine)
        sockets.drain(holder.listeners)
        try:
            yield holder
        except BaseException:
            self._drop(holder)
            raise
        with self._lock:
            if not self._closed:
                self._idle.append(holder)

    def _drop(self, holder: _Holder) -> None:
        with self._lock:
            if holder in self._holders:
                self._holders.remove(holder)
        holder.close()

    def _make_holder(self, engine: docker.APIClient) -> _Holder:
        images = dict.fromkeys((self._image, _kindred_image(engine)))
        said = ""
        for image in filter(None, images):
            try:
                return self._holder_from(engine, image)
            except SandboxError as error:
                said = error.message
        raise SandboxError(
            f"no container could be made to hold a network: {said}",
            hint="the image, or one made with `cache-harness image build`, must have python3",
        )

    def _holder_from(self, engine: docker.APIClient, image: str) -> _Holder:
        folder = self._folder / f"holder-{next(self._numbers)}"
        folder.mkdir()
        with contextlib.ExitStack() as stack:
            meeting = stack.enter_context(socket.socket(socket.AF_UNIX))
            # By way of a descriptor, since a socket's path may have no more than 107 bytes.
            place = os.open(folder, os.O_PATH)
            stack.callback(os.close, place)
            meeting.bind(f"/proc/self/fd/{place}/socket")
            meeting.listen(1)
            meeting.settimeout(0.1)
            script = Mount(source=sockets.SCRIPT, target=f"{HOLDER_FOLDER}/bind_listeners.py")
            shared = Mount(source=folder.absolute(), target=f"{HOLDER_FOLDER}/meeting")
            container = self._container(
                engine,
                image=image,
                entrypoint=[
                    *("python3", "-I", "-S", script.target, "stay"),
                    f"{shared.target}/socket",
                    *sockets.ADDRESSES,
                ],
                cwd="/",
                mounts=(script, shared),
                network="none",
                limits=Limits(memory=256 * MEBIBYTE, processes=16),
                auto_remove=True,
                # Any user may then bind the ports for names and the web, in this namespace only.
                sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
            )
            try:
                _asking(lambda: engine.start(container))
                control = _accepted(meeting, engine, container)
                try:
                    listeners = sockets.receive(control)
                except BaseException:
                    control.close()
                    raise
            except BaseException:
                _remove(engine, container)
                raise
        holder = _Holder(container=container, control=control, listeners=listeners)
        with self._lock:
            self._holders.append(holder)
        return holder

    def _write_etc(self, engine: docker.APIClient) -> tuple[Mount, ...]:
        """Files that tell the job who it is, where the image does not know the caller."""
        uid, gid = self._user
        if uid == 0:
            return ()
        told = {
            "passwd": lambda text: accounts.with_user(text, uid, gid),
            "group": lambda text: accounts.with_group(text, gid),
        }
        mounts = []
        for name, known in _files_of(engine, self._image, "/etc", tuple(told)).items():
            text = told[name](known)
            if text != known:
                path = self._folder / name
                path.write_text(text)
                mounts.append(Mount(source=path.absolute(), target=f"/etc/{name}"))
        return tuple(mounts)


@contextlib.contextmanager
def _engine() -> Iterator[docker.APIClient]:
    """A client of the engine that the environment names; one for each use, as none is thread-safe.

    Raises:
        SandboxError: No engine answers, or this user may not talk to it.
    """
    try:
        client = _connected()
    except (DockerException, *GONE) as error:
        said = str(error)
        if "Permission denied" in said or "PermissionError" in said:
            raise SandboxError(
                "this user may not talk to the Docker engine",
                hint="join its group: `sudo usermod -aG docker $USER`, then log in again",
            ) from error
        raise SandboxError(
            f"no Docker engine answers ({said.strip()})",
            hint="install and start one (`apt-get install docker.io`), or set DOCKER_HOST; "
            "or use bubblewrap (--sandbox bubblewrap)",
        ) from error
    with contextlib.closing(client):
        yield client


@cache
def _api_version() -> str:
    client = docker.APIClient(version="auto", **kwargs_from_env())
    with contextlib.closing(client):
        return str(client.api_version)


def _connected() -> docker.APIClient:
    version = _api_version()
    client = docker.APIClient(version=version, timeout=120, **kwargs_from_env())
    try:
        client.ping()
    except BaseException:
        client.close()
        raise
    return client


def _asking(call: Callable[[], T]) -> T:
    """What the engine answers; asks again where it is the connection that failed.

    What is asked this way may be asked twice: a container made and lost is found by its label, and
    a start does nothing the second time.

    Raises:
        SandboxError: The engine refused, or cannot be reached; the cause is the client's own error.
    """
    for attempt in itertools.count(1):
        try:
            return call()
        except GONE as error:
            if attempt == ATTEMPTS:
                raise SandboxError(
                    f"the Docker engine was lost: {error}", hint="see that it runs, and run again"
                ) from error
            time.sleep(attempt)
        except APIError as error:
            raise SandboxError(
                f"the Docker engine refused: {error.explanation or error}"
            ) from error
    raise AssertionError("unreachable")


def _image_id(engine: docker.APIClient, name: str) -> str:
    """The id of an image, which is fetched where the engine lacks it."""

    def _inspected() -> str:
        ask: Callable[[str], dict[str, Any]] = engine.inspect_image  # the stubs leave it untyped
        return str(_asking(lambda: ask(name))["Id"])

    try:
        return _inspected()
    except SandboxError as error:
        if not isinstance(error.__cause__, ImageNotFound):
            raise
    try:
        _asking(lambda: engine.pull(name, tag=None if _has_tag(name) else "latest"))
        return _inspected()
    except SandboxError as error:
        raise SandboxError(
            f"the Docker engine has no image {name} and cannot fetch it: {error.message}",
            hint="make an image with `cache-harness image build`, or `docker pull` it",
        ) from error


def _has_tag(name: str) -> bool:
    return ":" in name.rpartition("/")[2] or "@" in name


def _kindred_image(engine: docker.APIClient) -> str | None:
    """Any image of the harness's own making: it has a shell and python3."""
    found = _asking(lambda: engine.images(name=KINDRED_IMAGES, quiet=True))
    return str(found[0]) if found else None


def _files_of(
    engine: docker.APIClient, image: str, folder: str, names: tuple[str, ...]
) -> dict[str, str]:
    """The text of an image's files, those that it has."""
    texts = {}
    made = str(_asking(lambda: engine.create_container(image, ["true"]))["Id"])
    try:
        for name in names:
            try:
                chunks, _ = _asking(lambda: engine.get_archive(made, f"{folder}/{name}"))  # noqa: B023
            except SandboxError:
                continue
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                member = archive.extractfile(name)
                if member is not None:
                    texts[name] = member.read().decode(errors="replace")
    finally:
        _remove(engine, made)
    return texts


def _accepted(meeting: socket.socket, engine: docker.APIClient, container: str) -> socket.socket:
    """The helper's connection, once it comes."""
    end = time.monotonic() + sockets.PATIENCE
    while time.monotonic() < end:
        try:
            control, _ = meeting.accept()
        except TimeoutError:
            if not _state(engine, container).get("Running"):
                raise SandboxError("its helper ended early") from None
        else:
            control.settimeout(sockets.PATIENCE)
            return control
    raise SandboxError(
        "its helper did not answer",
        hint="use an engine of this machine's: sockets cannot be handed over from another's",
    )


@contextlib.contextmanager
def _attached(engine: docker.APIClient, container: str) -> Iterator[socket.SocketIO]:
    """The connection over which the engine sends a container's output."""
    wanted = {"stdout": 1, "stderr": 1, "stream": 1}
    stream = _asking(lambda: engine.attach_socket(container, params=wanted))
    # The client keeps the response that it came by at it, which must be closed as well.
    response = getattr(stream, "_response", None)
    try:
        yield stream
    finally:
        if response is not None:
            response.close()
        stream.close()


def _out_of_memory(engine: docker.APIClient, container: str, since: int) -> End | None:
    """`MEMORY` where a process of a running container was killed for want of it.

    The container's state tells so only after its end.
    """
    filters = {"container": container, "event": "oom"}
    # A whole second would leave out what happened in this one; the client passes text on as it is.
    until: Any = f"{time.time():.9f}"
    found = _asking(lambda: list(engine.events(since=since, until=until, filters=filters)))
    return End.MEMORY if found else None


def _output(stream: socket.SocketIO) -> Iterator[bytes]:
    try:
        frames: FramesOf = frames_iter
        for _, chunk in frames(stream, False):  # noqa: FBT003  (no terminal)
            yield chunk
    except (*GONE, DockerException, HTTPError, OSError) as error:
        raise SandboxError(f"the Docker engine was lost: {error}") from error


def _state(engine: docker.APIClient, container: str) -> dict[str, Any]:
    """The container's state as the engine tells it; empty where there is none."""
    try:
        return dict(_asking(lambda: engine.inspect_container(container))["State"])
    except SandboxError as error:
        if isinstance(error.__cause__, NotFound):
            return {}
        raise


def _ended(engine: docker.APIClient, container: str, seconds: float) -> bool:
    """Whether the container ends within so many seconds."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(*GONE, APIError):
            engine.wait(container, timeout=max(1, math.ceil(end - time.monotonic())))
        state = _state(engine, container)
        if not state:
            raise SandboxError("the job's container was removed by somebody else")
        if not state.get("Running"):
            return True
        if time.monotonic() >= end:
            return False


def _kill(engine: docker.APIClient, container: str) -> None:
    # Refused where it has ended by itself.
    with contextlib.suppress(APIError):
        engine.kill(container)


def _remove(engine: docker.APIClient, container: str) -> None:
    """Removes a container, running or not; one that goes or is gone already is none."""
    with contextlib.suppress(APIError):
        engine.remove_container(container, force=True, v=True)


def _remove_all(engine: docker.APIClient, run: str) -> None:
    """Removes a run's containers and waits until the engine has none.

    Raises:
        SandboxError: The engine keeps one.
    """
    for _ in range(100):
        found = _asking(
            lambda: engine.containers(all=True, filters={"label": f"{RUN_LABEL}={run}"})
        )
        if not found:
            return
        for container in found:
            _remove(engine, container["Id"])
        time.sleep(0.05)
    raise SandboxError(
        f"the Docker engine does not remove containers of run {run}",
        hint=f"docker rm -f $(docker ps -aq --filter label={RUN_LABEL}={run})",
    )
