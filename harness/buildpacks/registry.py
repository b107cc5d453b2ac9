"""Finds the kind of a buildpack among the entry points of `cache_harness.buildpacks`."""

from dataclasses import dataclass
from pathlib import Path

from harness.buildpacks import BuildpackKind
from harness.errors import BuildpackError
from harness.plugins.entry_points import Plugin, plugins

GROUP = "cache_harness.buildpacks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A kind, and the plug-in that provides it."""

    kind: BuildpackKind
    plugin: Plugin

    @property
    def identity(self) -> str:
        """By what builds of this kind are known; see `Plugin.identity`."""
        return self.plugin.identity(self.kind)


def kinds() -> tuple[Installed, ...]:
    """Every installed kind, the harness's own and third parties', by name.

    Raises:
        BuildpackError: One cannot be imported.
    """
    found = plugins(GROUP, what="buildpack kind", error=BuildpackError)
    return tuple(
        Installed(kind=plugin.brought(), plugin=plugin)
        for plugin in sorted(found, key=lambda plugin: plugin.name)
    )


def kind_of(folder: Path, *, spec: str) -> Installed:
    """The kind of the buildpack in a folder.

    Args:
        folder: The buildpack.
        spec: How the message begins: who named it, and how.

    Raises:
        BuildpackError: No kind recognises it, or one cannot be imported.
    """
    known = kinds()
    for one in sorted(known, key=lambda one: one.kind.fallback):
        if one.kind.recognises(folder):
            return one
    names = ", ".join(one.kind.name for one in known)
    raise BuildpackError(
        f"{spec}: it is not a buildpack of a known kind ({names})",
        hint="name the folder or repository that holds bin/detect and bin/compile",
    )
