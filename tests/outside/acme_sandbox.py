"""A kind of sandbox that the harness knows nothing of, as another distribution would bring it."""

import shutil
from dataclasses import replace
from pathlib import Path

from harness.errors import ImageError, SandboxError
from harness.sandboxes import Job, OnOutput, Outcome, Serve
from harness.sandboxes.bubblewrap import BubblewrapSandbox
from harness.sandboxes.check import Check
from harness.sandboxes.registry import BaseImage, SandboxSettings
from harness.stack.image import Image

INNER = "rooms"


class AcmeSandbox:
    """Has bubblewrap run its jobs; names, folders, images and checks are its own."""

    name = "acme"
    preference = -1

    def __init__(self, settings: SandboxSettings) -> None:
        self._scratch = settings.scratch
        inner = settings.scratch / INNER
        inner.mkdir()
        self._rooms = BubblewrapSandbox(replace(settings, scratch=inner))

    @classmethod
    def check(cls, images: tuple[Image, ...]) -> Check:
        found = BubblewrapSandbox.check(images)
        return replace(found, name="Acme rooms", found=f"{len(images)} images; {found.found}")

    @classmethod
    def stack_image(cls, image: Image) -> BaseImage:
        ready = BubblewrapSandbox.stack_image(image)
        return replace(ready, name=f"acme/{ready.name}", identity=f"acme {ready.identity}")

    @classmethod
    def named_image(cls, asked: str) -> BaseImage:
        kind, _, folder = asked.partition(":")
        if kind != "tree" or not Path(folder).is_dir():
            raise ImageError(f"--image {asked}: acme needs tree:FOLDER")
        return BaseImage(name=asked, rootfs=Path(folder))

    @classmethod
    def sweep(cls, run: str, scratch: Path) -> None:
        if not (scratch / INNER).is_dir():
            raise SandboxError(f"{scratch} is no folder of acme's")
        BubblewrapSandbox.sweep(run, scratch / INNER)

    @classmethod
    def reclaim(cls, tree: Path, scratch: Path) -> bool:
        return BubblewrapSandbox.reclaim(tree, scratch / INNER)

    def run(self, job: Job, *, serve: Serve | None = None, on_output: OnOutput) -> Outcome:
        return self._rooms.run(job, serve=serve, on_output=on_output)

    def close(self) -> None:
        self._rooms.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
