"""Runs what a kind prepared on one app tree and its caches, in a sandbox."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.builds.inputs import Inputs
from harness.builds.layout import LayOutCache, host_path, lay_out, mounts
from harness.builds.lines import Lines, OnLine
from harness.builds.result import Build
from harness.builds.script import NOTES, failed_command, released, script
from harness.internet.server import InternetServer
from harness.sandboxes import Job, Mount, Sandbox

if TYPE_CHECKING:
    from harness.internet import Request

_SHELL = "/bin/sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What builds run on.

    Attributes:
        sandbox: Where they run.
        server: Answers for the internets of their inputs.
        trust_mounts: The mounts by which a sandbox trusts the server.
        trust_env: The variables by which programs in it do.
    """

    sandbox: Sandbox
    server: InternetServer
    trust_mounts: tuple[Mount, ...] = ()
    trust_env: tuple[tuple[str, str], ...] = ()


def run_build(
    inputs: Inputs,
    machine: Machine,
    *,
    folder: Path,
    caches: LayOutCache | None = None,
    on_line: OnLine | None = None,
) -> Build:
    """Runs one build to its end.

    Args:
        inputs: What goes in.
        machine: Where it runs.
        folder: A new folder for the build's files; it is made and belongs to the result.
        caches: Restores the caches that the build is given; None where they are empty.
        on_line: Called with each line of output, without its end.

    Raises:
        SandboxError: The sandbox could not be made or was lost. A build's own failure is a result.
        StoreError: A cache cannot be restored.
    """
    began = time.time()
    preparation = inputs.preparation
    lay_out(inputs, caches=caches, folder=folder)
    notes = folder / "steps"
    notes.mkdir()
    job = Job(
        argv=(_SHELL, "-c", script(preparation.commands)),
        env=(*preparation.env, *machine.trust_env),
        cwd=preparation.cwd,
        mounts=(
            *mounts(preparation, folder),
            Mount(source=notes, target=NOTES, writable=True),
            *machine.trust_mounts,
        ),
        limits=inputs.limits,
    )
    log = folder / "log"
    with log.open("wb") as sink:
        lines = Lines(on_line)

        def keep(chunk: bytes) -> None:
            sink.write(chunk)
            lines.feed(chunk)

        requests: list[Request] = []
        serve = machine.server.serving(inputs.internet, requests.append)
        outcome = machine.sandbox.run(job, serve=serve, on_output=keep)
        lines.end()
    return Build(
        outcome=outcome,
        failed=failed_command(notes, preparation.commands, outcome),
        log=log,
        trees={
            tree.name: _real_folder(host_path(tree.path, folder)) for tree in preparation.results
        },
        caches={
            cache.name: _real_folder(host_path(cache.path, folder)) for cache in preparation.caches
        },
        requests=tuple(requests),
        released=released(notes),
        began=began,
    )


def _real_folder(path: Path) -> Path:
    """The folder itself: what a build put in its place is dropped, as a link may point anywhere."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        path.mkdir()
    return path
