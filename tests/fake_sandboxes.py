"""Kinds of sandbox that run nothing."""

from pathlib import Path
from typing import cast

from harness.errors import ImageError
from harness.sandboxes import Sandbox
from harness.sandboxes.check import Check
from harness.sandboxes.registry import BaseImage, SandboxSettings
from harness.stack.image import Image


class Nowhere:
    """A kind of sandbox that works on any machine and runs nothing."""

    name = "nowhere"

    def __init__(self, settings: SandboxSettings) -> None:
        self.settings = settings

    def close(self) -> None:
        pass

    @staticmethod
    def check(_images: tuple[Image, ...]) -> Check:
        return Check(name="nowhere", ok=True, found="works")

    @staticmethod
    def stack_image(image: Image) -> BaseImage:
        return BaseImage(name=f"stack {image.tag}", identity=image.digest)

    @staticmethod
    def named_image(asked: str) -> BaseImage:
        if asked == "no-such-image":
            raise ImageError(f"--image {asked}: nowhere needs another")
        return BaseImage(name=asked)


class Broken(Nowhere):
    """A kind of sandbox that this machine lacks something for."""

    name = "broken"

    @staticmethod
    def check(_images: tuple[Image, ...]) -> Check:
        return Check(name="broken", ok=False, found="the engine is not there", advice="start it")


def nowhere(folder: Path) -> Sandbox:
    """A sandbox of the first kind, with its scratch folder, for what asks it to run nothing."""
    settings = SandboxSettings(image=BaseImage(name="host"), run="nowhere", scratch=folder)
    return cast("Sandbox", Nowhere(settings))
