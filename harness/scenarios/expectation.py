"""What a scenario may expect of a commit's builds: the kinds of entry in `expect`."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import ConfigDict, Discriminator, Field, Tag

from harness.scenarios.document import ONE_KEY
from harness.scenarios.edits import STRICT
from harness.scenarios.positions import Place
from harness.scenarios.tree import path_fault
from harness.trees.named import APP

_Text = Annotated[str, Field(min_length=1)]


class ComparedBuild(StrEnum):
    """Which of a commit's two builds."""

    CACHED = "cached"
    CLEAN = "clean"


_In = Annotated[
    ComparedBuild | None,
    Field(alias="in", description="The build that it is about; both, unless it is given."),
]
_InCached = Annotated[
    ComparedBuild | None,
    Field(alias="in", description="The build that it is about: always the `cached` one."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeExpectation:
    """What must be true of the built tree, so that two builds that are wrong alike are found.

    Where it says nothing but the path, something must be there.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    path: Annotated[
        _Text,
        Field(description="A path in the build's folder; `*`, `?` and `[...]` match in a part."),
    ]
    contains: Annotated[
        str | None, Field(description="Text that each file at the path must hold.")
    ] = None
    matches: Annotated[
        str | None,
        Field(description="A regular expression (Python's) found in each file at the path."),
    ] = None
    executable: Annotated[
        bool | None, Field(description="Whether each file at the path may be executed.")
    ] = None
    target: Annotated[
        _Text | None, Field(description="Where each symbolic link at the path points to.")
    ] = None
    absent: Annotated[bool, Field(description="True where nothing may be at the path.")] = False
    tree: Annotated[
        _Text,
        Field(description="The tree that the path is in, where a build leaves more than the app."),
    ] = APP
    build: _In = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogText:
    """What is in a build's log, or is not; one of `contains` and `matches` is given."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    contains: Annotated[
        _Text | None,
        Field(description="Text in the log as it was printed, without colours; or several lines."),
    ] = None
    matches: Annotated[
        _Text | None,
        Field(
            description="A regular expression (Python's) found in the log; `^` and `$` match at"
            " each line."
        ),
    ] = None
    absent: Annotated[bool, Field(description="True where it must not be in the log.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogExpectation:
    """What a build must print, or must not."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    log: Annotated[LogText, Field(description="What is in the build's log, or is not.")]
    build: _In = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonsExpectation:
    """Why the buildpack must say that it drops its cache."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    reasons: Annotated[
        tuple[_Text, ...],
        Field(
            description="Words, each found in one of the reasons that reports name; empty where"
            " no reason may be given."
        ),
    ]
    build: _InCached = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReusedExpectation:
    """What the cached build must take from its cache."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    reused: Annotated[
        tuple[_Text, ...],
        Field(
            min_length=1,
            description="What must come from the cache, by name: a runtime, tools, distributions.",
        ),
    ]
    build: _InCached = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnewExpectation:
    """What the cached build must not take from its cache."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    anew: Annotated[
        tuple[_Text, ...],
        Field(
            min_length=1,
            description="What must be fetched or made again, by name: a runtime, tools,"
            " distributions.",
        ),
    ]
    build: _InCached = None


CacheExpectation = ReasonsExpectation | ReusedExpectation | AnewExpectation
"""What is about the cached build alone."""

_KINDS: Final = {
    "path": TreeExpectation,
    "log": LogExpectation,
    "reasons": ReasonsExpectation,
    "reused": ReusedExpectation,
    "anew": AnewExpectation,
}
"""By the key that tells one kind of entry from the others."""
_TEXTS: Final = ("path", "contains", "matches", "target")
"""The keys of an entry about a tree in which references are replaced."""


def _kind(value: object) -> str | None:
    """The union's tag of an entry; None where it is of two kinds or none."""
    if isinstance(value, dict):
        keys = [key for key in _KINDS if key in value]
        return f"[{keys[0]}]" if len(keys) == 1 else None
    return next((f"[{key}]" for key, kind in _KINDS.items() if isinstance(value, kind)), None)


Expectation = Annotated[
    Annotated[TreeExpectation, Tag("[path]")]
    | Annotated[LogExpectation, Tag("[log]")]
    | Annotated[ReasonsExpectation, Tag("[reasons]")]
    | Annotated[ReusedExpectation, Tag("[reused]")]
    | Annotated[AnewExpectation, Tag("[anew]")],
    Discriminator(
        _kind,
        custom_error_type=ONE_KEY,
        custom_error_message="is of two kinds, or of none",
        custom_error_context={"keys": " ".join(_KINDS)},
    ),
]
"""An entry of `expect`."""


def texts(expectation: Expectation) -> Iterator[tuple[Place, str]]:
    """The texts of an entry in which references are replaced, and where in it they stand."""
    match expectation:
        case TreeExpectation():
            said = {(key,): getattr(expectation, key) for key in _TEXTS}
            yield from ((place, text) for place, text in said.items() if text is not None)
        case LogExpectation(log=log):
            for key in ("contains", "matches"):
                text = getattr(log, key)
                if text is not None:
                    yield ("log", key), text
        case _:
            key = fields(expectation)[0].name
            for index, text in enumerate(getattr(expectation, key)):
                yield (key, index), text


def interpolated(expectation: Expectation, replaced: Callable[[str], str]) -> Expectation:
    """An entry with the references in its texts replaced.

    Args:
        expectation: The entry.
        replaced: Gives a text with its references replaced.
    """
    changed: dict[str, Any] = {}
    for place, text in texts(expectation):
        if len(place) == 1:
            changed[str(place[0])] = replaced(text)
        elif isinstance(expectation, LogExpectation):
            said: dict[str, Any] = {str(place[1]): replaced(text)}
            changed["log"] = replace(expectation.log, **said)
        else:
            key = str(place[0])
            changed[key] = (*changed.get(key, ()), replaced(text))
    return replace(expectation, **changed)


def expectation_faults(
    expectation: Expectation, *, first: bool, passes: bool
) -> Iterator[tuple[Place, str, str]]:
    """What is wrong with an entry beyond its form: where in it, what is there, what was expected.

    Args:
        expectation: The entry.
        first: Whether it is of the app's first commit, whose build has no cache.
        passes: Whether the builds of its commit should pass.
    """
    match expectation:
        case TreeExpectation():
            yield from _tree_faults(expectation)
            if not passes:
                message = "`path` is about what is deployed, and the build should fail"
                yield ("path",), message, '`log`, or `build = "passes"`'
        case LogExpectation(log=log):
            for place, message, expected in _log_faults(log):
                yield ("log", *place), message, expected
        case _:
            key = fields(expectation)[0].name
            if first:
                message = f"`{key}` is about the cache, and the first build has none"
                yield (key,), message, "it in a later commit"
            elif expectation.build is ComparedBuild.CLEAN:
                yield ("in",), f"`{key}` is about the cache, and a clean build has none", '"cached"'


def _tree_faults(expectation: TreeExpectation) -> Iterator[tuple[Place, str, str]]:
    fault = path_fault(expectation.path)
    if fault:
        yield ("path",), f"`{expectation.path}` {fault}", "a path in the build's folder"
    said = {
        "contains": expectation.contains is not None,
        "matches": expectation.matches is not None,
        "executable": expectation.executable is not None,
        "target": expectation.target is not None,
        "absent": expectation.absent,
    }
    keys = [key for key, is_said in said.items() if is_said]
    if expectation.absent and len(keys) > 1:
        yield (keys[0],), f"`{keys[0]}` and `absent` cannot both be given", "one of them"
    yield from _pattern_faults(expectation.matches)


def _log_faults(log: LogText) -> Iterator[tuple[Place, str, str]]:
    if log.contains is None and log.matches is None:
        yield (), "`log` does not say what is in the log", "`contains` or `matches`"
    if log.contains is not None and log.matches is not None:
        yield ("matches",), "`contains` and `matches` cannot both be given", "an entry for each"
    yield from _pattern_faults(log.matches)


def _pattern_faults(pattern: str | None) -> Iterator[tuple[Place, str, str]]:
    try:
        re.compile(pattern or "")
    except re.error as error:
        yield ("matches",), f"`matches` is not a regular expression: {error}", "one of Python's"
