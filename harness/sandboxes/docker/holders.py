"""Containers that hold network namespaces, which jobs join one after another."""

import contextlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker

from harness.errors import SandboxError
from harness.sandboxes import MEBIBYTE, Limits, Listeners, Mount, sockets
from harness.sandboxes.docker.containers import Command, Maker, remove, state
from harness.sandboxes.docker.engine import asking
from harness.sandboxes.docker.images import any_stack_image

FOLDER = "/run/cache-harness"
LIMITS = Limits(memory=256 * MEBIBYTE, processes=16)


@dataclass(eq=False, slots=True, kw_only=True)
class Holder:
    """A container whose network namespace jobs use one after another, and its sockets.

    The container ends, and the engine removes it, once `control` is closed: so it does when this
    process dies.
    """

    container: str
    control: socket.socket
    listeners: Listeners

    def close(self) -> None:
        """Ends the container."""
        self.control.close()
        sockets.close(self.listeners)


class Holders:
    """The holders of one sandbox; safe to use from several threads."""

    def __init__(self, maker: Maker, *, image: str, folder: Path) -> None:
        """Makes none yet.

        Args:
            maker: Makes their containers.
            image: The image that is tried first; one of the harness's own does as well.
            folder: An existing folder, in which each has a folder of its own.
        """
        self._maker = maker
        self._image = image
        self._folder = folder
        self._lock = threading.Lock()
        self._all: list[Holder] = []
        self._idle: list[Holder] = []
        self._numbers = itertools.count()
        self._closed = False

    @contextlib.contextmanager
    def lent(self, engine: docker.APIClient) -> Iterator[Holder]:
        """A holder for one job's time.

        Raises:
            SandboxError: None can be made.
        """
        with self._lock:
            holder = self._idle.pop() if self._idle else None
        if holder is not None and not state(engine, holder.container).get("Running"):
            self._drop(holder)
            holder = None
        if holder is None:
            holder = self._make(engine)
        sockets.drain(holder.listeners)
        try:
            yield holder
        except BaseException:
            self._drop(holder)
            raise
        with self._lock:
            closed = self._closed
            if not closed:
                self._idle.append(holder)
        if closed:
            self._drop(holder)

    def close(self) -> None:
        """Ends all of them."""
        with self._lock:
            self._closed = True
            holders, self._all, self._idle = self._all, [], []
        for holder in holders:
            holder.close()

    def _drop(self, holder: Holder) -> None:
        with self._lock:
            if holder in self._all:
                self._all.remove(holder)
        holder.close()

    def _make(self, engine: docker.APIClient) -> Holder:
        images = dict.fromkeys((self._image, any_stack_image(engine)))
        said = ""
        for image in filter(None, images):
            try:
                return self._made_from(engine, image)
            except SandboxError as error:
                said = error.message
        raise SandboxError(
            f"no container could be made to hold a network: {said}",
            hint="the image, or one made with `cache-harness image build`, must have python3",
        )

    def _made_from(self, engine: docker.APIClient, image: str) -> Holder:
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
            container = self._maker.make(
                engine,
                _waiting(image, folder),
                auto_remove=True,
                # Any user may then bind the ports for names and the web, in this namespace only.
                sysctls={"net.ipv4.ip_unprivileged_port_start": "0"},
            )
            try:
                asking(lambda: engine.start(container))
                control = _accepted(meeting, engine, container)
                try:
                    listeners = sockets.receive(control)
                except BaseException:
                    control.close()
                    raise
            except BaseException:
                remove(engine, container)
                raise
        holder = Holder(container=container, control=control, listeners=listeners)
        with self._lock:
            self._all.append(holder)
        return holder


def _waiting(image: str, folder: Path) -> Command:
    """Binds sockets, sends them by way of a folder, and waits for the end."""
    script = Mount(source=sockets.SCRIPT, target=f"{FOLDER}/bind_listeners.py")
    shared = Mount(source=folder.absolute(), target=f"{FOLDER}/meeting")
    return Command(
        image=image,
        argv=(
            *("python3", "-I", "-S", script.target, "stay"),
            f"{shared.target}/socket",
            *sockets.ADDRESSES,
        ),
        cwd="/",
        mounts=(script, shared),
        network="none",
        limits=LIMITS,
    )


def _accepted(meeting: socket.socket, engine: docker.APIClient, container: str) -> socket.socket:
    """The helper's connection, once it comes."""
    end = time.monotonic() + sockets.PATIENCE
    while time.monotonic() < end:
        try:
            control, _ = meeting.accept()
        except TimeoutError:
            if not state(engine, container).get("Running"):
                raise SandboxError("its helper ended early") from None
        else:
            control.settimeout(sockets.PATIENCE)
            return control
    raise SandboxError(
        "its helper did not answer",
        hint="use an engine on this machine: another's cannot hand its sockets over",
    )
