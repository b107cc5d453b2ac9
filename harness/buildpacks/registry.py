"""Finds the kind of a buildpack among the entry points of `cache_harness.buildpacks`."""

from importlib.metadata import entry_points
from pathlib import Path

from harness.buildpacks import BuildpackKind
from harness.errors import BuildpackError

GROUP = "cache_harness.buildpacks"


def kinds() -> tuple[BuildpackKind, ...]:
    """Every installed kind, the harness's own and third parties', by name."""
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    return tuple(point.load()() for point in points)


def kind_of(folder: Path, *, spec: str) -> BuildpackKind:
    """The kind of the buildpack in a folder.

    Args:
        folder: The buildpack.
        spec: How the operator named it, for the message.

    Raises:
        BuildpackError: No kind recognises it.
    """
    known = kinds()
    for kind in known:
        if kind.recognises(folder):
            return kind
    names = ", ".join(kind.name for kind in known)
    raise BuildpackError(
        f"--buildpack {spec}: no buildpack of a known kind ({names}) is there",
        hint="name the folder or repository that holds bin/detect and bin/compile",
    )
