"""Options, as click takes them."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.commands.option import Option, given_values, options_of
from harness.commands.options import InputOptions, default_store

T = TypeVar("T")


def click_option(name: str, option: Option, **more: Any) -> Callable[[Any], Any]:
    """What gives a command an option.

    Args:
        name: The parameter by which the command gets its value; None or empty where none is given.
        option: The option.
        more: What else click is given.
    """
    given: dict[str, Any] = {"help": option.whole_help, "required": option.required, **more}
    if option.is_switch:
        given["is_flag"] = True
    else:
        path = click.Path(path_type=Path, file_okay=not option.folder)
        given["type"] = path if option.reads is Path else _reading(option)
        given["metavar"] = option.metavar
        given["multiple"] = option.repeats
    return click.option(*option.flags, name, **given)


def _reading(option: Option) -> Callable[[str], str | Path | int | float]:
    def read(text: str) -> str | Path | int | float:
        try:
            return option.value(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return read


def takes(kind: type) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Gives a command the options that fill a dataclass; it is called with one as `options`."""
    described = options_of(kind)

    def decorate(command: Callable[..., T]) -> Callable[..., T]:
        @wraps(command)
        def called(**given: Any) -> T:
            values = {name: given.pop(name) for name in described}
            return command(options=kind(**given_values(values)), **given)

        decorated: Callable[..., T] = called
        for name, option in reversed(tuple(described.items())):
            decorated = click_option(name, option)(decorated)
        return decorated

    return decorate


scenarios_argument = click.argument("scenarios", nargs=-1, type=click.Path(path_type=Path))

store_option = click_option("store", options_of(InputOptions)["store"], default=default_store)
