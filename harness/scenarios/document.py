"""A TOML file that a person wrote, read against a type, with the line of every fault."""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, time
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, to_json

from harness.errors import InputError, Problem
from harness.scenarios.positions import Place, Positions, positions
from harness.scenarios.wording import one_of

T = TypeVar("T")

_DEEPEST = 20
UNION_TAGS = (
    "[key]", "[word]", "[parts]", "[path]", "[log]", "[reasons]", "[reused]", "[anew]",
)  # fmt: skip
"""What stands in pydantic's way to a fault and is not a key: its own, and tags of unions."""
ONE_KEY = "one_key"
"""pydantic's word for a table that has several or none of the keys that tell its kind apart; the
context has them as `keys`, with spaces between."""
_TOO_DEEP = ("is nested too deeply", f"no more than {_DEEPEST} levels")
_WANTED = {
    "bool_type": "true or false",
    "dataclass_type": "a table",
    "dict_type": "a table",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "mapping_type": "a table",
    "string_type": "a string",
    "tuple_type": "an array",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A TOML file's values, and where they stand.

    Attributes:
        file: The file, as the person named it.
        source: Its text.
        data: What `tomllib` makes of it.
    """

    file: str
    source: str = field(repr=False)
    data: dict[str, Any] = field(repr=False)

    def problem(self, place: Place, message: str, expected: str = "", text: str = "") -> Problem:
        """A fault at a place; `text` narrows the line down to where it stands in the value."""
        line = _positions(self.source).line(place, text) or 1
        return Problem(file=self.file, line=line, message=message, expected=expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape(Generic[T]):
    """A type that a table must have, with its JSON Schema, which knows the keys."""

    adapter: TypeAdapter[T]
    schema: dict[str, Any] = field(repr=False)


def shape(kind: Any) -> Shape[Any]:
    """The shape of a dataclass or of an annotated union of them."""
    adapter = TypeAdapter(kind)
    return Shape(adapter=adapter, schema=adapter.json_schema())


def read_document(path: Path) -> Document:
    """Reads a TOML file.

    Raises:
        InputError: It cannot be read, is not UTF-8, or is not TOML.
    """
    file = str(path)
    try:
        source = path.read_bytes().decode()
    except OSError as error:
        reason = error.strerror or str(error)
        raise _single(file, 0, f"cannot be read: {reason}", "a TOML file") from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise _single(file, line, "is not UTF-8", "a TOML file in UTF-8") from error
    try:
        data = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = re.search(r"at line (\d+)", message)
        line = int(found[1]) if found else source.count("\n") + 1
        raise _single(file, line, f"is not TOML: {message}", "TOML 1.0") from error
    except RecursionError as error:
        raise _single(file, 0, *_TOO_DEEP) from error
    if _is_deeper(data, _DEEPEST):
        raise _single(file, 0, *_TOO_DEEP)
    return Document(file=file, source=source, data=data)


def _is_deeper(value: object, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in value)


def check(document: Document, kind: Shape[T], value: object, place: Place = ()) -> T | None:
    """The value as its type, or None where it has faults; see `faults`."""
    return None if any(faults(document, kind, value, place)) else _parse(kind, value)


def faults(
    document: Document, kind: Shape[T], value: object, place: Place = ()
) -> Iterator[Problem]:
    """Every way in which a value lacks its type: unknown or missing keys, wrong kinds.

    Args:
        document: Where the value stands.
        kind: The type that it must have.
        value: The value, as `tomllib` gave it.
        place: The way to it.
    """
    told: list[Place] = []
    try:
        _parse(kind, value)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            inner = _place(detail["loc"], value)
            if detail["type"] == "too_short" and _at(value, inner):
                continue  # pydantic counts only the items that have no fault of their own
            if detail["type"] == ONE_KEY:
                at, message, expected = _of_one_kind(place, inner, detail)
            else:
                at, message, expected = _told(kind, value, place, inner, detail)
            told.append(place + at)
            yield document.problem(place + at, message, expected)
    # JSON has no dates: one would have been taken for a string.
    for at in _dates(value, place):
        if not any(at[: len(other)] == other for other in told):
            yield document.problem(at, f"`{_name(at)}` is a date or a time", "a string")


def _parse(kind: Shape[T], value: object) -> T:
    # In strict mode only JSON's arrays become tuples, and its strings enumerations.
    return kind.adapter.validate_json(to_json(value))


@cache
def _positions(source: str) -> Positions:
    return positions(source)


def _single(file: str, line: int, message: str, expected: str) -> InputError:
    return InputError((Problem(file=file, line=line, message=message, expected=expected),))


def _dates(value: object, place: Place) -> Iterator[Place]:
    if isinstance(value, date | time):
        yield place
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _dates(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _dates(item, (*place, index))


def _at(value: object, place: Place) -> object:
    for part in place:
        value = value[part] if isinstance(value, dict | list) else None  # type: ignore[index]
    return value


def _place(location: tuple[str | int, ...], value: object) -> Place:
    """The way to the value at fault: pydantic's, without the union's tags that it puts in."""
    place: Place = ()
    here = value
    for part in location:
        if isinstance(here, dict) and part not in here and here.get("do") == part:
            continue
        if part in UNION_TAGS and not (isinstance(here, dict) and part in here):
            continue
        place += (part,)
        if isinstance(here, dict) and isinstance(part, str):
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int):
            here = here[part]
        else:
            here = None
    return place


def _told(
    kind: Shape[Any], value: object, place: Place, inner: Place, detail: ErrorDetails
) -> tuple[Place, str, str]:
    """A fault in the harness's own words: where in the value, what is there, what was expected."""
    key, context = _name(place + inner), detail.get("ctx", {})
    parent = _subschema(kind.schema, value, inner[:-1])
    meant = _description(parent, inner)
    message, expected = f"`{key}` is {_shown(detail['input'])}", ""
    match detail["type"]:
        case "missing":
            message, expected = f"`{key}` is missing", meant
        case "unexpected_keyword_argument" | "extra_forbidden":
            message, expected = f"unknown key `{key}`", _keys(key, parent)
        case "union_tag_not_found":
            message, expected = "`do` is missing", _tags(kind, value, inner)
        case "union_tag_invalid":
            message = f"`do` is {_shown(context.get('tag'))}"
            inner, expected = (*inner, "do"), _tags(kind, value, inner)
        case "enum" | "literal_error":
            expected = str(context.get("expected", ""))
        case "too_short" | "string_too_short":
            message, expected = f"`{key}` is empty", meant
        case "greater_than_equal":
            expected = f"at least {context.get('ge')}"
        case "string_pattern_mismatch":
            expected = f"a match of `{context.get('pattern')}`" + (f": {meant}" if meant else "")
        case other if other in _WANTED:
            expected = _WANTED[other]
        case _:
            message += f": {detail['msg']}"
    return inner, message, expected


def _of_one_kind(place: Place, inner: Place, detail: ErrorDetails) -> tuple[Place, str, str]:
    """A fault of a value that has several or none of the keys that tell its kind; as `_told`."""
    value, key, keys = detail["input"], _name(place + inner), detail["ctx"]["keys"].split()
    if not isinstance(value, dict):
        return inner, f"`{key}` is {_shown(value)}", "a table"
    there = [each for each in keys if each in value]
    if not there:
        return inner, f"`{key}` does not say what it is about", one_of(keys)
    first, second, *_ = there
    message = f"`{first}` and `{second}` cannot both be given"
    return (*inner, second), message, "an entry for each"


def _description(parent: dict[str, Any], inner: Place) -> str:
    """What a key is for, as it goes on in a sentence."""
    described = parent.get("properties", {}).get(inner[-1] if inner else "", {})
    text = str(described.get("description", "")).rstrip(".")
    return text[:1].lower() + text[1:]


def _name(place: Place) -> str:
    """The last key of a place; an item of an array goes by the array's name."""
    keys = [part for part in place if isinstance(part, str)]
    index = f"[{place[-1]}]" if place and isinstance(place[-1], int) else ""
    return (keys[-1] if keys else "the file") + index


def _subschema(schema: dict[str, Any], value: object, place: Place) -> dict[str, Any]:
    here = _resolved(schema, schema, value)
    for part in place:
        if isinstance(part, int):
            here, value = here.get("items", {}), value[part] if isinstance(value, list) else None
        else:
            below = here.get("properties", {}).get(part) or here.get("additionalProperties")
            here = below if isinstance(below, dict) else {}
            value = value.get(part) if isinstance(value, dict) else None
        here = _resolved(schema, here, value)
    return here


def _resolved(root: dict[str, Any], here: dict[str, Any], value: object) -> dict[str, Any]:
    if "discriminator" in here and isinstance(value, dict) and isinstance(value.get("do"), str):
        chosen = here["discriminator"]["mapping"].get(value["do"])
        here = {"$ref": chosen} if chosen else here
    while "$ref" in here:
        here = root["$defs"][here["$ref"].rsplit("/", 1)[-1]]
    if isinstance(value, dict) and "properties" not in here:
        # Of a word or a table, or a table or nothing: the table. Of several, the one that is meant.
        options = (*here.get("anyOf", ()), *here.get("oneOf", ()))
        tables = [_resolved(root, option, value) for option in options]
        tables = [table for table in tables if "properties" in table]
        meant = (table for table in tables if value.keys() >= {*table.get("required", ())})
        return next(meant, tables[0] if tables else here)
    return here


def _tags(kind: Shape[Any], value: object, inner: Place) -> str:
    mapping = _subschema(kind.schema, value, inner).get("discriminator", {}).get("mapping", {})
    return one_of(mapping)


def _keys(key: str, parent: dict[str, Any]) -> str:
    known = tuple(parent.get("properties", {}))
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f"`{close[0]}`, perhaps"
    return one_of(known)


_KINDS: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (bool, lambda value: str(value).lower()),
    (str, lambda value: f'"{value}"' if len(value) < 60 else "a string"),
    ((int, float), str),
    (dict, lambda _: "a table"),
    (list, lambda _: "an array"),
)


def _shown(value: object) -> str:
    return next(
        (show(value) for kind, show in _KINDS if isinstance(value, kind)), "of another type"
    )
