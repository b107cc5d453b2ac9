"""The form of a scenario file: its tables and keys, each with what it is for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Discriminator, Field, Tag

from harness.scenarios.edits import STRICT, Edit
from harness.scenarios.expectation import Expectation
from harness.scenarios.fork import BranchName, Name, TagName
from harness.scenarios.run_expectation import RunExpectation

SUBJECT = "subject"
"""What a list of buildpacks calls the one under test."""

EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
NonEmpty = Annotated[str, Field(min_length=1)]
Need = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]


class BuildPath(StrEnum):
    """Where a build runs."""

    FIXED = "fixed"
    NEW = "new"


class BuildFor(StrEnum):
    """What the platform builds the app for."""

    DEPLOY = "deploy"
    CI = "ci"


class CachePath(StrEnum):
    """Where the cache is."""

    FIXED = "fixed"
    NEW = "new"


class CacheMount(StrEnum):
    """Whether build and cache are on one mount, so that hard links and renames work."""

    SAME = "same"
    OTHER = "other"


class FailedBuildCache(StrEnum):
    """What the build after one that failed gets for a cache."""

    LAST_GOOD = "last-good"
    KEPT = "kept"


class FileTimes(StrEnum):
    """The modification times of the app's files."""

    COMMIT = "commit"
    OLD = "old"
    NOW = "now"


class ReleaseAct(StrEnum):
    """What happens to a release in the package index."""

    PUBLISH = "publish"
    REPUBLISH = "republish"
    YANK = "yank"
    REMOVE = "remove"


class BuildExpectation(StrEnum):
    """What a build should do, with a cache and without."""

    PASSES = "passes"
    FAILS = "fails"


class ReuseExpectation(StrEnum):
    """What should become of the cache."""

    REUSED = "reused"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReuseParts:
    """What should become of some parts of the cache."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    runtime: Annotated[ReuseExpectation | None, Field(description="Python itself.")] = None
    tools: Annotated[
        ReuseExpectation | None,
        Field(description="What only serves to install others, such as package managers."),
    ] = None
    packages: Annotated[
        ReuseExpectation | None, Field(description="The distributions that the app asks for.")
    ] = None
    downloads: Annotated[
        ReuseExpectation | None, Field(description="Whatever else was downloaded.")
    ] = None


_WORD, _PARTS = "[word]", "[parts]"


def _is_parts(value: object) -> str:
    return _PARTS if isinstance(value, dict | ReuseParts) else _WORD


ReuseWish = Annotated[
    Annotated[ReuseExpectation, Tag(_WORD)] | Annotated[ReuseParts, Tag(_PARTS)],
    Discriminator(_is_parts),
]
"""One word for the whole cache, or a table with one for each of some parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """What decides whether some caching faults show."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    build: Annotated[
        BuildFor,
        Field(
            description="What it is built for: to `deploy` it, or to test it in `ci`, by"
            " `bin/test-compile` and `bin/test`."
        ),
    ] = BuildFor.DEPLOY
    build_path: Annotated[
        BuildPath, Field(description="The build's folder: `fixed`, or `new` for each build.")
    ] = BuildPath.FIXED
    cache_path: Annotated[
        CachePath, Field(description="The cache's folder: `fixed`, or `new` for each build.")
    ] = CachePath.FIXED
    cache_mount: Annotated[
        CacheMount,
        Field(description="Build and cache on the `same` mount, or the cache on an `other`."),
    ] = CacheMount.SAME
    failed_build_cache: Annotated[
        FailedBuildCache | None,
        Field(
            description="The cache after a build that fails: the one that it was given"
            " (`last-good`), or as it left it (`kept`); by default what the platform does."
        ),
    ] = None
    file_times: Annotated[
        FileTimes,
        Field(
            description="The app's file times: of the `commit`, `old` (the year 2001), or `now`."
        ),
    ] = FileTimes.COMMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchMove:
    """A fork's branch that now points to another revision."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    fork: Annotated[str, Field(description="The fork, one of `forks`.")]
    revision: Annotated[str, Field(description="The revision at the branch's tip from now on.")]
    branch: Annotated[BranchName, Field(description="The branch; a new one may be made.")] = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagMove:
    """A fork's tag that now names another revision."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    fork: Annotated[str, Field(description="The fork, one of `forks`.")]
    revision: Annotated[str, Field(description="The revision that the tag names from now on.")]
    tag: Annotated[TagName, Field(description="The tag; a new one may be made.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChange:
    """A release in the package index that comes, changes or goes."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    fork: Annotated[str, Field(description="The fork that it is built from, one of `forks`.")]
    revision: Annotated[
        str, Field(description="The fork's revision; name and version are what it says there.")
    ]
    do: Annotated[
        ReleaseAct,
        Field(
            description="`publish` it, `republish` it with the same version as `replaces`, `yank` "
            "it (PEP 592), or `remove` it."
        ),
    ]
    replaces: Annotated[
        str | None,
        Field(description="With `republish`: the revision whose release it takes the place of."),
    ] = None
    reason: Annotated[str, Field(description="With `yank`: the reason that the index gives.")] = ""
    host: Annotated[
        str,
        Field(
            pattern=r"^([a-z0-9-]+(\.[a-z0-9-]+)+)?$",
            description="The host whose index alone has it; by default every index that has no"
            " release of the project of its own.",
        ),
    ] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanBuild:
    """How the clean build is made so that it is what the cached one should equal."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    files: Annotated[
        Mapping[str, str], Field(description="Files that the clean build's app has besides.")
    ] = field(default_factory=dict)
    env: Annotated[Mapping[EnvName, str], Field(description="Config vars that it has besides.")] = (
        field(default_factory=dict)
    )
    buildpack: Annotated[
        NonEmpty | None, Field(description="The buildpack's revision that makes it.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a commit changes besides the app's files, and what its build should do."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    env: Annotated[
        Mapping[EnvName, str], Field(description="Config vars that are set from this commit on.")
    ] = field(default_factory=dict)
    unset: Annotated[tuple[str, ...], Field(description="Config vars that are no longer set.")] = ()
    branches: Annotated[
        tuple[BranchMove, ...], Field(description="Branches of forks that move.")
    ] = ()
    tags: Annotated[tuple[TagMove, ...], Field(description="Tags of forks that move.")] = ()
    releases: Annotated[
        tuple[ReleaseChange, ...], Field(description="Releases in the package index that change.")
    ] = ()
    stack: Annotated[
        str | None,
        Field(
            pattern=r"^[a-z0-9][a-z0-9.-]*$",
            description="The stack from this commit on; the platform's own at first.",
        ),
    ] = None
    buildpack: Annotated[
        NonEmpty | None,
        Field(
            description="The buildpack's revision from this commit on: a tag, branch or SHA;"
            f" `{SUBJECT}` for the one that the run is asked for, as at first."
        ),
    ] = None
    buildpacks: Annotated[
        tuple[NonEmpty, ...] | None,
        Field(
            min_length=1,
            description=f"The buildpacks that run one after the other from this commit on:"
            f" `{SUBJECT}` for the one under test, any other as `FIXTURE[@REVISION]`;"
            f" `{SUBJECT}` alone at first.",
        ),
    ] = None
    build: Annotated[
        BuildExpectation, Field(description="Whether the build `passes` or `fails`.")
    ] = BuildExpectation.PASSES
    expect: Annotated[
        tuple[Expectation, ...],
        Field(description="What must be true of the builds: their trees, logs and caches."),
    ] = ()
    run: Annotated[
        tuple[RunExpectation, ...],
        Field(description="Commands that are run of what was deployed, cached and clean."),
    ] = ()
    clean: Annotated[
        CleanBuild | None,
        Field(
            description="What the clean build of this commit has in its own way, where something"
            " is meant to come from the cache, so that the cached build should equal it."
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTable(Changes):
    """The app's first commit."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    message: Annotated[NonEmpty, Field(description="The commit's message.")] = "First deploy"
    copy: Annotated[
        str | None,
        Field(
            description="A folder under `fixtures/repos/` whose files the app has at first, "
            "as `FIXTURE[@REVISION][/PATH]`."
        ),
    ] = None
    files: Annotated[
        Mapping[str, str], Field(description="Files by path, beside or over the copied ones.")
    ] = field(default_factory=dict)
    edits: Annotated[
        tuple[Edit, ...],
        Field(description="What is changed in these before the first build, in order."),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitTable(Changes):
    """A commit after the first; one that changes nothing is an unchanged rebuild."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    message: Annotated[NonEmpty, Field(description="The commit's message.")]
    edits: Annotated[
        tuple[Edit, ...], Field(description="What it changes in the app's files, in order.")
    ] = ()
    reuse: Annotated[
        ReuseWish | None,
        Field(
            description="Where given, whether the cache must be `reused` or `discarded`; or a table"
            " that says so of its parts."
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioTable:
    """A history of an app, after each commit of which a cached build must equal a clean one."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    description: Annotated[NonEmpty, Field(description="What the case proves.")]
    app: Annotated[AppTable, Field(description="The app's first commit.")]
    commits: Annotated[
        tuple[CommitTable, ...], Field(min_length=1, description="The commits after the first.")
    ]
    issue: Annotated[
        str,
        Field(pattern=r"^(https?://\S+)?$", description="The URL of the issue that it is about."),
    ] = ""
    needs: Annotated[
        tuple[Need, ...],
        Field(
            description="What a buildpack must offer for the scenario to say anything about it,"
            " such as `poetry`: against one that does not, it is skipped."
        ),
    ] = ()
    forks: Annotated[
        tuple[Name, ...],
        Field(description="The forks that the forge serves: folders with a `repo.toml`."),
    ] = ()
    axes: Annotated[Axes, Field(description="What decides whether some caching faults show.")] = (
        field(default_factory=Axes)
    )
