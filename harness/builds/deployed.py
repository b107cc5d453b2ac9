"""Runs commands of what a build deployed, as the platform would start them, in a sandbox."""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.buildpacks.preparation import Launch
from harness.builds.result import DeployedRun
from harness.sandboxes import Job, Limits, Mount, Sandbox

_BUILT: Final = "/run/built"
"""The folder inside the sandbox in which the trees lie that are deployed."""
_SHELL: Final = "/bin/sh"
_HALF: Final = 32 * 1024  # bytes of output that are kept of its beginning, and of its end


class Excerpt:
    """The beginning and the end of some output, and the digest of all of it."""

    def __init__(self) -> None:
        """Begins with no output."""
        self._digest = hashlib.sha256()
        self._begin = b""
        self._end = b""
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes."""
        self._digest.update(chunk)
        self._size += len(chunk)
        room = _HALF - len(self._begin)
        self._begin += chunk[:room]
        self._end = (self._end + chunk[room:])[-_HALF:]

    @property
    def digest(self) -> str:
        """The sha256 of all output, in hex."""
        return self._digest.hexdigest()

    @property
    def text(self) -> str:
        """What is kept of it; what is not UTF-8 is replaced."""
        left_out = self._size - len(self._begin) - len(self._end)
        gap = f"\n[{left_out} bytes are left out here]\n".encode() if left_out else b""
        return (self._begin + gap + self._end).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What a build deployed, and how commands of it are started.

    Attributes:
        trees: The folders of the build's result trees, by name; they stay as they are.
        launch: How the platform starts a command.
        sandbox: Where it runs.
        env: Config vars.
        limits: What each command may use.
    """

    trees: Mapping[str, Path]
    launch: Launch
    sandbox: Sandbox
    env: tuple[tuple[str, str], ...]
    limits: Limits

    def run(self, command: str, folder: Path) -> DeployedRun:
        """Runs a command of a copy of its own of what was deployed.

        It sees neither the build's folders nor its cache, and has no network. All of a tree is
        copied, by a job of the sandbox: a build may have put anything there. A command whose app
        cannot be copied ends as the copying does.

        Args:
            command: A line for a shell.
            folder: A new folder on the host for the copy; the caller removes it.

        Raises:
            SandboxError: The sandbox could not be made or was lost. A command's own failure is a
                result.
        """
        folder.mkdir(parents=True)
        copies = {name: folder / str(number) for number, name in enumerate(self.trees)}
        for copy in copies.values():
            copy.mkdir()
        told = Excerpt()
        outcome = self.sandbox.run(self._copying(copies), on_output=told.feed)
        if outcome.passed:
            told = Excerpt()
            outcome = self.sandbox.run(self._job(command, copies), on_output=told.feed)
        return DeployedRun(command=command, outcome=outcome, output=told.text, digest=told.digest)

    def _copying(self, copies: Mapping[str, Path]) -> Job:
        lines = ["set -e"]
        mounts = []
        for name, target in self.launch.places:
            built = f"{_BUILT}/{name}"
            lines.append(f"cp -a {shlex.quote(built)}/. {shlex.quote(target)}/")
            mounts += [
                Mount(source=self.trees[name], target=built),
                Mount(source=copies[name], target=target, writable=True),
            ]
        return Job(
            argv=(_SHELL, "-c", "\n".join(lines)),
            env=self.launch.env,
            mounts=tuple(mounts),
            limits=self.limits,
        )

    def _job(self, command: str, copies: Mapping[str, Path]) -> Job:
        return Job(
            argv=(*self.launch.start, command),
            env=tuple({**dict(self.launch.env), **dict(self.env)}.items()),
            cwd=self.launch.cwd,
            mounts=tuple(
                Mount(source=copies[name], target=target, writable=True)
                for name, target in self.launch.places
            ),
            limits=self.limits,
        )
