"""The sandbox of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.runs.workspace import Workspace
from harness.sandboxes import Sandbox
from harness.sandboxes.registry import BaseImage, SandboxSettings, identity_of, open_sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSandbox:
    """A sandbox, and by what its builds are known.

    Attributes:
        sandbox: Where builds run.
        image: What reports call its image.
        identity: Its kind's name, and by what the kind's code and the image are known.
    """

    sandbox: Sandbox
    image: str
    identity: tuple[str, str, str]


@contextmanager
def open_run_sandbox(name: str, image: BaseImage, workspace: Workspace) -> Iterator[RunSandbox]:
    """Yields the sandbox of a run.

    Args:
        name: Its kind's.
        image: What jobs see, from the same kind.
        workspace: The run's folder.

    Raises:
        SandboxError: It cannot be made.
    """
    sandbox = open_sandbox(
        name, SandboxSettings(image=image, run=workspace.id, scratch=workspace.scratch(name))
    )
    try:
        yield RunSandbox(
            sandbox=sandbox,
            image=image.name,
            # What is not named by its content may be another thing tomorrow.
            identity=(name, identity_of(name, sandbox), image.identity or workspace.id),
        )
    finally:
        sandbox.close()
