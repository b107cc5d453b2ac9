"""Compares the manifests of a cached and a clean build."""

import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
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
from harness.ecosystems.python.rules import (
    LARGEST,
    NOTED,
    BuildPaths,
    Rule,
    content_rules,
    is_record,
    largest,
    record_rules,
)
from harness.trees.git.difference import Difference, difference
from harness.trees.git.git_folder import GitFolder, Repositories
from harness.trees.manifest import (
    ALGORITHM,
    HERE,
    Entry,
    EntryKind,
    Manifest,
    content_digest,
    escape,
)

_DIGEST_SHOWN = 8
_LONGEST_SHOWN = 300
_UNITS = ("B", "kB", "MB", "GB", "TB")


class Side(StrEnum):
    """Which of the two trees."""

    CACHED = "cached"
    CLEAN = "clean"


class DivergenceKind(StrEnum):
    """In what way two trees differ at one path."""

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


_WHY: Final = {
    DivergenceKind.LEFTOVER: "a clean build has nothing here",
    DivergenceKind.MISSING: "a clean build has this",
    DivergenceKind.CONTENT: "the contents differ",
    DivergenceKind.MODE: "the modes differ",
    DivergenceKind.TYPE: "they are not of one kind",
    DivergenceKind.TARGET: "the links point to different places",
    DivergenceKind.ATTRIBUTES: "the extended attributes differ",
    DivergenceKind.BYTECODE: "Python does not use it as in a clean build",
}

_WHOLE: Final = {DivergenceKind.LEFTOVER, DivergenceKind.MISSING, DivergenceKind.TYPE}
"""The kinds that are about all that is at a path."""

_OUTDATED: Final = (
    "Python compiles it again in each process: it names another time or size of its source;"
    " in a clean build it is used"
)
_UNCHECKED: Final = "Python uses it unchecked, and it was compiled from another source"
_OTHER_SOURCE: Final = (
    "Python uses it, and it holds other code than the source beside it, which is that of a clean"
    " build"
)

_IN_REPOSITORY: Final = {
    DivergenceKind.LEFTOVER,
    DivergenceKind.MISSING,
    DivergenceKind.CONTENT,
    DivergenceKind.TYPE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """One path where the two builds differ in one way.

    A path whose content and mode both differ has two. Where a whole folder is left over, so is
    every path in it.

    Attributes:
        kind: In what way.
        root: The compared root, relative to the build dir; empty where there is no path.
        path: The path, relative to the root; `.` is the root itself. Empty for an outcome and for
            what the platform is told.
        cached: What the cached tree has there.
        clean: What the clean tree has there.
        distribution: The distribution that owns the path, as `name version`, where one does.
        origin: The earlier commit whose content the cached tree still holds, where one is known.
        why: The difference in words.
        paths: Where it stands for several paths alike: all of them, as `path` is the folder that
            holds them.
    """

    kind: DivergenceKind
    root: str = ""
    path: str = ""
    cached: Entry | None = None
    clean: Entry | None = None
    distribution: str | None = None
    origin: str | None = None
    why: str
    paths: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The path relative to the build dir, as in a manifest."""
        if self.path == HERE:
            return self.root
        return self.path if self.root in {"", HERE} else f"{self.root}/{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """How many differing paths a rule explains, which are no divergences for it."""

    rule: Rule
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Differences that are true, worth a line, and no fault by themselves.

    Attributes:
        rule: The rule that explains them.
        why: What there is to say of each path.
        paths: The paths, as in a manifest, sorted.
    """

    rule: Rule
    why: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What comparing two trees showed.

    Attributes:
        divergences: Where they differ, sorted by root, path and kind.
        notes: Where they differ in a way that is no fault, by rule.
        set_aside: What was not counted as a divergence, by rule; a path may count under several.
        compared: How many paths other than directories there are in either tree; 0 is no agreement.
    """

    divergences: tuple[Divergence, ...]
    notes: tuple[Note, ...] = ()
    set_aside: tuple[SetAside, ...]
    compared: int


Read = Callable[[Side, str], bytes]
"""Gives the content of a file of one side's tree, by its path as in the manifest, or a part."""


def compare(
    cached: Manifest,
    clean: Manifest,
    *,
    read: Read | None = None,
    head: Read | None = None,
    build_paths: BuildPaths | None = None,
    began: float | None = None,
) -> Comparison:
    """Lists where two trees differ.

    Args:
        cached: The tree of the build that was given a cache.
        clean: The tree of the build that was given none.
        read: Gives the content of a file whose digests differ. Without it nothing is set aside,
            and which compiled files Python would use is not looked at.
        head: Gives the first 16 bytes of a compiled file, where that is cheaper than to read it.
        build_paths: The build dirs that the two sides may name, only where these differ.
        began: When the cached build began, in seconds since the epoch, where that is known.

    Raises:
        ManifestError: `read` raised it: a tree cannot be read any more.
    """
    found = _differences(cached, clean)
    explained: _Explained = {}
    notes: list[Note] = []
    if read is not None:
        trees = {Side.CACHED: cached, Side.CLEAN: clean}
        found, explained, notes = _in_repositories(found, trees, read)
        used = _Uses(trees, read, head or read, began)
        explained |= _explain(found, read, build_paths)
        found = [
            replace(one, why=_OTHER_SOURCE)
            if _place(one) not in explained and used.other_source(one)
            else one
            for one in found
        ]
        for one, rule in used.differences():
            found.append(one)
            if rule is not None:
                explained[_place(one)] = frozenset({rule})
    noted: dict[Rule, list[str]] = {}
    counts: Counter[Rule] = Counter()
    for (path, _), rules in explained.items():
        if notable := rules & NOTED.keys():
            for rule in notable - {Rule.GIT_HISTORY}:
                noted.setdefault(rule, []).append(path)
        else:
            counts.update(rules)
    return Comparison(
        divergences=tuple(
            sorted(
                (one for one in found if _place(one) not in explained),
                key=lambda one: (one.root, one.path, one.kind),
            )
        ),
        notes=(
            *(
                Note(rule=rule, why=why, paths=tuple(sorted(noted[rule])))
                for rule, why in NOTED.items()
                if rule in noted
            ),
            *notes,
        ),
        set_aside=tuple(SetAside(rule=rule, count=counts[rule]) for rule in Rule if counts[rule]),
        compared=_compared(cached, found),
    )


def gather(divergences: Iterable[Divergence]) -> tuple[Divergence, ...]:
    """The divergences, in which compiled files that Python would not use are one.

    A cache that loses its files' times makes hundreds of them outdated at once, all for one reason.
    """
    rest: list[Divergence] = []
    outdated: dict[str, list[Divergence]] = {}
    for one in divergences:
        if one.kind is DivergenceKind.BYTECODE and one.why == _OUTDATED:
            outdated.setdefault(one.root, []).append(one)
        else:
            rest.append(one)
    for root, alike in outdated.items():
        if len(alike) == 1:
            rest += alike
            continue
        paths = tuple(one.path for one in alike)
        folder = posixpath.commonpath([posixpath.dirname(path) for path in paths])
        why = _OUTDATED.replace("it names", "they name").replace("it is", "they are")
        why = f"{len(paths)} compiled files: " + why.replace("compiles it", "compiles them")
        rest.append(
            Divergence(
                kind=DivergenceKind.BYTECODE,
                root=root,
                path=folder or HERE,
                why=why.replace("of its source", "of their sources"),
                paths=tuple(one.key for one in alike),
            )
        )
    return tuple(sorted(rest, key=lambda one: (one.root, one.path, one.kind)))


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
    unstable: dict[str, set[DivergenceKind]] = {}
    for one in noise:
        unstable.setdefault(one.key, set()).add(one.kind)
    real: list[Divergence] = []
    doubtful: list[Divergence] = []
    for one in divergences:
        kinds = unstable.get(one.key, set())
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
            return f"{_size(entry.size)} {ALGORITHM}:{entry.digest[:_DIGEST_SHOWN]} {mode}"
        case EntryKind.SYMLINK:
            return f"-> {escape(entry.target)}"
        case EntryKind.CHARACTER_DEVICE | EntryKind.BLOCK_DEVICE:
            major, minor = entry.device
            return f"{entry.kind} device {major}:{minor} {mode}"
        case _:
            return f"{entry.kind} {mode}"


def _differences(cached: Manifest, clean: Manifest) -> list[Divergence]:
    found: list[Divergence] = []
    theirs_at = clean.entries.get
    for path, ours in cached.entries.items():
        theirs = theirs_at(path)
        if ours == theirs:
            continue
        if theirs is None:
            found.append(_divergence(DivergenceKind.LEFTOVER, cached, path, ours, None))
        else:
            found += [_divergence(kind, clean, path, ours, theirs) for kind in _kinds(ours, theirs)]
    found += [
        _divergence(DivergenceKind.MISSING, clean, path, None, clean.entries[path])
        for path in clean.entries.keys() - cached.entries.keys()
    ]
    return found


def _kinds(ours: Entry, theirs: Entry) -> Iterator[DivergenceKind]:
    if ours.kind is not theirs.kind:
        yield DivergenceKind.TYPE
        return
    if (ours.digest, ours.size, ours.device) != (theirs.digest, theirs.size, theirs.device):
        yield DivergenceKind.CONTENT
    if ours.mode != theirs.mode:
        yield DivergenceKind.MODE
    if ours.target != theirs.target:
        yield DivergenceKind.TARGET
    if ours.attributes != theirs.attributes:
        yield DivergenceKind.ATTRIBUTES


def _divergence(
    kind: DivergenceKind, side: Manifest, path: str, cached: Entry | None, clean: Entry | None
) -> Divergence:
    root, inside = side.split(path)
    return Divergence(kind=kind, root=root, path=inside, cached=cached, clean=clean, why=_WHY[kind])


def _place(divergence: Divergence) -> tuple[str, DivergenceKind]:
    return divergence.key, divergence.kind


class _Uses:
    """Which compiled files of the two trees their interpreter would use."""

    def __init__(
        self, trees: Mapping[Side, Manifest], read: Read, head: Read, began: float | None
    ) -> None:
        self._trees = trees
        self._began = began
        self._contents = {
            side: Contents(head=partial(head, side), read=partial(read, side)) for side in Side
        }

    def differences(self) -> Iterator[tuple[Divergence, Rule | None]]:
        """Where both trees have a compiled file, and Python does not do the same with both.

        Each with the rule by which it is no fault, where there is one.
        """
        cached, clean = self._trees[Side.CACHED], self._trees[Side.CLEAN]
        both = set(compiled_files(clean))
        for path in compiled_files(cached):
            if path not in both or self._alike(path):
                continue
            ours, theirs = self._use(Side.CACHED, path), self._use(Side.CLEAN, path)
            # That a source is there on one side only is told by itself.
            if ours is theirs or Use.UNUSED in {ours, theirs}:
                continue
            mine, other = cached.entries.get(path), clean.entries.get(path)
            found = _divergence(DivergenceKind.BYTECODE, clean, path, mine, other)
            match ours:
                case Use.OUTDATED:
                    own = Rule.PYC_OWN if self._is_own(path) else None
                    yield replace(found, why=_OUTDATED), own
                case Use.WRONG:
                    yield replace(found, why=_UNCHECKED), None
                case _:
                    yield found, Rule.PYC_CLEAN

    def _is_own(self, path: str) -> bool:
        """Whether the cached build compiled a file, and wrote its source, itself."""
        if self._began is None:
            return False
        tree = self._trees[Side.CACHED]
        named = named_time(self._contents[Side.CACHED].head(followed(path, tree)))
        written = tree.times.get(followed(source_of(path), tree))
        return None not in {named, written} and min(named or 0, written or 0) > self._began

    def other_source(self, one: Divergence) -> bool:
        """Whether a compiled file with other code is used for a source that both trees have."""
        if one.kind is not DivergenceKind.CONTENT or not one.key.endswith(".pyc"):
            return False
        source = source_of(one.key)
        beside = [tree.entries.get(source) for tree in self._trees.values()]
        if None in beside or beside[0] != beside[1]:
            return False
        if not _comparable(one):
            return False
        return self._use(Side.CACHED, one.key) is Use.USED

    def _alike(self, path: str) -> bool:
        """Whether two compiled files and their sources have the same content and times."""
        return self._facts(Side.CACHED, path) == self._facts(Side.CLEAN, path)

    def _facts(self, side: Side, path: str) -> object:
        tree = self._trees[side]
        file, source = followed(path, tree), followed(source_of(path), tree)
        beside = tree.entries.get(source_of(path)), tree.entries.get(source)
        return tree.entries.get(file), beside, tree.times.get(source)

    def _use(self, side: Side, path: str) -> Use:
        return use(path, self._trees[side], self._contents[side])


_Explained = dict[tuple[str, DivergenceKind], frozenset[Rule]]


def _in_repositories(
    found: list[Divergence], trees: Mapping[Side, Manifest], read: Read
) -> tuple[list[Divergence], _Explained, list[Note]]:
    """Has what differs in git repositories told by what these are, not by how they are stored.

    Returns:
        All divergences; those of them that are explained; and a note for each repository whose
        names differ.
    """
    repositories = Repositories(*trees.values())
    differing: dict[str, dict[str, Divergence]] = {}
    for one in found:
        if one.kind in _IN_REPOSITORY and (path := repositories.of(one.key)):
            differing.setdefault(path, {})[one.key[len(path) + 1 :]] = one
    if not differing:
        return found, {}, []
    names = {side: repositories.names(tree, differing) for side, tree in trees.items()}
    explained: _Explained = {}
    notes = []
    told: dict[tuple[str, DivergenceKind], Divergence] = {}
    for path, inside in differing.items():
        cached, clean = (
            GitFolder(
                path=path,
                manifest=tree,
                read=partial(read, side),
                largest=largest,
                names=frozenset(names[side][path]),
            )
            for side, tree in trees.items()
        )
        shown = difference(cached, clean, inside)
        for one in _meanings(shown, cached, clean, inside):
            told[_place(one)] = one
        for rule, paths in ((Rule.GIT_HISTORY, shown.named), (Rule.GIT_STORE, shown.stored)):
            for each in paths:
                explained[_place(inside[each])] = frozenset({rule})
        if shown.facts:
            why = f"{NOTED[Rule.GIT_HISTORY]}: {'; '.join(shown.facts)}"
            named = tuple(sorted(f"{path}/{each}" for each in shown.named)) or (path,)
            notes.append(Note(rule=Rule.GIT_HISTORY, why=why, paths=named))
    rest = [one for one in found if _place(one) not in told]
    return (
        [*rest, *told.values()],
        {place: rules for place, rules in explained.items() if place not in told},
        notes,
    )


def _meanings(
    shown: Difference, cached: GitFolder, clean: GitFolder, inside: Mapping[str, Divergence]
) -> Iterator[Divergence]:
    """What two repositories do not have in common, each at the path that tells it best."""
    for each in shown.meanings:
        if each.inside in inside:
            yield replace(inside[each.inside], why=each.why)
        else:
            key = f"{cached.path}/{each.inside}"
            entries = cached.entry(each.inside), clean.entry(each.inside)
            one = _divergence(DivergenceKind.CONTENT, clean.manifest, key, *entries)
            yield replace(one, why=each.why)


def _explain(found: Iterable[Divergence], read: Read, build_paths: BuildPaths | None) -> _Explained:
    explained: _Explained = {}
    aside: set[str] = set()
    # RECORD files come last: they may differ in the hashes of files that were set aside.
    for one in sorted(found, key=lambda one: is_record(one.key)):
        if rules := _rules(one, read, build_paths, aside):
            explained[_place(one)] = rules
            if one.kind is DivergenceKind.CONTENT:
                aside.add(one.key)
    return explained


def _rules(
    one: Divergence, read: Read, build_paths: BuildPaths | None, aside: set[str]
) -> frozenset[Rule]:
    contents = _contents(one, read) if _comparable(one) else None
    if contents is None:
        return frozenset()
    if is_record(one.key):
        ours, theirs = (partial(read, side) for side in Side)
        return record_rules(one.key, *contents, build_paths, aside, ours=ours, theirs=theirs)
    return content_rules(one.key, *contents, build_paths)


def _comparable(one: Divergence) -> bool:
    return (
        one.kind is DivergenceKind.CONTENT
        and one.cached is not None
        and one.clean is not None
        and one.cached.kind is EntryKind.FILE
        and max(one.cached.size, one.clean.size) <= LARGEST
    )


def _contents(one: Divergence, read: Read) -> tuple[bytes, bytes] | None:
    """Both contents; None where either is no longer what was scanned."""
    contents = read(Side.CACHED, one.key), read(Side.CLEAN, one.key)
    scanned = one.cached, one.clean
    for content, entry in zip(contents, scanned, strict=True):
        if entry is None or content_digest(content) != entry.digest:
            return None
    return contents


def _compared(cached: Manifest, found: Iterable[Divergence]) -> int:
    """How many paths other than directories there are in either tree."""
    return sum(_is_leaf(entry) for entry in cached.entries.values()) + sum(
        _is_leaf(one.clean) and not _is_leaf(one.cached)
        for one in found
        if one.kind in {DivergenceKind.MISSING, DivergenceKind.TYPE}
    )


def _is_leaf(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is not EntryKind.DIRECTORY


def _size(count: int) -> str:
    shown = float(count)
    for unit in _UNITS:
        # 999.95 would be shown as 1000.0.
        if shown < 999.95 or unit == _UNITS[-1]:
            break
        shown /= 1000
    return f"{count} B" if unit == "B" else f"{shown:.1f} {unit}"
