"""All that goes into one build, apart from its caches."""

from dataclasses import dataclass, field

from harness.buildpacks.preparation import Preparation
from harness.internet import Internet
from harness.sandboxes import Limits
from harness.scenarios.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """All that goes into a build, apart from its caches.

    Attributes:
        app: The app's files.
        mtime: Their modification time, in seconds since the epoch; None for the present.
        preparation: What runs, and where everything lies.
        internet: What it can reach.
        env: The app's own config vars.
        limits: What the build may use.
    """

    app: Tree
    mtime: int | None
    preparation: Preparation
    internet: Internet
    env: tuple[tuple[str, str], ...]
    limits: Limits = field(default_factory=Limits)

    @property
    def config_vars(self) -> tuple[tuple[str, str], ...]:
        """All config vars, the app's own and those that the platform sets."""
        return tuple({**dict(self.env), **dict(self.preparation.config_vars)}.items())
