"""How two repositories at one path differ: in what they are, in names, or only in how git stores.

What someone who uses the app could notice is told apart from what is true of any two clones of
one repository. Files that are not known to be git's own are left to be compared as files.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from harness.trees.git import refs
from harness.trees.git.config import Config, part
from harness.trees.git.git_folder import PARTS, GitFolder, UnreadableError
from harness.trees.git.index import IndexFileError, Staged
from harness.trees.git.objects import BrokenError, TooMuchError, is_loose
from harness.trees.git.reach import MISSING, files
from harness.trees.git.refs import Head
from harness.trees.git.repository import (
    Repository,
    Soundness,
    describe,
    open_objects,
    soundness,
    staged,
)
from harness.trees.manifest import EntryKind, escape, parents

_SHORT: Final = 7
_MOST_FACTS: Final = 4
_LONGEST: Final = 200

_PACKED = re.compile(
    r"objects/pack/(?:(?:\.tmp-\d+-)?pack-[0-9a-f]{40,64}\.(?:pack|idx|rev|bitmap|keep|promisor|mtimes)"
    r"|multi-pack-index(?:-[0-9a-f]{40,64}\.(?:rev|bitmap))?|tmp_[a-z]+_\w{6})"
)
_SUMMED = re.compile(
    r"objects/(?:pack/(?:pack-[0-9a-f]+\.(?:rev|bitmap|mtimes)|multi-pack-index)"
    r"|info/(?:commit-graph|commit-graphs/graph-[0-9a-f]+\.graph))"
)
_DERIVED = frozenset({
    "objects/info/packs", "objects/info/commit-graph",
    "objects/info/commit-graphs/commit-graph-chain",
})  # fmt: skip
_GRAPHS = re.compile(r"objects/info/commit-graphs/graph-[0-9a-f]+\.graph")
_LOGGED = re.compile(r"(?:worktrees/[^/]+/)?(?:logs/(?:HEAD|refs/.+)|FETCH_HEAD|ORIG_HEAD)")
_MESSAGES = frozenset({"COMMIT_EDITMSG", "gc.log"})
_INDEX = re.compile(r"(?:worktrees/[^/]+/)?index")
_HEAD = re.compile(r"(?:worktrees/[^/]+/)?HEAD")
_HELD = re.compile(
    r"objects/.*|packed-refs|refs/.*|shallow|config|(?:worktrees/[^/]+/)?HEAD"
)  # what decides what a HEAD reaches, and what of it is there
_WITHIN_URL = re.compile(r"(?<=://)[^/@]*@|[?#].*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """Something that two repositories do not have in common: where it is reported best, and why."""

    inside: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryDifference:
    """How two repositories differ; paths are relative to their folder.

    Attributes:
        meanings: What someone could notice.
        named: Paths that tell only of names: branches, tags, and whether HEAD is on a branch.
        facts: What there is to say of these, as phrases.
        stored: Paths that tell only how git stores and logs.
    """

    meanings: tuple[Meaning, ...]
    named: frozenset[str]
    facts: tuple[str, ...]
    stored: frozenset[str]


def repository_difference(
    cached: GitFolder, clean: GitFolder, differing: Collection[str]
) -> RepositoryDifference:
    """How the repositories at one path of two trees differ.

    Args:
        cached: The cached tree's.
        clean: The clean tree's.
        differing: The paths in them at which the trees differ in content or kind, or that only
            one has.

    Raises:
        ManifestError: What is stored of a tree is damaged.
    """
    return _Pair(describe(cached), describe(clean), differing).difference()


@dataclass(slots=True)
class _Pair:
    ours: Repository
    theirs: Repository
    differing: Collection[str]
    meanings: list[Meaning] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    stored: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)

    def difference(self) -> RepositoryDifference:
        self._faults()
        self._heads()
        self._config()
        self._replaced()
        self._names()
        self._objects()
        self._indexes()
        self._files()
        self._folders()
        return RepositoryDifference(
            meanings=tuple(self.meanings),
            named=frozenset(self.named if self.facts else ()),
            facts=tuple(_cut(self.facts, len(self.facts))),
            stored=frozenset(self.stored if self.facts else self.stored | self.named),
        )

    @property
    def _both(self) -> tuple[Repository, Repository]:
        return self.ours, self.theirs

    def _faults(self) -> None:
        ours, theirs = self.ours.faults, self.theirs.faults
        for inside in sorted(ours.keys() | theirs.keys()):
            mine, other = ours.get(inside), theirs.get(inside)
            if mine != other:
                there = [
                    "it is sound" if side.folder.entry(inside) else "nothing is there"
                    for side in self._both
                ]
                self._mean(inside, mine or there[0], other or there[1])

    def _heads(self) -> None:
        for inside in self.ours.heads.keys() & self.theirs.heads.keys():
            mine, other = self.ours.heads[inside], self.theirs.heads[inside]
            if (mine.commit, mine.fault) != (other.commit, other.fault):
                what = "its HEAD" if inside == "HEAD" else f"the HEAD of {inside}"
                self.meanings.append(
                    Meaning(
                        inside=inside,
                        why=f"{what} is {_at(mine)}; in a clean build it is {_at(other)}",
                    )
                )
            elif mine.branch != other.branch:
                self.facts.append(f"{inside} is {_on(mine)}, in a clean build {_on(other)}")
            self._naming(inside)

    def _naming(self, inside: str) -> None:
        """Takes a path that differs for one that tells of names."""
        if inside in self.differing and self._is_plain(inside):
            self.named.add(inside)

    def _is_plain(self, inside: str) -> bool:
        """Whether no side has anything but a regular file or a folder at a path."""
        entries = (side.folder.entry(inside) for side in self._both)
        return all(
            entry is None or entry.kind in {EntryKind.FILE, EntryKind.DIRECTORY}
            for entry in entries
        )

    def _config(self) -> None:
        mine, other = self.ours.config, self.theirs.config
        if mine is None or other is None or "config" not in self.differing:
            return
        if any(side.folder.entry("config") is None for side in self._both):
            return
        told = sorted(
            name for name in mine.keys() | other.keys() if mine.get(name) != other.get(name)
        )
        if told:
            first = [_setting(name, mine, other) for name in told[:_MOST_FACTS]]
            why = "; ".join(_cut(first, len(told)))
            self.meanings.append(Meaning(inside="config", why=why))
            return
        if self.ours.branches != self.theirs.branches:
            self.facts.append("settings of its local branches differ")
            self._naming("config")
        else:
            self._store("config")

    def _replaced(self) -> None:
        if self.ours.replaced != self.theirs.replaced:
            names = [*self.ours.replaced, *self.theirs.replaced]
            place = next((name for name in names if name in self.differing), "packed-refs")
            why = "git reads other objects in place of some than in a clean build"
            self.meanings.append(Meaning(inside=place, why=why))

    def _names(self) -> None:
        ours, theirs = self.ours.references, self.theirs.references
        for name in sorted(ours.keys() | theirs.keys()):
            mine, other = ours.get(name, ""), theirs.get(name, "")
            if mine != other and not name.startswith("refs/replace/"):
                self.facts.append(f"{_called(name)} is {_to(mine)}, in a clean build {_to(other)}")
        if self.ours.shallow != self.theirs.shallow:
            here, there = (
                f"cut at {_counted(side.shallow, 'commit')}" if side.shallow else "whole"
                for side in self._both
            )
            self.facts.append(f"its history is {here}, in a clean build {there}")
        for side, where in ((self.ours, "here"), (self.theirs, "in a clean build")):
            self.facts.extend(
                f"the repository of submodule {_shown(place.removeprefix('modules/'))},"
                f" which nothing uses, is kept {where}"
                for place in sorted(side.unused)
            )
        for inside in ("packed-refs", "shallow"):
            self._naming(inside)
        unused = self.ours.unused | self.theirs.unused
        for inside in self.differing:
            if inside in ours or inside in theirs:
                if not inside.startswith("refs/replace/") and self._says_something(inside):
                    self._naming(inside)
            elif not unused.isdisjoint((inside, *parents(inside))):
                self._naming(inside)

    def _says_something(self, inside: str) -> bool:
        """Whether the file of a loose reference is one wherever there is a file."""
        for side in self._both:
            entry = side.folder.entry(inside)
            if entry is None or entry.kind is EntryKind.DIRECTORY:
                continue
            try:
                if not refs.loose(side.folder.text(inside)):
                    return False
            except UnreadableError:
                return False
        return True

    def _objects(self) -> None:
        for inside in self.differing:
            if _is_storage(inside):
                self._store(inside)
        whole = not any(part in side.faults for side in self._both for part in PARTS)
        if not whole or not any(map(_HELD.fullmatch, self.differing)):
            return
        mine, other = soundness(self.ours), soundness(self.theirs)
        if (mine.lost, mine.faults) != (other.lost, other.faults):
            why = f"{_lost(mine)}; in a clean build {_lost(other)}"
            self.meanings.append(Meaning(inside="objects", why=why))
        for found, where in ((mine, "here"), (other, "in a clean build")):
            if found.unread:
                self.facts.append(f"{found.unread} {where}")

    def _indexes(self) -> None:
        for inside in filter(_INDEX.fullmatch, self.differing):
            if any(side.folder.entry(inside) is None for side in self._both):
                continue
            mine, other = (_staged(side, inside) for side in self._both)
            if isinstance(mine, str) or isinstance(other, str):
                # Two that cannot be read are compared as files.
                if not (isinstance(mine, str) and isinstance(other, str)):
                    told = (
                        each if isinstance(each, str) else "it is sound" for each in (mine, other)
                    )
                    self._mean(inside, *told)
            else:
                self._staged(inside, mine, other)

    def _staged(self, inside: str, mine: Staged, other: Staged) -> None:
        paths = {path for path, _ in _unlike(mine, other)}
        if not paths:
            self._store(inside)
            return
        head = f"{inside.removesuffix('index')}HEAD"
        commits = [side.heads.get(head, Head()).commit for side in self._both]
        if commits[0] != commits[1]:
            # Then the files of either commit are staged, and only what is not so counts.
            changes = [
                _changes(side, commit, index)
                for side, commit, index in zip(self._both, commits, (mine, other), strict=True)
            ]
            if changes[0] is not None and changes[0] == changes[1]:
                self._store(inside)
                return
        first = _shown(min(paths).decode("utf-8", "surrogateescape"))
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        self.meanings.append(
            Meaning(
                inside=inside, why=f"what is staged of {first}{more} is not as in a clean build"
            )
        )

    def _files(self) -> None:
        for inside in self.differing:
            if _SUMMED.fullmatch(inside):
                damaged = [_is_damaged(side, inside) for side in self._both]
                if damaged[0] != damaged[1]:
                    mine, other = ("it is damaged" if each else "it is sound" for each in damaged)
                    self._mean(inside, mine, other)
                    self.stored.discard(inside)
            elif _LOGGED.fullmatch(inside) or inside in _MESSAGES or inside == "info/refs":
                self._store(inside)

    def _folders(self) -> None:
        """Empty folders say nothing, nor do those in which nothing else is reported."""
        explained = self.stored | self.named
        bare = {inside for inside in self.differing if self._is_bare(inside)}
        told = {
            folder
            for inside in self.differing
            if inside not in explained and inside not in bare
            for folder in parents(inside)
        }
        self.stored |= bare - told

    def _is_bare(self, inside: str) -> bool:
        """Whether what only one tree has there is a folder."""
        entries = [side.folder.entry(inside) for side in self._both]
        there = [entry for entry in entries if entry is not None]
        return (
            len(there) == 1
            and there[0].kind is EntryKind.DIRECTORY
            and inside not in {"objects", "refs"}
        )

    def _store(self, *paths: str) -> None:
        self.stored.update(
            inside for inside in paths if inside in self.differing and self._is_plain(inside)
        )

    def _mean(self, inside: str, mine: str, other: str) -> None:
        self.meanings.append(Meaning(inside=inside, why=f"{mine}; in a clean build {other}"))


def _is_storage(inside: str) -> bool:
    """Whether a path is one of those in which git stores objects, and finds them sooner."""
    return bool(
        is_loose(inside)
        or _PACKED.fullmatch(inside)
        or inside in _DERIVED
        or _GRAPHS.fullmatch(inside)
        or re.fullmatch(r"objects/[0-9a-f]{2}/tmp_obj_\w+", inside)
    )


def _is_damaged(side: Repository, inside: str) -> bool:
    """Whether a file that ends with a checksum of itself has a wrong one."""
    try:
        data = side.folder.content(inside)
    except UnreadableError:
        return True
    if data is None:
        return False
    size = side.id_size
    digest = hashlib.sha1 if size == 20 else hashlib.sha256
    return digest(memoryview(data)[:-size], usedforsecurity=False).digest() != data[-size:]


def _staged(side: Repository, inside: str) -> Staged | str:
    """What is staged, or why that is unknown."""
    try:
        return staged(side, inside)
    except IndexFileError as error:
        return str(error)


def _unlike(mine: Staged, other: Staged) -> Iterator[tuple[bytes, int]]:
    return (key for key in mine.keys() | other.keys() if mine.get(key) != other.get(key))


def _changes(side: Repository, commit: str, index: Staged) -> Mapping[object, object] | None:
    """What is staged otherwise than in a commit; None where the commit cannot be read."""
    try:
        held = files(commit, open_objects(side))
    except (BrokenError, TooMuchError):
        return None
    as_staged: Staged = {(path, 0): (mode, name, 0) for path, (mode, name) in held.items()}
    return {key: (as_staged.get(key), index.get(key)) for key in _unlike(index, as_staged)}


def _at(head: Head) -> str:
    if head.fault:
        return f"at no commit: {_shown(head.fault)}"
    if head.unborn:
        return f"on {_called(head.branch)}, which has no commit"
    return f"at {head.commit[:_SHORT]}"


def _on(head: Head) -> str:
    return f"on {_called(head.branch)}" if head.branch else "detached"


def _called(name: str) -> str:
    for start, what in (
        ("refs/heads/", "branch"),
        ("refs/remotes/", "remote branch"),
        ("refs/tags/", "tag"),
    ):
        if name.startswith(start):
            return f"{what} {_shown(name.removeprefix(start))}"
    return _shown(name)


def _to(value: str) -> str:
    if not value:
        return "absent"
    if value.startswith("ref: "):
        return _called(value.removeprefix("ref: "))
    return f"at {value[:_SHORT]}"


def _lost(found: Soundness) -> str:
    """What is missing or broken, in a few words."""
    parts = sorted(found.faults)
    if found.lost:
        missing = [name for name, why in found.lost.items() if why == MISSING]
        broken = {name: why for name, why in found.lost.items() if why != MISSING}
        if missing:
            parts.append(
                f"{_counted(missing, 'object')} that HEAD reaches {_verb(missing)} missing"
            )
        if broken:
            name, why = min(broken.items())
            parts.append(
                f"{_counted(broken, 'object')} that HEAD reaches {_verb(broken)} broken"
                f" ({name[:_SHORT]}: {why})"
            )
    return ", ".join(parts) or "all that HEAD reaches is there and sound"


def _counted(names: Collection[str], what: str) -> str:
    return f"1 {what}" if len(names) == 1 else f"{len(names)} {what}s"


def _verb(names: Collection[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _setting(name: str, mine: Config, other: Config) -> str:
    """How a setting differs; what may be secret in it is not shown."""
    if name not in other:
        return f"{_shown(name)} is set here only"
    if name not in mine:
        return f"{_shown(name)} is set in a clean build only"
    section, _, key = part(name)
    if section in {"remote", "submodule"} and key in {"url", "pushurl"}:
        shown = [", ".join(_public(value) for value in side[name]) for side in (mine, other)]
        if shown[0] == shown[1]:
            return f"{_shown(name)} differs in its credentials"
        return f"{_shown(name)} is {shown[0]}; in a clean build it is {shown[1]}"
    return f"{_shown(name)} is not as in a clean build"


def _public(url: str | None) -> str:
    return _shown(_WITHIN_URL.sub("", url or ""))


def _cut(parts: Sequence[str], count: int) -> list[str]:
    """The first of many phrases, and how many more there are."""
    shown = list(parts[:_MOST_FACTS])
    return [*shown, f"{count - len(shown)} more"] if count > len(shown) else shown


def _shown(text: str) -> str:
    """A name as a report shows it: whoever gave it may have given a long one."""
    return escape(text[:_LONGEST])
