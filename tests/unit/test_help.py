"""Help of every command, whole."""

from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest
from click.core import Command, Group
from snapshots import VERSION, filtered
from syrupy.assertion import SnapshotAssertion

from harness.cli import cli
from harness.commands.lazy import LazyGroup, Listed


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Command | Group | LazyGroup]]:
    yield path, group
    for name, listed in group.commands.items():
        command = listed.load() if isinstance(listed, Listed) else listed
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(cli))
VERBS = {
    "Build", "Check", "List", "Make", "Pack", "Print", "Prove", "Read", "Remove", "Run", "Show",
}  # fmt: skip


def test_every_command_is_here() -> None:
    assert set(ALL) == {
        (),
        ("run",),
        ("log",),
        ("matrix",),
        ("record",),
        ("import",),
        ("tape",),
        ("tape", "show"),
        ("image",),
        ("image", "build"),
        ("image", "list"),
        ("runtime",),
        ("runtime", "pack"),
        ("runtime", "list"),
        ("store",),
        ("store", "show"),
        ("store", "prune"),
        ("store", "verify"),
        ("doctor",),
        ("schema",),
    }


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(path) or "all")
def test_help(
    invoke: Callable[..., Any], snapshot: SnapshotAssertion, path: tuple[str, ...]
) -> None:
    status, out, err = invoke(*path, "--help")
    assert (status, err) == (0, "")
    assert out == snapshot


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_each_option_says_what_it_does_and_what_holds_without_it(path: tuple[str, ...]) -> None:
    for option in ALL[path].params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.is_flag or option.required or option.multiple or option.show_default or (
                "[default:" in option.help
            )  # fmt: skip


@pytest.mark.parametrize("path", [path for path in ALL if path], ids=" ".join)
def test_help_lists_the_first_sentence_of_each_command_whole(
    invoke: Callable[..., Any], path: tuple[str, ...]
) -> None:
    (sentence, *_) = ALL[path].help.split("\n\n")
    status, out, _ = invoke(*path[:-1], "--help")
    assert status == 0
    assert f"  {path[-1]} " in out
    assert f" {sentence}\n" in out


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_begins_with_an_imperative_verb(path: tuple[str, ...]) -> None:
    (verb, *_) = ALL[path].help.split()
    assert verb.strip(",") in VERBS


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_the_short_flag_says_the_same(invoke: Callable[..., Any], path: tuple[str, ...]) -> None:
    assert invoke(*path, "-h") == invoke(*path, "--help")


def test_the_version(invoke: Callable[..., Any]) -> None:
    status, out, err = invoke("--version")
    assert (status, filtered(out, VERSION), err) == (0, "cache-harness, version [version]\n", "")
