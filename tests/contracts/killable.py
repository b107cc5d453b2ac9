"""A run of the harness's that sits in the middle of a job until something ends it."""

import sys
from pathlib import Path

from benches import PATH, Answers

from harness.sandboxes import Job, Mount
from harness.sandboxes.registry import SandboxSettings, open_sandbox
from harness.store import Store
from harness.workspace import Workspace


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(kind: str, store: str, image: str, rootfs: str, marker: str) -> None:
    with Workspace.open(Store(root=Path(store))) as workspace:
        settings = SandboxSettings(
            image=image, rootfs=Path(rootfs), run=workspace.id, scratch=workspace.folder
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
            sandbox.run(job, serve=Answers(), on_output=lambda _: tell("on"))
        finally:
            sandbox.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
