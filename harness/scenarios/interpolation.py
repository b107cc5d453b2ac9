"""References such as `${forms@fixed}` in the text that a scenario writes."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.errors import HarnessError
from harness.scenarios.wording import one_of

PYTHON = "python"
PYTHON_SLOTS = ("default", "other", "sibling", "newest")

_REFERENCE = re.compile(
    r"(?P<escape>\$?)\$\{(?P<name>[A-Za-z0-9._-]+)@(?P<item>[^{}@:\s]*)(?::(?P<form>[^{}@:\s]*))?\}"
)
_SHORT = 7

FILE_FORMS = ("file", "sha256", "source-file", "source-sha256")
"""Forms that tell of the files of the release that is built from a revision."""


class UnknownReferenceError(HarnessError):
    """A reference names something that is not there.

    Attributes:
        name: What stands before its `@`.
        text: The reference as it was written.
        expected: What could have stood there.
    """

    def __init__(self, name: str, text: str, message: str, expected: str) -> None:
        super().__init__(message, hint=f"write {expected}")
        self.name = name
        self.text = text
        self.expected = expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What references stand for.

    Attributes:
        revisions: By fork, its revisions' names and full SHAs.
        pythons: Full versions such as `3.11.7`, by slot (`default`, `other`, `sibling`, `newest`).
        files: By fork and revision, what each of `FILE_FORMS` stands for; where a release is not
            built yet, something of the same form stands in for it.
    """

    revisions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    pythons: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)


def substitute(text: str, names: Names) -> str:
    """The text with every reference replaced.

    `${FORK@REVISION}` becomes the revision's SHA, with `:short` its first seven digits. With
    `:sha256` it is the digest in hex of the release that is built from the revision, as an index
    has it ready to be installed, and with `:file` where an index has that; `:source-sha256` and
    `:source-file` are of its source.
    `${python@SLOT}` a Python's version, with `:minor` only `3.11`. `$${FORK@REVISION}` becomes
    the reference itself. Any other `${...}`, a shell's say, is left as it is.

    Raises:
        UnknownReferenceError: A reference names an unknown fork, revision, slot or form.
    """
    return _REFERENCE.sub(lambda match: _value(match, names), text)


def escaped(text: str) -> str:
    """The text for which `substitute` gives this one back, whatever names there are."""
    return _REFERENCE.sub(lambda match: f"${match[0]}", text)


def faults(text: str, names: Names) -> Iterator[UnknownReferenceError]:
    """The errors that `substitute` would raise, one for each wrong reference."""
    for match in _REFERENCE.finditer(text):
        try:
            _value(match, names)
        except UnknownReferenceError as error:
            yield error


def python_slots(text: str) -> frozenset[str]:
    """The slots of the Pythons that a text refers to."""
    return frozenset(
        match["item"]
        for match in _REFERENCE.finditer(text)
        if match["name"] == PYTHON and not match["escape"]
    )


def released(text: str) -> frozenset[tuple[str, str]]:
    """The forks and revisions of whose releases' files a text tells."""
    return frozenset(
        (match["name"], match["item"])
        for match in _REFERENCE.finditer(text)
        if match["form"] in FILE_FORMS and not match["escape"]
    )


def _stand_ins(fork: str, revision: str) -> dict[str, str]:
    """What has the form of the files of a release that is not built; no two are the same."""
    digest = hashlib.sha256(f"{fork} {revision}".encode()).hexdigest()
    source = digest[::-1]
    return {
        "file": f"{fork}/{digest}/{fork}-0",
        "sha256": digest,
        "source-file": f"{fork}/{source}/{fork}-0.tar.gz",
        "source-sha256": source,
    }


def _value(match: re.Match[str], names: Names) -> str:
    text, name, item, form = match[0], match["name"], match["item"], match["form"]
    if match["escape"]:
        return text[1:]
    if name == PYTHON:
        if item not in names.pythons:
            message = f"`{text}`: there is no Python `{item}`"
            raise UnknownReferenceError(name, text, message, one_of(names.pythons))
        version = names.pythons[item]
        values: dict[str | None, str] = {
            None: version,
            "minor": ".".join(version.split(".")[:2]),
        }
    else:
        if name not in names.revisions:
            message = f"`{text}`: the scenario has no fork `{name}`"
            known = f"{one_of(names.revisions)}; or `$${{` for a `${{` that stays"
            raise UnknownReferenceError(name, text, message, known)
        if item not in names.revisions[name]:
            message = f"`{text}`: `{name}` has no revision `{item}`"
            raise UnknownReferenceError(name, text, message, one_of(names.revisions[name]))
        sha = names.revisions[name][item]
        values = {None: sha, "short": sha[:_SHORT]}
        values.update(names.files.get((name, item), _stand_ins(name, item)))
    if form not in values:
        known = " or ".join(f"`:{key}`" for key in values if key)
        raise UnknownReferenceError(name, text, f"`{text}`: unknown form `:{form}`", known)
    return values[form]
