"""Runs jobs with Docker: a container each, in a network namespace that has no way out."""

import contextlib
import os
import shutil
import time
from pathlib import Path

import docker
from docker.types import Mount as EngineMount

from harness.errors import SandboxError
from harness.sandboxes import End, Job, Mount, OnOutput, Outcome, Serve, accounts, sockets
from harness.sandboxes.check import Check
from harness.sandboxes.docker.containers import (
    NO_LOG,
    Command,
    Maker,
    attached,
    ended,
    kill,
    out_of_memory,
    output,
    remove,
    remove_all,
    state,
)
from harness.sandboxes.docker.engine import asking, connected
from harness.sandboxes.docker.holders import Holders
from harness.sandboxes.docker.images import (
    any_stack_image,
    files_of,
    image_id,
    load_image,
    stack_tags,
)
from harness.sandboxes.mounts import checked
from harness.sandboxes.output_reader import Follower
from harness.sandboxes.registry import BaseImage, SandboxSettings
from harness.stack.image import Image

# One stream, so that stdout and stderr keep their order; and env(1) drops what the image and the
# engine would add to the environment.
MERGE = ("/bin/sh", "-c", 'exec /usr/bin/env -i "$@" 2>&1', "sh")
KILLED = 137
CHECKING = 20
"""Seconds for an engine to answer when it is only looked for."""
KEPT_IMAGE = "image"
"""The file in a sandbox's folder that names its image."""


class DockerSandbox:
    """A `Sandbox` in containers of the engine's.

    A job with no server has no network at all. One with a server joins the network namespace of a
    container that holds nothing but sockets bound in it: no network of the engine's is made, and no
    port of the host's is used, so a user who may do no more than talk to the engine can run it.

    Raises:
        SandboxError: The engine does not answer, or the image is unavailable.
    """

    name = "docker"
    preference = 20

    def __init__(self, settings: SandboxSettings) -> None:
        self._closed = False
        self._folder = settings.scratch
        with connected() as engine:
            self._image = image_id(engine, settings.image.name)
            # For whoever has to put right what this run leaves, should it be killed.
            (self._folder / KEPT_IMAGE).write_text(self._image)
            self._maker = Maker.of(settings.run, engine)
            self._etc = self._write_etc(engine)
        self._holders = Holders(self._maker, image=self._image, folder=self._folder)

    @classmethod
    def check(cls, images: tuple[Image, ...]) -> Check:
        """Whether an engine answers to this user, and whether it has the newest stack image."""
        try:
            with connected(patience=CHECKING) as engine:
                found = f"engine {asking(engine.version).get('Version', 'unknown')}"
                tags = stack_tags(engine)
        except SandboxError as error:
            return Check(name="Docker", ok=False, found=error.message, advice=error.hint)
        if images:
            loaded = images[0].tag in tags
            found += ", has the stack image" if loaded else ", gets the stack image when used"
        return Check(name="Docker", ok=True, found=found)

    @classmethod
    def stack_image(cls, image: Image) -> BaseImage:
        """Puts the stack image into the engine, where it is not there yet.

        Raises:
            SandboxError: The engine does not answer, or refuses the image.
        """
        return BaseImage(name=load_image(image), identity=image.digest)

    @classmethod
    def named_image(cls, asked: str) -> BaseImage:
        """An image by its name or id, which is fetched where the engine lacks it.

        Raises:
            SandboxError: The engine does not answer, or cannot fetch it.
        """
        with connected() as engine:
            return BaseImage(name=asked, identity=image_id(engine, asked))

    @classmethod
    def sweep(cls, run: str, scratch: Path) -> None:  # noqa: ARG003  (the protocol's)
        """Removes the containers that a dead run left, by their label.

        Raises:
            SandboxError: The engine does not answer.
        """
        with connected() as engine:
            remove_all(engine, run)

    @classmethod
    def reclaim(cls, tree: Path, scratch: Path) -> bool:
        """Makes the caller the owner of all below `tree`, by a container's root.

        Returns:
            Whether that was done.
        """
        with contextlib.suppress(SandboxError, OSError), connected() as engine:
            kept = scratch / KEPT_IMAGE
            image = kept.read_text() if kept.exists() else any_stack_image(engine)
            return image is not None and _own(engine, image, tree)
        return False

    def run(self, job: Job, *, serve: Serve | None = None, on_output: OnOutput) -> Outcome:
        """Runs a job to its end and leaves nothing of it behind; see `Sandbox.run`."""
        job = checked(job)
        with contextlib.ExitStack() as stack:
            engine = stack.enter_context(connected())
            network = "none"
            if serve is not None:
                holder = stack.enter_context(self._holders.lent(engine))
                network = f"container:{holder.container}"
                stack.enter_context(serve(sockets.duplicate(holder.listeners)))
            container = self._maker.make(
                engine, self._command(job, network), log_config=NO_LOG, init=True
            )
            stack.callback(remove, engine, container)
            if self._closed:
                raise SandboxError("the sandbox was closed before its job started")
            stream = stack.enter_context(attached(engine, container))
            began = int(time.time())
            asking(lambda: engine.start(container))
            follower = stack.enter_context(Follower(output(stream), job.limits))
            # The job must be dead before its output and its server are done with.
            stack.callback(kill, engine, container)
            end = follower.follow(on_output, lambda: out_of_memory(engine, container, began))
            if end is End.EXITED and not ended(engine, container, follower.left):
                end = End.TIMEOUT
            kill(engine, container)
            seconds = follower.seconds
            last = state(engine, container)
            # The engine may hear of a kill after the end of a job that went on all the same.
            killed = last.get("OOMKilled") or out_of_memory(engine, container, began)
        if self._closed:
            raise SandboxError("the sandbox was closed while a job ran in it")
        if killed:
            end = End.MEMORY
        return Outcome(end=end, status=int(last.get("ExitCode", KILLED)), seconds=seconds)

    def close(self) -> None:
        """Removes every container of the run's, jobs that still run in other threads included."""
        self._closed = True
        self._holders.close()
        with contextlib.suppress(SandboxError), connected() as engine:
            remove_all(engine, self._maker.run)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _command(self, job: Job, network: str) -> Command:
        taken = {mount.target for mount in job.mounts}
        return Command(
            image=self._image,
            argv=(*MERGE, *(f"{name}={value}" for name, value in job.env), *job.argv),
            cwd=job.cwd,
            mounts=(*(mount for mount in self._etc if mount.target not in taken), *job.mounts),
            network=network,
            limits=job.limits,
        )

    def _write_etc(self, engine: docker.APIClient) -> tuple[Mount, ...]:
        """Files that tell the job who it is, where the image does not know the caller."""
        uid, gid = self._maker.user
        if uid == 0:
            return ()
        completed = {
            "passwd": lambda text: accounts.with_user(text, uid, gid),
            "group": lambda text: accounts.with_group(text, gid),
        }
        mounts = []
        for name, known in files_of(engine, self._image, "/etc", tuple(completed)).items():
            text = completed[name](known)
            if text != known:
                path = self._folder / name
                path.write_text(text)
                mounts.append(Mount(source=path.absolute(), target=f"/etc/{name}"))
        return tuple(mounts)


def _own(engine: docker.APIClient, image: str, tree: Path) -> bool:
    """Makes the caller the owner of a tree, by a container's root; tells whether that was done.

    Raises:
        SandboxError: The engine refused, or was lost.
    """
    script = f"chown -hR {os.getuid()}:{os.getgid()} /tree && chmod -R u+rwX /tree"
    made = asking(
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
        asking(lambda: engine.start(made["Id"]))
        return bool(asking(lambda: engine.wait(made["Id"]))["StatusCode"] == 0)
    finally:
        remove(engine, made["Id"])
