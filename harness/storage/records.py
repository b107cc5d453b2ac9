"""Results as JSON text that tells when it was damaged, and back."""

import hashlib
import json
from functools import cache
from typing import Any, TypeVar

from cattrs import BaseValidationError, Converter

from harness.errors import StoreError

T = TypeVar("T")


def dump(record: object) -> str:
    """A frozen dataclass as two lines of ASCII: the sha256 of the second, and the record."""
    text = json.dumps(_converter().unstructure(record), separators=(",", ":"))
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
    return _converter().unstructure(record)


def restored(kind: type[T], value: Any) -> T:
    """The record that `plain` made these values of; for `object` the values themselves.

    Raises:
        StoreError: They are of another kind.
    """
    if kind is object:
        return value  # type: ignore[no-any-return]
    try:
        return _converter().structure(value, kind)
    except (ValueError, TypeError, KeyError, AttributeError, BaseValidationError) as error:
        raise StoreError(
            f"a stored result is of another version: {error!r}",
            hint="`cache-harness store prune --all`",
        ) from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _converter() -> Converter:
    return Converter(forbid_extra_keys=True)
