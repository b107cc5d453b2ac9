"""What a buildpack is known to do wrong: a list that people review, held against each run."""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar

import tomli_w
from pydantic import ConfigDict, Field

from harness.errors import InputError
from harness.scenarios.document import Document, check, faults, read_document, shape
from harness.scenarios.edits import STRICT
from harness.trees.manifest import escape
from harness.trees.named import shown
from harness.verdicts.divergence import Divergence, DivergenceKind
from harness.verdicts.result import Known, Result, Run, Step, Verdict

_BELOW = "/**"
_PATHLESS = {
    DivergenceKind.OUTCOME: "both builds end alike now",
    DivergenceKind.RELEASE: "both builds tell the platform the same now",
}
_KINDS = tuple(kind for kind in DivergenceKind if kind not in _PATHLESS)

Patterns = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one commit of a scenario is known to show."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    scenario: Annotated[str, Field(min_length=1, description="The scenario's name.")]
    commit: Annotated[int, Field(ge=1, description="Its commit, counted from 1.")]
    reason: Annotated[str, Field(min_length=1, description="Why the buildpack does so.")]
    link: Annotated[
        str, Field(pattern=r"^https?://\S+$", description="Where it is reported or explained.")
    ]
    leftover: Annotated[Patterns, Field(description="Paths that only the cached build has.")] = ()
    missing: Annotated[Patterns, Field(description="Paths that only the clean build has.")] = ()
    content: Annotated[Patterns, Field(description="Paths whose contents differ.")] = ()
    mode: Annotated[Patterns, Field(description="Paths whose modes differ.")] = ()
    type: Annotated[Patterns, Field(description="Paths whose types differ.")] = ()
    target: Annotated[Patterns, Field(description="Links that point to different places.")] = ()
    attributes: Annotated[
        Patterns, Field(description="Paths whose extended attributes differ.")
    ] = ()
    bytecode: Annotated[
        Patterns,
        Field(description="Compiled files, or the folder of several, that Python would not use."),
    ] = ()
    run: Annotated[
        Patterns, Field(description="Commands that do different things in the two builds' apps.")
    ] = ()
    release: Annotated[
        bool,
        Field(description="The two builds tell the platform different things, by `bin/release`."),
    ] = False
    outcome: Annotated[bool, Field(description="One of the two builds fails.")] = False
    unmet: Annotated[Patterns, Field(description="Expectations of the scenario that fail.")] = ()
    fails: Annotated[
        bool, Field(description="Both builds fail, as where a buildpack refuses the app.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTable:
    """The list of what a buildpack is known to do wrong."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    buildpack: Annotated[
        str,
        Field(description="The buildpack, or what follows its `@`; by default, any of the run."),
    ] = ""
    known: Annotated[tuple[Entry, ...], Field(description="What is known, by commit.")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """A list, and the file that it is in."""

    table: KnownTable
    document: Document = field(repr=False)

    def is_about(self, buildpack: str) -> bool:
        """Whether the list is of a buildpack, as the operator named it."""
        return self.table.buildpack in {"", buildpack, buildpack.rpartition("@")[2]}


_SHAPE = shape(KnownTable)


def load_known(file: Path) -> KnownFile:
    """Reads a list.

    Raises:
        InputError: Every fault of the file, each with its line.
    """
    document = read_document(file)
    table = check(document, _SHAPE, document.data)
    if table is None:
        raise InputError(tuple(faults(document, _SHAPE, document.data)))
    return KnownFile(table=table, document=document)


def with_known(run: Run, files: Sequence[KnownFile]) -> Run:
    """The run with what is known told apart from its findings.

    The lists are strict: what they say and a run does not show is a finding of its own. Scenarios
    that were not run, or could not be judged, are passed over.
    """
    return replace(run, results=tuple(_with_known(result, files) for result in run.results))


def all_known(
    divergences: Iterable[Divergence],
    files: Sequence[KnownFile],
    *,
    buildpack: str,
    scenario: str,
    commit: int,
) -> bool:
    """Whether lists say of a commit all that it shows.

    Args:
        divergences: What it shows.
        files: The lists.
        buildpack: The buildpack, as the operator named it.
        scenario: The scenario's name.
        commit: The commit, counted from 1.
    """
    entries = [
        entry
        for file in files
        if file.is_about(buildpack)
        for entry in file.table.known
        if (entry.scenario, entry.commit) == (scenario, commit)
    ]
    return all(any(_covers(entry, one) for entry in entries) for one in divergences)


def _with_known(result: Result, files: Sequence[KnownFile]) -> Result:
    mine = [
        (file, index, entry)
        for file in files
        if file.is_about(result.buildpack)
        for index, entry in enumerate(file.table.known)
        if entry.scenario == result.scenario
    ]
    steps = tuple(
        _split(step, [entry for _, _, entry in mine if entry.commit == number])
        for number, step in enumerate(result.steps, start=1)
    )
    stale: list[str] = []
    if not result.error and not result.missing:
        for file, index, entry in mine:
            stale += [
                str(file.document.problem(("known", index, *place), message, "it to be removed"))
                for place, message in _stale(entry, result)
            ]
    return replace(result, steps=steps, stale=tuple(stale))


def _split(step: Step, entries: Sequence[Entry]) -> Step:
    known: list[Known] = list(step.known)
    divergences: list[Divergence] = []
    unmet: list[str] = []
    for one in step.divergences:
        entry = next((entry for entry in entries if _covers(entry, one)), None)
        if entry is None:
            divergences.append(one)
        else:
            known.append(Known(divergence=one, reason=entry.reason, link=entry.link))
    for sentence in step.unmet:
        entry = next((entry for entry in entries if sentence in entry.unmet), None)
        if entry is None:
            unmet.append(sentence)
        else:
            known.append(Known(unmet=sentence, reason=entry.reason, link=entry.link))
    if step.verdict is Verdict.FAILED:
        failing = (entry for entry in entries if entry.fails)
        known += [
            Known(failed=True, reason=entry.reason, link=entry.link)
            for entry in itertools.islice(failing, 1)
        ]
    return replace(step, divergences=tuple(divergences), unmet=tuple(unmet), known=tuple(known))


def _covers(entry: Entry, one: Divergence) -> bool:
    if one.kind in _PATHLESS:
        return bool(getattr(entry, one.kind))
    return any(matches(pattern, one) for pattern in getattr(entry, one.kind))


def _stale(entry: Entry, result: Result) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What a result does not show of an entry, with the place in the entry that says it."""
    if entry.commit > len(result.steps):
        yield ("commit",), f"`{result.scenario}` has no commit {entry.commit}"
        return
    step = result.steps[entry.commit - 1]
    where = f"commit {entry.commit} of `{result.scenario}`"
    for kind in _KINDS:
        differing = [one for one in step.divergences if one.kind is kind]
        for index, pattern in enumerate(getattr(entry, kind)):
            if not any(matches(pattern, one) for one in differing):
                yield (kind.value, index), f"{where} no longer has {kind} {pattern}"
    kinds = {one.kind for one in step.divergences}
    for kind, said in _PATHLESS.items():
        if getattr(entry, kind) and kind not in kinds:
            yield (kind.value,), f"in {where} {said}"
    for index, sentence in enumerate(entry.unmet):
        if sentence not in step.unmet:
            yield ("unmet", index), f"{where} meets what it did not: {sentence}"
    if entry.fails and step.verdict is not Verdict.FAILED:
        yield ("fails",), f"the builds of {where} no longer fail"


def matches(pattern: str, one: Divergence) -> bool:
    """Whether a pattern covers a path: `*` is any run within one part, `/**` at the end all below.

    Args:
        pattern: As in the list: a path as reports show it, with unprintable characters escaped,
            and with the tree's name before it unless that is the app's.
        one: Where two trees differ.
    """
    whole, below = pattern.removesuffix(_BELOW), pattern.endswith(_BELOW)
    parts = (re.escape(part).replace(r"\*", "[^/]*") for part in whole.split("/"))
    return bool(re.fullmatch("/".join(parts) + ("(?:/.*)?" if below else ""), _shown(one)))


def _shown(one: Divergence) -> str:
    return shown(one.tree, escape(one.path))


def written(run: Run, before: Sequence[KnownFile] = ()) -> str:
    """The list of all that a run shows, as TOML text.

    Args:
        run: The run, whether or not held against a list.
        before: Lists whose reasons and links are taken over. Others are for people to fill in:
            what is empty is not read again.
    """
    told = {(entry.scenario, entry.commit): entry for file in before for entry in file.table.known}
    entries = [
        _entry(result, number, step, told.get((result.scenario, number)))
        for result in run.results
        for number, step in enumerate(result.steps, start=1)
        if step.divergences or step.unmet or step.known or step.verdict is Verdict.FAILED
    ]
    buildpack = next((file.table.buildpack for file in before if file.table.buildpack), "")
    head = {"buildpack": buildpack} if buildpack else {}
    return tomli_w.dumps({**head, "known": entries})


def _entry(result: Result, number: int, step: Step, before: Entry | None) -> dict[str, object]:
    divergences = [*step.divergences, *(one.divergence for one in step.known if one.divergence)]
    unmet = [*step.unmet, *(one.unmet for one in step.known if one.unmet)]
    row: dict[str, object] = {
        "scenario": result.scenario,
        "commit": number,
        "reason": before.reason if before else "; ".join(step.findings),
        "link": before.link if before else "",
    }
    for kind in _KINDS:
        keys = sorted(_shown(one) for one in divergences if one.kind is kind)
        if keys:
            row[kind.value] = list(_folded(keys) if kind in _ONE_SIDED else keys)
    for kind in _PATHLESS:
        if any(one.kind is kind for one in divergences):
            row[kind.value] = True
    if unmet:
        row["unmet"] = unmet
    if step.verdict is Verdict.FAILED:
        row["fails"] = True
    return row


_ONE_SIDED = (DivergenceKind.LEFTOVER, DivergenceKind.MISSING)


def _folded(keys: Iterable[str]) -> Iterator[str]:
    """A folder that is there on one side only stands for all that is in it."""
    keys = list(keys)
    folders = {key for key in keys if any(other.startswith(f"{key}/") for other in keys)}
    for key in keys:
        parts = key.split("/")
        if not any("/".join(parts[:end]) in folders for end in range(1, len(parts))):
            yield key + (_BELOW if key in folders else "")
