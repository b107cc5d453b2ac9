"""Sandboxes by name, the built-in ones found the way a third party's is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.errors import SandboxError
from harness.plugins.entry_points import Plugin, plugins
from harness.sandboxes import Sandbox

GROUP = "cache_harness.sandboxes"
PREFERRED = ("docker", "bubblewrap")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """What a sandbox is made with.

    Attributes:
        image: A Docker image's name or id; None where the sandbox needs none.
        rootfs: The same image, unpacked; None for the host's /usr.
        run: The run's id, by which what it leaves is known.
        scratch: A folder of the run's that the sandbox may keep its own files in.
    """

    image: str | None
    rootfs: Path | None
    run: str
    scratch: Path


class Backend(Protocol):
    """What is registered for a kind of sandbox: its class."""

    def __call__(self, settings: SandboxSettings) -> Sandbox:
        """A sandbox.

        Raises:
            SandboxError: It cannot be had here.
        """
        ...

    def unavailable(self) -> str:
        """Why this kind cannot be used on this machine and what to do; empty where it can."""
        ...

    def sweep(self, run: str, scratch: Path) -> None:
        """Removes what a dead run left outside its folder.

        Args:
            run: The dead run's id.
            scratch: Its scratch folder, as its sandboxes left it.

        Raises:
            SandboxError: What is left cannot be seen to or removed now.
        """
        ...

    def reclaim(self, tree: Path, scratch: Path) -> bool:
        """Gives files below `tree` that a container's user owns back to the caller, if it can.

        Returns:
            Whether there may be something to gain from trying again.
        """
        ...


def backends() -> Mapping[str, Backend]:
    """Every kind of sandbox that is installed, by name, the preferred ones first.

    Raises:
        SandboxError: One cannot be imported.
    """
    found: dict[str, Backend] = {name: each.brought for name, each in _plugins().items()}
    first = [name for name in PREFERRED if name in found]
    return {name: found[name] for name in (*first, *sorted(found.keys() - {*first}))}


def choose(name: str | None) -> str:
    """The name of a kind that can be used here: the one asked for, or the first there is.

    Raises:
        SandboxError: There is no such kind, or none can be used; says what to install.
    """
    known = backends()
    if name is not None:
        if name not in known:
            raise SandboxError(
                f"there is no sandbox called {name!r}", hint=f"use one of {', '.join(known)}"
            )
        if why := known[name].unavailable():
            raise SandboxError(f"sandbox {name} cannot be used here: {why}")
        return name
    reasons = []
    for kind, backend in known.items():
        why = backend.unavailable()
        if not why:
            return kind
        reasons.append(f"\n  {kind}: {why}")
    raise SandboxError("no sandbox can be used on this machine:" + "".join(reasons))


def open_sandbox(name: str | None, settings: SandboxSettings) -> Sandbox:
    """A sandbox of the kind `name`, or of the first kind that can be used here.

    Raises:
        SandboxError: There is no such kind, none can be used, or it cannot be made.
    """
    return backends()[choose(name)](settings)


def identity_of(name: str, sandbox: Sandbox) -> str:
    """By what builds in a sandbox of the kind `name` are known; see `Plugin.identity`."""
    brought = Plugin(name=name, brought=type(sandbox))
    return _plugins().get(name, brought).identity(sandbox)


def _plugins() -> dict[str, Plugin]:
    return {one.name: one for one in plugins(GROUP, what="sandbox", error=SandboxError)}
