"""An option of the command line, described once for click and for pytest."""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """How people see a field of a dataclass, and fill it; it stands in the field's annotation.

    Attributes:
        flags: How it is written, the long form first.
        help: What it does: one or more sentences.
        metavar: What stands for its value in help; empty for a switch.
        least: The lowest number that it takes.
        above: The number that its value has to exceed.
        folder: Whether its path is a folder.
        default: The default in words, where the field's own does not say it.
        reads: The type of its value, or of each one where it `repeats`; `bool` for a switch. This
            and what follows is the field's: see `options_of`.
        repeats: Whether it may be given more than once; its values are then a tuple.
        required: Whether it has to be given.
    """

    flags: tuple[str, ...]
    help: str
    metavar: str = ""
    least: int | None = None
    above: float | None = None
    folder: bool = False
    default: str = ""
    reads: type[str | Path | int | float] = str
    repeats: bool = False
    required: bool = False

    @property
    def is_switch(self) -> bool:
        """Whether it takes no value."""
        return self.reads is bool

    @property
    def whole_help(self) -> str:
        """Its help, with what can be said of every option: how often, and the default."""
        text = f"{self.help} May be given more than once." if self.repeats else self.help
        return f"{text}  [default: {self.default}]" if self.default else text

    def value(self, text: str) -> str | Path | int | float:
        """The value that is written as `text`.

        Raises:
            ValueError: It is of another type, or out of range; says what was expected.
        """
        try:
            value = self.reads(text)
        except ValueError:
            what = "a whole number" if self.reads is int else "a number"
            raise ValueError(f"{text!r} is not {what}") from None
        if isinstance(value, int | float):
            if self.least is not None and not value >= self.least:
                raise ValueError(f"{text} is less than {self.least}")
            if self.above is not None and not value > self.above:
                raise ValueError(f"{text} is not more than {self.above:g}")
        return value


def options_of(kind: type) -> Mapping[str, Option]:
    """The options that fill a dataclass, by field: its own first, then those it inherits.

    A field is annotated with its option, as `Annotated[int, Option(…)] = 1`. What it reads, whether
    it repeats (a tuple) or is required (no default) are the field's.
    """
    hints = get_type_hints(kind, include_extras=True)
    inherited = {
        each.name for base in kind.__bases__ if is_dataclass(base) for each in fields(base)
    }
    found = sorted(fields(kind), key=lambda each: each.name in inherited)
    return {each.name: _option(each, *get_args(hints[each.name])) for each in found}


def given_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a person gave, of the values that a parser has for a dataclass's options.

    Args:
        values: By field; None, False or empty where an option was not given.
    """
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if value is not None and value is not False and value not in ((), [])
    }


def written(options: Any) -> tuple[str, ...]:
    """The arguments by which a person fills a dataclass as it is, without those of defaults."""
    defaults = {each.name: each for each in fields(options)}
    arguments: list[str] = []
    for name, option in options_of(type(options)).items():
        value, default = getattr(options, name), defaults[name]
        factory = default.default_factory
        if value != (default.default if factory is MISSING else factory()):
            for one in value if option.repeats else (value,):
                arguments += option.flags[:1] if option.is_switch else (option.flags[0], str(one))
    return tuple(arguments)


def _option(of: Field[Any], hint: Any, option: Option) -> Option:
    repeats = get_origin(hint) is tuple
    reads = next((one for one in get_args(hint) if one is not type(None)), hint)
    default = option.default
    if not default and reads is not bool and isinstance(of.default, str | int | float):
        default = f"{of.default:g}" if isinstance(of.default, float) else str(of.default)
    required = of.default is MISSING and of.default_factory is MISSING
    return replace(option, reads=reads, repeats=repeats, required=required, default=default)
