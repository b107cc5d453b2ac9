"""A build's key: which of its inputs change it, and which do not."""

from dataclasses import fields, replace
from typing import Any

import pytest

from harness.runs.key import Inputs, build_key, inputs_key
from harness.sandboxes import Limits

INPUTS = Inputs(
    code="code",
    ecosystems=(("python", ""),),
    sandbox=("bubblewrap", "", "image"),
    limits=Limits(),
    preparation=("a recipe",),
    env=(("A", "1"),),
    app="app",
    mtime=None,
    internet=("forks",),
)
CHANGES: dict[str, dict[str, Any]] = {
    "code": {"code": "another"},
    "ecosystems": {"ecosystems": (("python", ""), ("toys", "code"))},
    "ecosystems: one's code": {"ecosystems": (("python", "another"),)},
    "sandbox": {"sandbox": ("docker", "", "image")},
    "sandbox: its code": {"sandbox": ("bubblewrap", "code", "image")},
    "sandbox: the image": {"sandbox": ("bubblewrap", "", "another")},
    "limits: memory": {"limits": Limits(memory=1)},
    "limits: processes": {"limits": Limits(processes=1)},
    "limits: output": {"limits": Limits(output=1)},
    "limits: file_size": {"limits": Limits(file_size=1)},
    "preparation": {"preparation": ("another recipe",)},
    "env": {"env": (("A", "2"),)},
    "env: none": {"env": ()},
    "app": {"app": "another"},
    "mtime": {"mtime": 0},
    "internet": {"internet": ("other forks",)},
    "internet: an undecodable name": {"internet": ("\udcff",)},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_input_changes_the_key(change: dict[str, Any]) -> None:
    assert inputs_key(replace(INPUTS, **change)) != inputs_key(INPUTS)


def test_each_change_has_a_key_of_its_own() -> None:
    assert len({inputs_key(replace(INPUTS, **change)) for change in CHANGES.values()}) == len(
        CHANGES
    )


def test_every_input_is_among_what_was_changed() -> None:
    assert {name.partition(":")[0] for name in CHANGES} == {field.name for field in fields(Inputs)}
    limits = {name.removeprefix("limits: ") for name in CHANGES if name.startswith("limits")}
    assert limits == {field.name for field in fields(Limits)} - {"seconds"}


def test_a_time_limit_does_not_change_the_key() -> None:
    limits = Limits(seconds=5)
    assert inputs_key(replace(INPUTS, limits=limits)) == inputs_key(INPUTS)


@pytest.mark.parametrize(
    "changed",
    [
        {"inputs": "other"},
        {"cache": "cache"},
        {"cache": "another cache"},
        {"repetition": 1},
        {"repetition": 2},
    ],
)
def test_inputs_cache_and_repetition_change_a_build_s_key(changed: dict[str, Any]) -> None:
    given: dict[str, Any] = {"inputs": "inputs", **changed}
    assert build_key(**given) != build_key("inputs")
    assert build_key(**given) == build_key(**given)
