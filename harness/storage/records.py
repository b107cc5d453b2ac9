"""Results as JSON text that tells when it was damaged, and back."""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from harness.errors import StoreError

T = TypeVar("T")

_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


def dump(record: object) -> str:
    """A frozen dataclass as two lines of ASCII: the sha256 of the second, and the record."""
    # Not pydantic's own text: it has no lone surrogates, by which Python names what is not UTF-8.
    text = json.dumps(plain(record), separators=(",", ":"))
    return f"{_digest(text)}\n{text}\n"


def load(kind: type[T], text: str) -> T:
    """The record that `dump` wrote.

    Raises:
        StoreError: The text is damaged, or of another kind.
    """
    digest, _, body = text.partition("\n")
    body = body.removesuffix("\n")
    if _digest(body) != digest:
        raise StoreError("a stored result is damaged", hint="`cache-harness store verify`")
    return restored(kind, json.loads(body))


def plain(record: object) -> Any:
    """A frozen dataclass as values that JSON has, to be a part of another record."""
    return _adapter(type(record)).dump_python(record, mode="json", warnings="error")


def restored(kind: type[T], value: Any) -> T:
    """The record that `plain` made these values of; for `object` the values themselves.

    Raises:
        StoreError: They are of another kind.
    """
    if kind is object:
        return value  # type: ignore[no-any-return]
    try:
        record: T = _adapter(kind).validate_python(value)
    except ValidationError as error:
        raise _other_version(str(error)) from error
    # A field that was ignored, or read as another type, shows here.
    if plain(record) != value:
        raise _other_version("it holds more than this version reads")
    return record


def _other_version(why: str) -> StoreError:
    return StoreError(
        f"a stored result has another version: {why}",
        hint="`cache-harness store prune --all`",
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
