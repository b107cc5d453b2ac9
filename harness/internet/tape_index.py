"""What a tape holds, as the JSON that people read and review, and back."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from harness.internet.exchange import Answer, Asked

FORMAT: Literal[1] = 1
_STRICT = ConfigDict(extra="forbid", strict=True)

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ToolFile:
    """A file of a build tool's: the set that it is one of, its name, its content."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    set: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.+!-]*$")]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.+!-]*$")]
    sha256: Sha256
    size: Size


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeIndex:
    """What a tape holds, but for the contents.

    Attributes:
        answers: What real hosts answered.
        tools: The build tools that the recording's builds were offered.
    """

    answers: Mapping[Asked, Answer] = field(default_factory=dict)
    tools: tuple[ToolFile, ...] = ()

    @property
    def bodies(self) -> dict[str, int]:
        """The size of each content by its sha256, in that order."""
        sizes = {answer.sha256: answer.size for answer in self.answers.values()}
        sizes |= {file.sha256: file.size for file in self.tools}
        return dict(sorted(sizes.items()))

    @property
    def digest(self) -> str:
        """The sha256, in hex, of what could be answered from the tape.

        Tools have no say in it: those that a build is offered count as the others that it is.
        """
        return hashlib.sha256(to_json(TapeIndex(answers=self.answers)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An answer and what selects it, side by side."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    method: Literal["GET", "POST"]
    url: Annotated[str, Field(pattern=r"^https?://[^/]")]
    accept: str = ""
    git_protocol: str = ""
    body: Sha256 | Literal[""] = ""
    credentials: bool = False
    status: Annotated[int, Field(ge=100, le=599)]
    headers: dict[str, str] = field(default_factory=dict)
    sha256: Sha256
    size: Size


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    format: int
    answers: list[_Entry]
    tools: list[ToolFile] = field(default_factory=list)


def to_json(index: TapeIndex) -> str:
    """The index in the one way in which it can be written: sorted, and nothing said that is empty.

    Returns:
        ASCII, with a line for each fact, so that a change shows as the lines that changed.
    """
    document = {
        "format": FORMAT,
        "answers": [
            dict(_told(asked, answer)) for asked, answer in sorted(index.answers.items(), key=_key)
        ],
        "tools": [asdict(file) for file in sorted(index.tools)],
    }
    return json.dumps(document, indent=2) + "\n"


def _key(item: tuple[Asked, Answer]) -> Asked:
    return item[0]


def _told(asked: Asked, answer: Answer) -> Iterator[tuple[str, object]]:
    values = {
        "method": asked.method,
        "url": asked.url,
        "accept": asked.accept,
        "git_protocol": asked.git_protocol,
        "body": asked.body,
        "credentials": asked.credentials,
        "status": answer.status,
        "headers": dict(sorted(answer.headers)),
        "sha256": answer.sha256,
    }
    yield from ((name, value) for name, value in values.items() if value)
    yield "size", answer.size


def from_json(text: bytes) -> TapeIndex:
    """The index that `to_json` wrote.

    Raises:
        ValueError: It is none, says which key is wrong, or is of another format.
    """
    data = json.loads(text)
    form = data.get("format") if isinstance(data, dict) else None
    if form != FORMAT:
        raise ValueError(f"it has format {form!r}, and this version reads {FORMAT}")
    try:
        # As JSON, not as Python: lists stand for tuples there.
        document = _shape().validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}") from error
    answers = dict(map(_read, document.answers))
    if len(answers) != len(document.answers):
        raise ValueError("it answers one question in two ways")
    return TapeIndex(answers=answers, tools=tuple(document.tools))


def _read(entry: _Entry) -> tuple[Asked, Answer]:
    selecting: dict[str, Any] = {one.name: getattr(entry, one.name) for one in fields(Asked)}
    answer = Answer(
        status=entry.status,
        headers=tuple(sorted(entry.headers.items())),
        sha256=entry.sha256,
        size=entry.size,
    )
    return Asked(**selecting), answer


@cache
def _shape() -> TypeAdapter[_Document]:
    return TypeAdapter(_Document)
