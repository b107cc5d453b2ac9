"""One model of the run options: what a person gives arrives in the settings of a session."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import click
import pytest
from click.testing import CliRunner

from harness.commands.click_options import takes
from harness.commands.option import Option, options_of, written
from harness.commands.options import LogOptions, MatrixOptions, RecordOptions, RunOptions
from harness.runs.settings import Settings
from harness.sandboxes import MEBIBYTE, Limits
from harness.storage.store import Store

KINDS = (RunOptions, MatrixOptions, RecordOptions)
NEEDED: dict[type, tuple[str, ...]] = {
    RunOptions: (),
    MatrixOptions: ("--buildpack", "old", "--buildpack", "new"),
    RecordOptions: ("--tape", "t.tape"),
}
GIVEN = (
    ("--sandbox", "bubblewrap", {"sandbox": "bubblewrap"}),
    ("--image", "host", {"image": "host"}),
    ("--python", "3.12.1", {"pythons": ("3.12.1",)}),
    ("--compare", "vendor", {"compare": ("vendor",)}),
    ("--tool", "pip==1", {"tools": ("pip==1",)}),
    ("--timeout", "1.5", {"limits": replace(Limits(), seconds=1.5)}),
    ("--memory", "100", {"limits": replace(Limits(), memory=100 * MEBIBYTE)}),
    ("--tape", "other.tape", {"tape": Path("other.tape")}),
    ("--fresh", None, {"fresh": True}),
    ("--keep", None, {"keep": True}),
    ("--store", "elsewhere", {"store": Store(root=Path("elsewhere"))}),
)
OUTSIDE_SETTINGS = {"--jobs", "--report", "--known"}


Kind = LogOptions | MatrixOptions | RecordOptions | RunOptions


def given(kind: type[Kind], *arguments: str) -> Any:
    """The options of a kind, as click reads the arguments."""

    @click.command()
    @takes(kind)
    def command(options: Kind) -> Kind:
        return options

    return CliRunner().invoke(
        command, (*NEEDED.get(kind, ()), *arguments), standalone_mode=False, catch_exceptions=False
    ).return_value  # fmt: skip


@pytest.fixture(autouse=True)
def _store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_HARNESS_STORE", "/store")


def test_without_options_a_session_gets_its_own_defaults() -> None:
    assert given(RunOptions).settings() == Settings(store=Store(root=Path("/store")))


@pytest.mark.parametrize(("flag", "value", "expected"), GIVEN, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_given_arrives(
    kind: type[Kind],
    flag: str,
    value: str | None,
    expected: dict[str, Any],
) -> None:
    arguments = (flag,) if value is None else (flag, value)
    before = given(kind).settings()
    after = given(kind, *arguments).settings()
    assert after == replace(before, **expected) != before


def test_every_shared_option_is_tried() -> None:
    own = {"--buildpack", "--write-known"}
    flags = {option.flags[0] for option in options_of(RunOptions).values()} - own
    assert flags == {flag for flag, *_ in GIVEN} | OUTSIDE_SETTINGS


def test_what_goes_into_builds_is_found_by_the_same_options() -> None:
    arguments = ("--buildpack", "x", "--python", "3.12.1", "--python", "3.13.1", "--image", "host",
                 "--memory", "100", "--store", "elsewhere")  # fmt: skip
    options = given(LogOptions, *arguments)
    assert options.settings() == given(RunOptions, *arguments).settings()
    own = {flag for flag, *_ in GIVEN} - {"--timeout", "--fresh", "--keep"} | {"--buildpack"}
    assert {option.flags[0] for option in options_of(LogOptions).values()} == own


@pytest.mark.parametrize("kind", [*KINDS, LogOptions])
def test_options_are_written_as_they_were_given(kind: type[Kind]) -> None:
    needed = NEEDED.get(kind, ())
    flags = {option.flags[0] for option in options_of(kind).values()} - {*needed}
    shared = [(flag, value) for flag, value, _ in GIVEN if flag in flags]
    arguments = [text for each in shared for text in each if text is not None]
    again = [*written(given(kind, *arguments))]
    for each in needed:  # they are given anyway
        again.remove(each)
    assert given(kind, *again) == given(kind, *arguments) != given(kind)
    assert written(given(kind)) == needed


def test_what_no_session_needs_arrives_as_well() -> None:
    options = given(
        RunOptions, "-j", "3", "--report", "json=a", "--report", "json=b", "--known", "k",
        "--write-known", "w",
    )  # fmt: skip
    assert (options.jobs, options.reports) == (3, ("json=a", "json=b"))
    assert (options.known_files, options.write_known) == ((Path("k"),), Path("w"))


def test_buildpacks_arrive() -> None:
    assert given(RunOptions, "--buildpack", "b").settings().buildpacks == ("b",)
    assert given(MatrixOptions).settings().buildpacks == ("old", "new")
    assert given(RecordOptions, "--buildpack", "b").settings().buildpacks == ("b",)


def test_only_a_recording_records() -> None:
    store = Store(root=Path("/store"))
    tape = Settings(store=store, tape=Path("t.tape"), recording=True)
    assert given(RecordOptions).settings() == tape
    assert given(RecordOptions, "--anew").settings() == replace(tape, anew=True)


@dataclass(frozen=True, kw_only=True)
class Base:
    plain: Annotated[str | None, Option(flags=("--plain",), help="Plain.")] = None
    number: Annotated[float, Option(flags=("--number",), help="Some.", above=0)] = 2.0


@dataclass(frozen=True, kw_only=True)
class Derived(Base):
    many: Annotated[tuple[int, ...], Option(flags=("--many",), help="Many.", least=3)]
    number: Annotated[float, Option(flags=("--other",), help="Some.", above=1)] = 3.5
    switch: Annotated[bool, Option(flags=("--switch",), help="On.")] = False


def test_an_option_is_what_its_field_is() -> None:
    found = options_of(Derived)
    assert list(found) == ["many", "switch", "plain", "number"]
    assert [option.reads for option in found.values()] == [int, bool, str, float]
    assert [option.repeats for option in found.values()] == [True, False, False, False]
    assert [option.required for option in found.values()] == [True, False, False, False]
    assert found["number"].flags == ("--other",)


def test_help_says_how_often_and_what_otherwise() -> None:
    found = options_of(Derived)
    assert [option.whole_help for option in found.values()] == [
        "Many. May be given more than once.",
        "On.",
        "Plain.",
        "Some.  [default: 3.5]",
    ]


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("many", "2", "2 is less than 3"),
        ("many", "2.5", "'2.5' is not a whole number"),
        ("number", "much", "'much' is not a number"),
        ("number", "1", "1 is not more than 1"),
        ("number", "nan", "nan is not more than 1"),
    ],
)
def test_a_value_that_is_none_is_refused(name: str, text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{fault}$"):
        options_of(Derived)[name].value(text)


def test_values_are_read() -> None:
    found = options_of(Derived)
    assert [found["many"].value("3"), found["number"].value("1.5")] == [3, 1.5]
    assert found["plain"].value("x") == "x"
