"""References: what each form stands for, and what is left alone."""

import pytest

from harness.scenarios.interpolation import (
    Names,
    UnknownReferenceError,
    faults,
    python_slots,
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
