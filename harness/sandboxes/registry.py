"""Sandboxes by name, the built-in ones found the way a third party's is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.errors import SandboxError
from harness.plugins.entry_points import Plugin, plugins
from harness.sandboxes import Sandbox
from harness.sandboxes.check import Check
from harness.stack.image import Image

GROUP = "cache_harness.sandboxes"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """What jobs see below their mounts, made ready for one backend by that backend.

    Attributes:
        name: What reports call it.
        identity: Its content, by which builds are stored; empty where what it names may be another
            thing for the next run.
        rootfs: Its unpacked tree; None where the backend needs none.
    """

    name: str
    identity: str = ""
    rootfs: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """What a sandbox is made with.

    Attributes:
        image: What jobs see, from the same backend's `stack_image` or `named_image`.
        run: The run's id, by which what it leaves is known.
        scratch: A folder for the sandbox's own files and nobody else's. It exists, and is removed
            with the run; a run that dies leaves it for `Backend.sweep`.
    """

    image: BaseImage
    run: str
    scratch: Path


class Backend(Protocol):
    """What is registered for a kind of sandbox: its class.

    Attributes:
        preference: Where no kind is asked for, of those that can be used here the one with the
            highest is taken. The built-in kinds have 10 and 20.
    """

    preference: int

    def __call__(self, settings: SandboxSettings) -> Sandbox:
        """A sandbox.

        Raises:
            SandboxError: It cannot be made here.
        """
        ...

    def check(self, images: tuple[Image, ...]) -> Check:
        """Whether this kind can be used on this machine, and if not, why and what to do.

        It changes nothing, raises nothing, and is quick.

        Args:
            images: The stored stack images, the newest first, for what is to be said of them.
        """
        ...

    def stack_image(self, image: Image) -> BaseImage:
        """The harness's own stack image, made ready for this kind.

        It is called in a thread of its own, beside other work, and cut short where that fails.

        Raises:
            SandboxError: It cannot be made ready.
        """
        ...

    def named_image(self, asked: str) -> BaseImage:
        """What `--image` names, made ready for this kind, which decides what that may be.

        Raises:
            ImageError: It is nothing that this kind can use; says what would be.
            SandboxError: It cannot be made ready.
        """
        ...

    def sweep(self, run: str, scratch: Path) -> None:
        """Removes what a dead run left outside its folder.

        Args:
            run: The dead run's id.
            scratch: Its sandbox's own folder, as it was left.

        Raises:
            SandboxError: What is left cannot be cleaned up now.
        """
        ...

    def reclaim(self, tree: Path, scratch: Path) -> bool:
        """Gives files below `tree` that a container's user owns back to the caller, if it can.

        Args:
            tree: A file or folder that could not be removed.
            scratch: The own folder of the sandbox that may have left it; it need not exist.

        Returns:
            Whether it is worth trying again to remove `tree`.
        """
        ...


def backends() -> Mapping[str, Backend]:
    """Every kind of sandbox that is installed, by name, the preferred ones first.

    Raises:
        SandboxError: One cannot be imported.
    """
    found = {name: _whole(each) for name, each in _plugins().items()}
    names = sorted(found, key=lambda name: (-found[name].preference, name))
    return {name: found[name] for name in names}


def backend(name: str) -> Backend:
    """The kind that `choose` gave the name of."""
    return backends()[name]


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
        check = known[name].check(())
        if not check.ok:
            raise SandboxError(
                f"sandbox {name} cannot be used here: {check.found}", hint=check.advice
            )
        return name
    reasons = []
    for kind, each in known.items():
        check = each.check(())
        if check.ok:
            return kind
        reasons.append(f"\n  {kind}: {check.found}; {check.advice}")
    raise SandboxError("no sandbox can be used on this machine:" + "".join(reasons))


def open_sandbox(name: str, settings: SandboxSettings) -> Sandbox:
    """A sandbox of a kind that can be used here, in a new folder of its own.

    Raises:
        SandboxError: It cannot be made.
    """
    settings.scratch.mkdir(parents=True, exist_ok=True)
    return backend(name)(settings)


def identity_of(name: str, sandbox: Sandbox) -> str:
    """By what builds in a sandbox of the kind `name` are known; see `Plugin.identity`."""
    brought = Plugin(name=name, brought=type(sandbox))
    return _plugins().get(name, brought).identity(sandbox)


def _whole(plugin: Plugin) -> Backend:
    """What a plug-in brings, if it has all that a backend has.

    Raises:
        SandboxError: It lacks something, as one made for another version of the harness may.
    """
    members = {*Backend.__annotations__, *vars(Backend)}
    lacking = [
        name
        for name in sorted(members)
        if not name.startswith("_") and not hasattr(plugin.brought, name)
    ]
    if lacking:
        raise SandboxError(
            f"sandbox {plugin.name!r} lacks {', '.join(lacking)}",
            hint=f"upgrade or uninstall {plugin.distribution}",
        )
    whole: Backend = plugin.brought
    return whole


def _plugins() -> dict[str, Plugin]:
    return {one.name: one for one in plugins(GROUP, what="sandbox", error=SandboxError)}
