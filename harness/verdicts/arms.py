"""The builds of one commit that are held against each other."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.builds.result import BuildRecord
from harness.scenarios.scenario import Stage
from harness.storage.stored_build import StoredBuild

Stored = StoredBuild[BuildRecord]


class Arm(StrEnum):
    """One side of a comparison."""

    CACHED = "cached"
    CLEAN = "clean"
    CONTROL = "control"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """The builds of one commit: with the caches that the commit before left, and with none.

    Attributes:
        stage: The commit: its app, its world and what is expected.
        file: The scenario's file, for messages.
        cached: The build that was given caches.
        clean: The build that was given none; at the first commit they are one.
    """

    stage: Stage
    file: Path
    cached: Stored
    clean: Stored

    @property
    def differ(self) -> bool:
        """Whether they are two builds."""
        return self.cached.facts.instance != self.clean.facts.instance
