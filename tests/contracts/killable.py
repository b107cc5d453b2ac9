"""A run of the harness's that sits in a job, or just before it, until something ends it."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benches import PATH, Answers

from harness.runs.workspace import Workspace
from harness.sandboxes import Job, Listeners, Mount, Serve
from harness.sandboxes.registry import BaseImage, SandboxSettings, open_sandbox
from harness.storage.store import Store


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextmanager
def never_ready(listeners: Listeners) -> Iterator[None]:
    """A `Serve` for which its job waits in vain."""
    tell("on")
    time.sleep(600)
    yield


SERVES: dict[str, Serve] = {"in a job": Answers(), "before a job": never_ready}


def main(kind: str, store: str, image: str, rootfs: str, marker: str, *, where: str) -> None:
    with Workspace.open(Store(root=Path(store))) as workspace:
        settings = SandboxSettings(
            image=BaseImage(name=image, rootfs=Path(rootfs)),
            run=workspace.id,
            scratch=workspace.scratch(kind),
        )
        sandbox = open_sandbox(kind, settings)
        out = workspace.folder / "out"
        out.mkdir()
        script = (
            f"mkdir -p /out/a/b; chmod 0 /out/a; echo on; sleep {marker} & sleep {marker}; wait"
        )
        job = Job(
            argv=("sh", "-c", script),
            env=(PATH,),
            mounts=(Mount(source=out, target="/out", writable=True),),
        )
        try:
            tell(workspace.id)
            sandbox.run(job, serve=SERVES[where], on_output=lambda _: tell("on"))
        finally:
            sandbox.close()


if __name__ == "__main__":
    main(*sys.argv[1:-1], where=sys.argv[-1])
