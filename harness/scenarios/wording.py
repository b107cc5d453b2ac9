"""How messages list what could have been written."""

from collections.abc import Iterable


def one_of(names: Iterable[str]) -> str:
    """The names as a choice: one of `a`, `b`."""
    quoted = [f"`{name}`" for name in names]
    match quoted:
        case []:
            return "nothing: there are none"
        case [only]:
            return only
        case _:
            return f"one of {', '.join(quoted)}"
