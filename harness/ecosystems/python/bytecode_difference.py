"""Where Python would not use the compiled files of two trees alike."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from harness.ecosystems.python.bytecode_use import (
    Contents,
    Use,
    compiled_files,
    followed,
    named_time,
    source_of,
    use,
)
from harness.ecosystems.python.rules import PYC_CLEAN, PYC_OWN
from harness.trees.difference import Difference, DifferenceKind, Side
from harness.trees.explainer import Rule, TreePair

_OUTDATED: Final = (
    "Python compiles it again in each process: it names another time or size of its source;"
    " in a clean build it is used"
)
_OUTDATED_TOGETHER: Final = (
    "compiled files: Python compiles them again in each process: they name another time or size of"
    " their sources; in a clean build they are used"
)
_UNCHECKED: Final = "Python uses it unchecked, and it was compiled from another source"
_OTHERWISE: Final = "Python does not use it as in a clean build"
_OTHER_SOURCE: Final = (
    "Python uses it, and it holds other code than the source beside it, which is that of a clean"
    " build"
)


class BytecodeUse:
    """Which compiled files of two trees their interpreter would use."""

    def __init__(self, trees: TreePair) -> None:
        """Takes the trees."""
        self._trees = trees
        self._contents = {
            side: Contents(head=partial(trees.head, side), read=partial(trees.read, side))
            for side in Side
        }

    def differences(self) -> Iterator[tuple[Difference, Rule | None]]:
        """Where both trees have a compiled file, and Python does not do the same with both.

        Each with the rule by which it is not a fault, where there is one.

        Raises:
            ManifestError: A tree cannot be read any more.
        """
        cached, clean = self._trees.cached, self._trees.clean
        both = set(compiled_files(clean))
        for path in compiled_files(cached):
            if path not in both or self._alike(path):
                continue
            ours, theirs = self._use(Side.CACHED, path), self._use(Side.CLEAN, path)
            # That a source is there on one side only is reported separately.
            if ours is theirs or Use.UNUSED in {ours, theirs}:
                continue
            found = Difference(
                kind=DifferenceKind.BYTECODE,
                path=path,
                cached=cached.entries.get(path),
                clean=clean.entries.get(path),
                why=_OTHERWISE,
            )
            match ours:
                case Use.OUTDATED:
                    own = PYC_OWN if self._is_own(path) else None
                    yield replace(found, why=_OUTDATED, together=_OUTDATED_TOGETHER), own
                case Use.WRONG:
                    yield replace(found, why=_UNCHECKED), None
                case _:
                    yield found, PYC_CLEAN

    def other_source(self, one: Difference) -> Difference | None:
        """The difference, better described, where compiled code is used that is not its source's.

        Args:
            one: Files whose contents differ in more than a rule explains.

        Raises:
            ManifestError: A tree cannot be read any more.
        """
        source = source_of(one.path)
        if not source:
            return None
        ours, theirs = (
            tree.entries.get(source) for tree in (self._trees.cached, self._trees.clean)
        )
        # Where the sources differ as well, that says enough.
        if ours is None or ours != theirs or self._use(Side.CACHED, one.path) is not Use.USED:
            return None
        return replace(one, why=_OTHER_SOURCE)

    def _is_own(self, path: str) -> bool:
        """Whether the cached build compiled a file, and wrote its source, itself."""
        if self._trees.began is None:
            return False
        tree = self._trees.cached
        named = named_time(self._contents[Side.CACHED].head(followed(path, tree)))
        written = tree.times.get(followed(source_of(path), tree))
        return None not in {named, written} and min(named or 0, written or 0) > self._trees.began

    def _alike(self, path: str) -> bool:
        """Whether two compiled files and their sources have the same content and times."""
        return self._facts(Side.CACHED, path) == self._facts(Side.CLEAN, path)

    def _facts(self, side: Side, path: str) -> object:
        tree = self._trees.manifest(side)
        file, source = followed(path, tree), followed(source_of(path), tree)
        beside = tree.entries.get(source_of(path)), tree.entries.get(source)
        return tree.entries.get(file), beside, tree.times.get(source)

    def _use(self, side: Side, path: str) -> Use:
        return use(path, self._trees.manifest(side), self._contents[side])
