"""Compares the trees of a cached and a clean build, with whoever knows what their files are."""

import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from harness.trees.difference import Difference, DifferenceKind, Place, differences, leaves
from harness.trees.explainer import Explainer, Explanation, Note, Rule, TreePair
from harness.trees.manifest import HERE
from harness.trees.named import shown
from harness.verdicts.divergence import Divergence, DivergenceKind, SetAside

_KINDS: Final = {kind: DivergenceKind(kind.value) for kind in DifferenceKind}
_ORDER: Final = attrgetter("tree", "path", "kind")
_WHOLE: Final = {DivergenceKind.LEFTOVER, DivergenceKind.MISSING, DivergenceKind.TYPE}
"""The kinds that are about all that is at a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What comparing two trees showed.

    Attributes:
        divergences: Where they differ, sorted by tree, path and kind.
        notes: Where they differ in a way that is not a fault, by rule.
        set_aside: What was not counted as a divergence, by rule; a path may count under several.
        compared: How many paths other than directories there are in either tree; 0 proves nothing.
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
            sorted(_divergences((*standing, *found.values()), trees.name, explainers), key=_ORDER)
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
    """The differences that some explainer explains, and that none of them finds to stand."""
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


def _divergences(
    found: Iterable[Difference], tree: str, explainers: Iterable[Explainer]
) -> Iterator[Divergence]:
    asked = [explainer.is_derived for explainer in explainers]
    for one in found:
        yield Divergence(
            kind=_KINDS[one.kind],
            tree=tree,
            path=one.path,
            cached=one.cached,
            clean=one.clean,
            why=one.why,
            together=one.together,
            derived=_any(asked, one.path),
        )


def _any(asked: Iterable[Callable[[str], bool]], path: str) -> bool:
    # A tree that lacks a folder has thousands of divergences: a generator takes twice as long.
    for is_so in asked:  # noqa: SIM110
        if is_so(path):
            return True
    return False


def merged(found: Mapping[str, Comparison], explainers: Iterable[Explainer]) -> Comparison:
    """What comparing several trees showed together.

    Args:
        found: What comparing each showed, by the tree's name.
        explainers: Whoever explained them, in the order in which reports name their rules.
    """
    counts: Counter[str] = Counter()
    paths: dict[tuple[str, str], list[str]] = {}
    for tree, one in found.items():
        for aside in one.set_aside:
            counts[aside.rule] += aside.count
        for note in one.notes:
            of_note = paths.setdefault((note.rule, note.why), [])
            of_note += [shown(tree, path) for path in note.paths]
    rules = [rule.name for explainer in explainers for rule in explainer.rules]
    in_order = sorted(paths.items(), key=lambda one: rules.index(one[0][0]))
    return Comparison(
        divergences=tuple(each for one in found.values() for each in one.divergences),
        notes=tuple(
            Note(rule=rule, why=why, paths=tuple(of_note)) for (rule, why), of_note in in_order
        ),
        set_aside=tuple(SetAside(rule=rule, count=counts[rule]) for rule in rules if counts[rule]),
        compared=sum(one.compared for one in found.values()),
    )


def gather(divergences: Iterable[Divergence]) -> tuple[Divergence, ...]:
    """The divergences, in which those are one that share a reason.

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
    return tuple(sorted(rest, key=_ORDER))


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
