"""Compares the manifests of a cached and a clean build."""

import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from rich.filesize import decimal

from harness.trees.difference import Difference, Place, differences, leaves
from harness.trees.explainer import Explainer, Explanation, Note, Rule, TreePair
from harness.trees.manifest import ALGORITHM, HERE, Entry, EntryKind, escape
from harness.trees.named import shown

_DIGEST_SHOWN = 8
_LONGEST_SHOWN = 300


class DivergenceKind(StrEnum):
    """In what way two builds differ: their trees at one path, or the builds themselves.

    The kinds of differences between trees are those of `harness.trees.difference`. Besides, builds
    may tell the platform other things (`release`), or one of them may fail (`outcome`).
    """

    LEFTOVER = "leftover"
    MISSING = "missing"
    CONTENT = "content"
    MODE = "mode"
    TYPE = "type"
    TARGET = "target"
    ATTRIBUTES = "attributes"
    BYTECODE = "bytecode"
    RELEASE = "release"
    OUTCOME = "outcome"


_WHOLE = {DivergenceKind.LEFTOVER, DivergenceKind.MISSING, DivergenceKind.TYPE}
"""The kinds that are about all that is at a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """One path where the two builds differ in one way.

    A path whose content and mode both differ has two. Where a whole folder is left over, so is
    every path in it.

    Attributes:
        kind: In what way.
        tree: The name of the result tree; empty where there is no path.
        path: The path, relative to the tree, as in a manifest. Empty for an outcome and for what
            the platform is told.
        cached: What the cached tree has there.
        clean: What the clean tree has there.
        distribution: The package that owns the path, as `name version`, where one does.
        origin: The earlier commit whose content the cached tree still holds, where one is known.
        why: The difference in words.
        together: What is said of several for which it is the same, after their number; else empty.
        derived: Whether a tool made the file from others, so that people look at it last.
        paths: Where it stands for several paths alike: all of them, as `path` is the folder that
            holds them.
    """

    kind: DivergenceKind
    tree: str = ""
    path: str = ""
    cached: Entry | None = None
    clean: Entry | None = None
    distribution: str | None = None
    origin: str | None = None
    why: str
    together: str = ""
    derived: bool = False
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """How many differing paths a rule, by its name, explains, which are no divergences for it."""

    rule: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What comparing two trees showed.

    Attributes:
        divergences: Where they differ, sorted by tree, path and kind.
        notes: Where they differ in a way that is no fault, by rule.
        set_aside: What was not counted as a divergence, by rule; a path may count under several.
        compared: How many paths other than directories there are in either tree; 0 is no agreement.
    """

    divergences: tuple[Divergence, ...]
    notes: tuple[Note, ...] = ()
    set_aside: tuple[SetAside, ...]
    compared: int


def compare(trees: TreePair, explainers: Sequence[Explainer] = ()) -> Comparison:
    """Lists where two trees differ.

    Args:
        trees: The trees.
        explainers: Whoever knows what their files are; each is asked of all differences, as what is
            installed nowhere may still lie in a tree. Reports name rules in this order. Without any
            nothing is set aside.

    Raises:
        ManifestError: A tree cannot be read any more.
    """
    plain = differences(trees.cached, trees.clean)
    explanations = [(each, each.explain(plain, trees)) for each in explainers]
    found: dict[Place, Difference] = {}
    for _, said in explanations:
        for one in said.found:
            found.setdefault(one.place, one)
    explained = _explained((said for _, said in explanations), found)
    standing = [one for one in plain if one.place not in found and one.place not in explained]
    return Comparison(
        divergences=tuple(
            sorted(
                (_divergence(one, explainers) for one in (*standing, *found.values())),
                key=lambda one: (one.tree, one.path, one.kind),
            )
        ),
        notes=tuple(
            note for each, said in explanations for note in _notes(each.rules, said, explained)
        ),
        set_aside=tuple(_set_aside(explainers, explained)),
        compared=leaves(trees.cached, plain),
    )


def _explained(
    explanations: Iterable[Explanation], found: Mapping[Place, Difference]
) -> dict[Place, frozenset[Rule]]:
    """The differences that some explainer explains, and that none says to stand."""
    explained: dict[Place, frozenset[Rule]] = {}
    for said in explanations:
        for place, rules in said.explained.items():
            if place not in found:
                explained[place] = explained.get(place, frozenset()) | rules
    return explained


def _notes(
    rules: Iterable[Rule], said: Explanation, explained: Mapping[Place, frozenset[Rule]]
) -> Iterator[Note]:
    """What is noted of the paths that one explainer explains, in the order of its rules."""
    for rule in rules:
        own = [note for note in said.notes if note.rule == rule.name]
        yield from own
        if rule.note and not own:
            paths = sorted(path for (path, _), by in explained.items() if rule in by)
            if paths:
                yield Note(rule=rule.name, why=rule.note, paths=tuple(paths))


def _set_aside(
    explainers: Iterable[Explainer], explained: Mapping[Place, frozenset[Rule]]
) -> Iterator[SetAside]:
    """How many differences are only counted, by rule; one that is noted is not counted as well."""
    counts: Counter[Rule] = Counter()
    for rules in explained.values():
        if not any(rule.note for rule in rules):
            counts.update(rules)
    for explainer in explainers:
        for rule in explainer.rules:
            if counts[rule]:
                yield SetAside(rule=rule.name, count=counts[rule])


def _divergence(one: Difference, explainers: Iterable[Explainer]) -> Divergence:
    return Divergence(
        kind=DivergenceKind(one.kind.value),
        path=one.path,
        cached=one.cached,
        clean=one.clean,
        why=one.why,
        together=one.together,
        derived=any(explainer.is_derived(one.path) for explainer in explainers),
    )


def merged(found: Mapping[str, Comparison]) -> Comparison:
    """What comparing several trees showed, each path with its tree's name.

    Args:
        found: What comparing each showed, by the tree's name.
    """
    counts: Counter[str] = Counter()
    notes: dict[tuple[str, str], list[str]] = {}
    for tree, one in found.items():
        for aside in one.set_aside:
            counts[aside.rule] += aside.count
        for note in one.notes:
            paths = notes.setdefault((note.rule, note.why), [])
            paths += [shown(tree, path) for path in note.paths]
    return Comparison(
        divergences=tuple(
            replace(each, tree=tree) for tree, one in found.items() for each in one.divergences
        ),
        notes=tuple(
            Note(rule=rule, why=why, paths=tuple(paths)) for (rule, why), paths in notes.items()
        ),
        set_aside=tuple(SetAside(rule=rule, count=count) for rule, count in counts.items()),
        compared=sum(one.compared for one in found.values()),
    )


def gather(divergences: Iterable[Divergence]) -> tuple[Divergence, ...]:
    """The divergences, in which those are one of which the same is said together.

    A cache that loses its files' times makes hundreds of compiled files outdated at once, all for
    one reason.
    """
    rest: list[Divergence] = []
    together: dict[tuple[str, DivergenceKind, str], list[Divergence]] = {}
    for one in divergences:
        if one.together:
            together.setdefault((one.tree, one.kind, one.together), []).append(one)
        else:
            rest.append(one)
    for (tree, kind, said), alike in together.items():
        if len(alike) == 1:
            rest += alike
            continue
        folder = posixpath.commonpath([posixpath.dirname(one.path) for one in alike])
        rest.append(
            Divergence(
                kind=kind,
                tree=tree,
                path=folder or HERE,
                why=f"{len(alike)} {said}",
                paths=tuple(one.path for one in alike),
            )
        )
    return tuple(sorted(rest, key=lambda one: (one.tree, one.path, one.kind)))


def split_noise(
    divergences: Iterable[Divergence], noise: Iterable[Divergence]
) -> tuple[tuple[Divergence, ...], tuple[Divergence, ...]]:
    """Parts what the cache may be blamed for from what it may not.

    Args:
        divergences: Where a cached and a clean tree differ.
        noise: Where that clean tree and a second clean one differ.

    Returns:
        Divergences in which the two clean trees agree, by path and kind, and those in which they
        do not.
    """
    unstable: dict[tuple[str, str], set[DivergenceKind]] = {}
    for one in noise:
        unstable.setdefault((one.tree, one.path), set()).add(one.kind)
    real: list[Divergence] = []
    doubtful: list[Divergence] = []
    for one in divergences:
        kinds = unstable.get((one.tree, one.path), set())
        # What is now there and now not, or now this and now that, tells nothing of its content.
        (doubtful if one.kind in kinds or kinds & _WHOLE else real).append(one)
    return tuple(real), tuple(doubtful)


def outcome(why: str) -> Divergence:
    """The divergence of two builds of which one passed and the other failed, in words."""
    return Divergence(kind=DivergenceKind.OUTCOME, why=why)


def release(cached: str, clean: str) -> Divergence:
    """The divergence of what two builds told the platform: its add-ons, process types and such."""
    ours, theirs = (escape(told.strip())[:_LONGEST_SHOWN] or "nothing" for told in (cached, clean))
    why = f"the platform is told otherwise: by the cached build {ours}, by the clean build {theirs}"
    return Divergence(kind=DivergenceKind.RELEASE, why=why)


def facts(entry: Entry | None) -> str:
    """An entry in a few words: `1.2 kB blake3:ab12cd34 0644`; sizes are in units of 1000 bytes."""
    if entry is None:
        return "absent"
    mode = f"{entry.mode:04o}" + "".join(f" {name}" for name, _ in entry.attributes)
    match entry.kind:
        case EntryKind.FILE:
            return f"{decimal(entry.size)} {ALGORITHM}:{entry.digest[:_DIGEST_SHOWN]} {mode}"
        case EntryKind.SYMLINK:
            return f"-> {escape(entry.target)}"
        case EntryKind.CHARACTER_DEVICE | EntryKind.BLOCK_DEVICE:
            major, minor = entry.device
            return f"{entry.kind} device {major}:{minor} {mode}"
        case _:
            return f"{entry.kind} {mode}"
