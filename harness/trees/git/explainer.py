"""Reports what differs in git repositories by what these are, not by how they are stored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from harness.trees.difference import Difference, DifferenceKind, Place, Side
from harness.trees.explainer import LARGEST, Explanation, Note, Rule, TreePair
from harness.trees.git.difference import RepositoryDifference, repository_difference
from harness.trees.git.git_folder import GitFolder, Repositories

GIT_STORE: Final = Rule(name="git-store")
"""How a repository stores and logs its history: packs, logs, the times in its index. What it is,
and whether all that its HEAD reaches is there, is compared (`harness.trees.git`)."""

GIT_HISTORY: Final = Rule(name="git-history", note="names commits otherwise than in a clean build")
"""What a repository calls its commits, and how far back it has them: its branches and tags, and
whether HEAD is on a branch. Any two clones of one repository may differ in it."""

_LARGEST_PACK: Final = 256 * 1024 * 1024
_ABOUT: Final = {
    DifferenceKind.LEFTOVER,
    DifferenceKind.MISSING,
    DifferenceKind.CONTENT,
    DifferenceKind.TYPE,
}


class GitExplainer:
    """Knows git repositories: checkouts, bare ones, and those of submodules."""

    rules = (GIT_STORE, GIT_HISTORY)
    headed = ()

    def largest(self, path: str) -> int:
        """Packs may be larger than other files."""
        return _LARGEST_PACK if "/objects/pack/" in path else LARGEST

    def is_derived(self, path: str) -> bool:  # noqa: ARG002
        """Nothing: what differs in a repository is reported at the path that people look at."""
        return False

    def explain(self, differences: Sequence[Difference], trees: TreePair) -> Explanation:
        """Compares each repository that both trees have and in which something differs."""
        repositories = Repositories(trees.cached, trees.clean)
        differing: dict[str, dict[str, Difference]] = {}
        for one in differences:
            if one.kind in _ABOUT and (path := repositories.of(one.path)):
                differing.setdefault(path, {})[one.path[len(path) + 1 :]] = one
        if not differing:
            return Explanation()
        names = {side: repositories.names(trees.manifest(side), differing) for side in Side}
        explained: dict[Place, frozenset[Rule]] = {}
        found: dict[Place, Difference] = {}
        notes = []
        for path, inside in differing.items():
            cached, clean = (self._folder(path, trees, side, names[side][path]) for side in Side)
            shown = repository_difference(cached, clean, inside)
            found |= {one.place: one for one in _meanings(shown, cached, clean, inside)}
            for rule, paths in ((GIT_HISTORY, shown.named), (GIT_STORE, shown.stored)):
                explained |= {inside[each].place: frozenset({rule}) for each in paths}
            if shown.facts:
                notes.append(_note(path, shown))
        return Explanation(
            explained={place: rules for place, rules in explained.items() if place not in found},
            found=tuple(found.values()),
            notes=tuple(notes),
        )

    def _folder(self, path: str, trees: TreePair, side: Side, names: set[str]) -> GitFolder:
        return GitFolder(
            path=path,
            manifest=trees.manifest(side),
            read=partial(trees.read, side),
            largest=self.largest,
            names=frozenset(names),
        )


def _meanings(
    shown: RepositoryDifference,
    cached: GitFolder,
    clean: GitFolder,
    inside: Mapping[str, Difference],
) -> Iterator[Difference]:
    """What two repositories do not have in common, each at the path that shows it best."""
    for each in shown.meanings:
        if each.inside in inside:
            yield replace(inside[each.inside], why=each.why)
        else:
            yield Difference(
                kind=DifferenceKind.CONTENT,
                path=f"{cached.path}/{each.inside}",
                cached=cached.entry(each.inside),
                clean=clean.entry(each.inside),
                why=each.why,
            )


def _note(path: str, shown: RepositoryDifference) -> Note:
    """One for all that two repositories name otherwise."""
    named = tuple(sorted(f"{path}/{each}" for each in shown.named)) or (path,)
    why = f"{GIT_HISTORY.note}: {'; '.join(shown.facts)}"
    return Note(rule=GIT_HISTORY.name, why=why, paths=named)
