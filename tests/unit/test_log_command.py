"""`log`, as far as no build is needed: what it may be asked for, and what it says of none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.bundled import bundled_scenarios
from harness.errors import HarnessError
from harness.scenarios.by_name import scenario_file


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere.toml",), "there is no scenario nowhere.toml"),
        (("{scenario}", "3"), "rebuild has no commit '3'\n  try: name a number from 1 to 2"),
        (("{scenario}", "0"), "rebuild has no commit '0'"),
        (("{scenario}", "²"), "rebuild has no commit '²'"),
        (("{scenario}", "9" * 5000), "rebuild has no commit '999"),
        (
            ("{scenario}", "1", "both"),
            "there is no build 'both'\n  try: name one of cached, clean,",
        ),
        (("{scenario}", "x"), "rebuild has no commit 'x'"),
        (
            ("{scenario}", "--buildpack", "every-input", "--memory", "5000", "--tool", "a==1"),
            "`cache-harness run {scenario} --buildpack every-input --tool a==1 --memory 5000`,",
        ),
        (
            ("{scenario}", "1"),
            "root-requirements and these options\n  try: `cache-harness run {scenario}`, with",
        ),
        (("{scenario}", "clean"), "no clean build of commit 2 of rebuild is stored"),
        (
            ("{scenario}", "1", "control"),
            "and these options; it is made where the cached and the clean build differ\n",
        ),
    ],
)
def test_what_is_not_there(
    invoke: Callable[..., Any], scenario: str, arguments: tuple[str, ...], told: str
) -> None:
    status, out, err = invoke("log", *(each.format(scenario=scenario) for each in arguments))
    assert (status, out) == (2, "")
    assert told.format(scenario=scenario) in err


def test_a_scenario_is_found_by_its_file_or_by_its_name(
    scenario: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scenario_file(scenario) == Path(scenario)
    shipped = bundled_scenarios() / "reuse" / "git-pin.toml"
    monkeypatch.chdir(tmp_path)
    assert scenario_file("reuse/git-pin") == shipped
    # One's own come before those that ship.
    own = tmp_path / "scenarios" / "reuse" / "git-pin.toml"
    own.parent.mkdir(parents=True)
    own.write_text("")
    assert scenario_file("reuse/git-pin").resolve() == own
    assert scenario_file("reuse/config-vars") == shipped.with_name("config-vars.toml")
    with pytest.raises(HarnessError) as error:
        scenario_file("reuse/gitpin")
    assert "such as reuse/git-pin" in error.value.hint
