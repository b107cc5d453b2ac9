"""The keys by which builds are stored: the sha256 of all that has a say in one."""

import hashlib
from dataclasses import dataclass

from harness.sandboxes import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that has a say in a build but its cache, as values that are the same in each run.

    Attributes:
        code: The digest of the harness's own code that takes part in builds.
        ecosystems: By what the code of each ecosystem is known, by name.
        sandbox: The sandbox's name, and by what its code and its image are known.
        limits: What the build may use.
        preparation: What runs, by what, in which folders, and what of it is compared.
        env: Config vars.
        app: The digest of the app's files.
        mtime: Their modification time; None for the present.
        internet: By what all answers of the sealed internet are known.
    """

    code: str
    ecosystems: tuple[tuple[str, str], ...]
    sandbox: tuple[str, str, str]
    limits: Limits
    preparation: tuple[object, ...]
    env: tuple[tuple[str, str], ...]
    app: str
    mtime: int | None
    internet: tuple[object, ...]


def inputs_key(inputs: Inputs) -> str:
    """The sha256, in hex, of inputs.

    Their time limit has no say: a build that it ended is not stored.
    """
    limits = inputs.limits
    parts = (
        inputs.code,
        inputs.ecosystems,
        inputs.sandbox,
        (limits.memory, limits.processes, limits.output, limits.file_size),
        inputs.preparation,
        inputs.env,
        inputs.app,
        inputs.mtime,
        inputs.internet,
    )
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()


def build_key(inputs: str, *, cache: str | None = None, repetition: int = 0) -> str:
    """The sha256, in hex, of a build.

    Args:
        inputs: The key of its inputs.
        cache: The key of the build whose cache it is given; None for an empty one.
        repetition: 0, or which further run of the same build it is.
    """
    parts = (inputs, cache or "empty", str(repetition))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
