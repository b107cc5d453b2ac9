"""What a scenario runs of what was deployed, and what must come of it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Final

from pydantic import ConfigDict, Field

from harness.scenarios.edits import STRICT
from harness.scenarios.positions import Place

_Text = Annotated[str, Field(min_length=1)]
_TEXTS: Final = ("command", "contains", "matches")
"""The keys in which references are replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunExpectation:
    """A command that is run of what was deployed, and what must come of it.

    It is run in both arms, and what it does there is compared as well.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    command: Annotated[
        _Text, Field(description="A line for a shell, such as `python -c 'import shop'`.")
    ]
    contains: Annotated[_Text | None, Field(description="Text that it must print.")] = None
    matches: Annotated[
        _Text | None,
        Field(
            description="A regular expression (Python's) found in what it prints; `^` and `$` match"
            " at each line."
        ),
    ] = None
    status: Annotated[int, Field(ge=0, le=255, description="Its exit status.")] = 0


def run_texts(expected: RunExpectation) -> Iterator[tuple[Place, str]]:
    """The texts of an entry in which references are replaced, and where in it they stand."""
    for key in _TEXTS:
        text = getattr(expected, key)
        if text is not None:
            yield (key,), text


def interpolated_run(expected: RunExpectation, replaced: Callable[[str], str]) -> RunExpectation:
    """An entry with the references in its texts replaced.

    Args:
        expected: The entry.
        replaced: Gives a text with its references replaced.
    """
    texts: dict[str, Any] = {str(place[0]): replaced(text) for place, text in run_texts(expected)}
    return replace(expected, **texts)


def run_faults(expected: RunExpectation, *, passes: bool) -> Iterator[tuple[Place, str, str]]:
    """What is wrong with an entry beyond its form: where in it, what is there, what was expected.

    Args:
        expected: The entry.
        passes: Whether the builds of its commit should pass.
    """
    try:
        re.compile(expected.matches or "")
    except re.error as error:
        yield ("matches",), f"`matches` is not a regular expression: {error}", "one of Python's"
    if not passes:
        message = "`command` is run of what is deployed, and the build should fail"
        yield ("command",), message, '`build = "passes"`'
