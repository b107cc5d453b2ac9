"""Which builds a scenario needs; pure data."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from harness.scenarios.scenario import Scenario, Stage, mtime
from harness.scenarios.scenario_file import BuildPath, CacheMount
from harness.scenarios.tree import digest

_FIXED_BUILD_PATH = "/tmp/build_app"  # noqa: S108 - a path inside the sandbox


class Arm(StrEnum):
    """One side of a comparison."""

    CACHED = "cached"
    CLEAN = "clean"
    CONTROL = "control"


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What both arms build for one commit.

    Attributes:
        stage: The app, the world and what is expected.
        build_path: Where the app lies inside the sandbox, the same for both arms.
        mtime: Modification time of the app's files in seconds since the epoch; None for now.
        cache_apart: Whether the cache is on another mount than the build.
        clean_key: Equal for commits whose clean builds are one and the same build.
    """

    stage: Stage
    build_path: str
    mtime: int | None
    cache_apart: bool
    clean_key: str


def plan(scenario: Scenario, stages: tuple[Stage, ...]) -> tuple[Commit, ...]:
    """The builds of a scenario's commits, in order.

    The platform's new path for each build is new for each commit: two builds of one commit share
    it, so that they differ in nothing but their cache.
    """
    return tuple(_commit(scenario, stage) for stage in stages)


def _commit(scenario: Scenario, stage: Stage) -> Commit:
    path = _FIXED_BUILD_PATH
    if scenario.axes.build_path is BuildPath.NEW:
        name = hashlib.sha256(f"{scenario.name} {stage.index}".encode()).hexdigest()[:8]
        path = f"/tmp/build_{name}"  # noqa: S108
    apart = scenario.axes.cache_mount is CacheMount.OTHER
    time = mtime(scenario.axes, stage)
    parts = (digest(stage.tree), repr(stage.world), path, str(time), str(apart))
    return Commit(
        stage=stage,
        build_path=path,
        mtime=time,
        cache_apart=apart,
        clean_key=hashlib.sha256("\0".join(parts).encode()).hexdigest(),
    )
