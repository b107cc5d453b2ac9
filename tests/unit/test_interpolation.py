"""References: what each form stands for, and what is left alone."""

import re
from dataclasses import replace

import pytest

from harness.scenarios.interpolation import (
    FILE_FORMS,
    Names,
    UnknownReferenceError,
    faults,
    python_slots,
    released,
    substitute,
)

SHA = "0123456789abcdef0123456789abcdef01234567"
NAMES = Names(revisions={"forms": {"fixed": SHA, "v6.1": "f" * 40}}, pythons={"default": "3.11.7"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("forms@${forms@fixed}", f"forms@{SHA}"),
        ("${forms@fixed:short}", "0123456"),
        ("${forms@v6.1:short}${forms@fixed:short}", "fffffff0123456"),
        ("python-${python@default}", "python-3.11.7"),
        ("python${python@default:minor}", "python3.11"),
        ("$${forms@fixed}", "${forms@fixed}"),
        ("$$${forms@fixed}", "$${forms@fixed}"),
        ("$${no@such}", "${no@such}"),
        ("${HOME} $${HOME} ${a[@]} ${a:-b@c} $forms@fixed {forms@fixed}", None),
    ],
)
def test_substitute(text: str, expected: str | None) -> None:
    assert substitute(text, NAMES) == (text if expected is None else expected)


@pytest.mark.parametrize(
    ("text", "message", "expected"),
    [
        ("${other@fixed}", "no fork `other`", "`forms`"),
        ("${forms@nope}", "no revision `nope`", "`fixed`"),
        ("${forms@}", "no revision ``", "`fixed`"),
        ("${python@other}", "no Python `other`", "`default`"),
        ("${forms@fixed:long}", "unknown form `:long`", "`:short`"),
        ("${forms@fixed:minor}", "unknown form `:minor`", "`:short`"),
        ("${python@default:short}", "unknown form `:short`", "`:minor`"),
    ],
)
def test_unknown_reference(text: str, message: str, expected: str) -> None:
    with pytest.raises(UnknownReferenceError, match=message) as caught:
        substitute(f"x {text} y", NAMES)
    assert expected in caught.value.expected
    assert caught.value.text == text


def test_every_fault_of_a_text_is_told() -> None:
    text = "${a@b} ${forms@fixed} ${forms@nope} $${c@d}"
    assert [error.text for error in faults(text, NAMES)] == ["${a@b}", "${forms@nope}"]


def test_python_slots() -> None:
    assert python_slots("${python@a} ${python@b:minor} $${python@c} ${forms@d}") == {"a", "b"}


def test_files_of_releases() -> None:
    released = {"file": "forms/abc/forms-1.0-py3-none-any.whl", "sha256": "abc"}
    names = replace(NAMES, files={("forms", "fixed"): released})
    text = "/simple/${forms@fixed:file}#sha256=${forms@fixed:sha256}"
    assert substitute(text, names) == "/simple/forms/abc/forms-1.0-py3-none-any.whl#sha256=abc"
    with pytest.raises(UnknownReferenceError, match="unknown form `:source-file`"):
        substitute("${forms@fixed:source-file}", names)


def test_something_of_the_same_form_stands_in_for_what_is_not_built() -> None:
    revisions = ("fixed", "v6.1")
    told = {
        substitute(f"${{forms@{revision}:{form}}}", NAMES)
        for revision in revisions
        for form in FILE_FORMS
    }
    assert len(told) == len(revisions) * len(FILE_FORMS)
    assert all(re.search("[0-9a-f]{64}", text) for text in told)


def test_which_releases_files_a_text_tells_of() -> None:
    text = "${a@b:file} ${c@d:source-sha256} $${e@f:file} ${g@h} ${i@j:short} ${a@b:source-file}"
    assert released(text) == {("a", "b"), ("c", "d")}
