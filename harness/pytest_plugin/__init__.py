"""Runs scenario files as pytest items: `pytest scenarios --buildpack NAME`, also with `-n auto`."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from harness.commands.option import Option, given_values, options_of
from harness.commands.options import RunOptions

# Every pytest of whoever has the harness installed imports this module: what runs scenarios is
# imported once a buildpack is named.

RENAMED = {"--timeout": "--build-timeout"}
"""Options that other plug-ins already have under their names: pytest-timeout that of a test."""

_DEST = "cache_harness_"
_SWITCH = "Run the scenario files (*.toml) in the arguments against this buildpack"


def offered() -> Mapping[str, Option]:
    """The options of `run` as pytest has them, by the field of `RunOptions` that each fills."""
    options = dict(options_of(RunOptions))
    buildpack = options["buildpack"]
    _, _, kinds = buildpack.help.partition(":")
    options["buildpack"] = replace(buildpack, help=f"{_SWITCH}:{kinds}", default="")
    known = options["known_files"]
    options["known_files"] = replace(
        known, help=f"{known.help} Items that show nothing else xfail."
    )
    jobs = options["jobs"]
    options["jobs"] = replace(jobs, default="cores; with pytest-xdist 1, in each of its processes")
    return {name: _named(option) for name, option in options.items()}


def _named(option: Option) -> Option:
    # Short flags in lower case are pytest's own.
    (flag, *_) = option.flags
    return replace(option, flags=(RENAMED.get(flag, flag),))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options that say what the scenarios are run against."""
    group = parser.getgroup("cache harness", "scenario files as tests")
    for name, option in offered().items():
        help_ = option.whole_help.replace("%", "%%")
        if option.is_switch:
            group.addoption(*option.flags, dest=_DEST + name, action="store_true", help=help_)
        else:
            group.addoption(
                *option.flags,
                dest=_DEST + name,
                action="append" if option.repeats else "store",
                metavar=option.metavar,
                help=help_,
            )


def pytest_configure(config: pytest.Config) -> None:
    """Has scenario files collected and run, once a buildpack is named.

    Raises:
        pytest.UsageError: An option has a wrong value.
    """
    values = {name: config.getoption(_DEST + name) for name in options_of(RunOptions)}
    if values["buildpack"] is None:
        return
    from harness.pytest_plugin.scenarios import Scenarios

    given = given_values(values)
    options = RunOptions(**{name: _read(offered()[name], value) for name, value in given.items()})
    config.pluginmanager.register(Scenarios.of(config, options), "cache-harness-scenarios")


def _read(option: Option, given: Any) -> Any:
    """An option's value, or its values, which pytest has as text."""
    if option.is_switch:
        return given
    try:
        if option.repeats:
            return tuple(option.value(text) for text in given)
        return option.value(given)
    except ValueError as error:
        raise pytest.UsageError(f"{option.flags[0]}: {error}") from error
