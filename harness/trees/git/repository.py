"""What a repository in a tree is: the same whichever way git stores it."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from harness.trees.git import index, refs
from harness.trees.git.config import Config, ConfigError, is_true, parse, part
from harness.trees.git.git_folder import PARTS, GitFolder, UnreadableError, is_git_folder, parts
from harness.trees.git.objects import Budget, Objects
from harness.trees.git.reach import reach
from harness.trees.git.refs import Head
from harness.trees.manifest import EntryKind

_ID_SIZES: Final = {"sha1": 20, "sha256": 32}
_MODULES: Final = "modules/"
_WORKTREES: Final = "worktrees/"
_LONGEST_LINK: Final = 4096 + len("gitdir: \n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository, apart from the files that are checked out, which are compared as files.

    Attributes:
        faults: Why git does not take the folder for a repository, by the path of what is wrong,
            relative to the folder.
        heads: Where each HEAD is, by the path of its file: `HEAD`, and one for each linked
            worktree.
        references: What each reference below `refs/` says, by name.
        replaced: Those of them that have git read another object for an object.
        config: Its settings; None where they cannot be read, which `faults` tells.
        branches: Settings of local branches only.
        shallow: The commits whose parents were not fetched.
        unused: Folders of submodules' repositories that no checkout in the tree uses.
    """

    faults: Mapping[str, str]
    heads: Mapping[str, Head]
    references: Mapping[str, str]
    replaced: Mapping[str, str]
    config: Config | None
    branches: Config
    shallow: frozenset[str]
    unused: frozenset[str]
    id_size: int = 20
    folder: GitFolder = field(repr=False)

    @property
    def commits(self) -> tuple[str, ...]:
        """The commits at which its HEADs are, each once."""
        return tuple(dict.fromkeys(head.commit for head in self.heads.values() if head.commit))


@dataclass(frozen=True, slots=True, kw_only=True)
class Soundness:
    """Whether what the HEADs of a repository reach is there.

    Attributes:
        lost: Why an object that they reach is unavailable, by its id.
        faults: What of its packs and alternates cannot be used, as phrases.
        unread: How a limit cut the look short, as a phrase; empty where all was read.
    """

    lost: Mapping[str, str]
    faults: frozenset[str]
    unread: str = ""


def describe(folder: GitFolder) -> Repository:
    """What a repository is, without its objects.

    Raises:
        ManifestError: What is stored of the tree is damaged.
    """
    has = parts(folder.manifest, folder.path)
    faults = {part: f"it has no `{part}`" for part in PARTS if part not in has}
    texts = _Texts(folder, faults)
    packed, fault = refs.packed(texts.read("packed-refs"))
    if fault:
        faults["packed-refs"] = fault
    shallow = frozenset(texts.read("shallow").split())
    if not all(map(refs.is_id, shallow)):
        faults["shallow"] = "it is malformed"
    loose = {
        name: value
        for name in refs.names_below(folder.names)
        if not folder.is_folder(name) and (value := refs.loose(texts.read(name)))
    }
    references = {**packed, **loose}
    config = _config(folder, faults)
    unused = _unused(folder)
    told = config or {}
    return Repository(
        faults=faults,
        heads={
            name: refs.resolve(texts.head(name), texts.read, packed)
            for name in _heads(folder)
            if name not in faults
        },
        references=references,
        replaced={name: to for name, to in references.items() if name.startswith("refs/replace/")},
        config=None if config is None else _meant(config, unused),
        branches={name: values for name, values in told.items() if part(name)[0] == "branch"},
        shallow=shallow,
        unused=unused,
        id_size=_ID_SIZES.get((told.get("extensions.objectformat") or ("sha1",))[-1] or "", 20),
        folder=folder,
    )


def soundness(repository: Repository, budget: Budget | None = None) -> Soundness:
    """Reads all that the HEADs of a repository reach.

    Args:
        repository: The repository.
        budget: How much may be read; as much as `Budget` says by default.

    Raises:
        ManifestError: What is stored of the tree is damaged.
    """
    objects = open_objects(repository, budget)
    config = repository.config or {}
    promised = "extensions.partialclone" in config or any(
        part(name)[::2] == ("remote", "promisor") and is_true(config, name) for name in config
    )
    found = reach(
        repository.commits,
        objects,
        shallow=repository.shallow,
        promised=promised,
        sparse=repository.folder.entry("info/sparse-checkout") is not None,
    )
    return Soundness(lost=found.lost, faults=frozenset(objects.faults), unread=found.unread)


def open_objects(repository: Repository, budget: Budget | None = None) -> Objects:
    """Its objects, to be read.

    Raises:
        ManifestError: What is stored of the tree is damaged.
    """
    return Objects(repository.folder, id_size=repository.id_size, budget=budget or Budget())


def staged(repository: Repository, name: str) -> index.Staged:
    """What an index says, by the path of its file.

    Raises:
        IndexFileError: It cannot be read.
        ManifestError: What is stored of the tree is damaged.
    """
    try:
        data = repository.folder.content(name)
    except UnreadableError as error:
        raise index.IndexFileError(str(error)) from error
    if data is None:
        raise index.IndexFileError("it is missing")
    return index.parse(data, id_size=repository.id_size)


@dataclass(frozen=True, slots=True)
class _Texts:
    """Its small files; what cannot be read is a fault."""

    folder: GitFolder
    faults: dict[str, str]

    def read(self, inside: str) -> str:
        try:
            return self.folder.text(inside)
        except UnreadableError as error:
            self.faults[inside] = str(error)
            return ""

    def head(self, inside: str) -> str:
        found = self.folder.entry(inside)
        # As git wrote symbolic references long ago, and still reads them.
        if found is not None and found.target.startswith("refs/"):
            return f"ref: {found.target}"
        return self.read(inside)


def _heads(folder: GitFolder) -> list[str]:
    linked = (
        name
        for name in folder.names
        if name.startswith(_WORKTREES) and name.endswith("/HEAD") and name.count("/") == 2
    )
    return ["HEAD", *sorted(linked)]


def _config(folder: GitFolder, faults: dict[str, str]) -> Config | None:
    try:
        data = folder.content("config")
        return parse(data) if data is not None else {}
    except UnreadableError as error:
        faults["config"] = str(error)
    except ConfigError as error:
        faults["config"] = f"in its `config` {error}"
    return None


def _meant(config: Config, unused: frozenset[str]) -> Config:
    """The settings without those of local branches and of submodules that nothing uses."""

    def counts(name: str) -> bool:
        section, subsection, _ = part(name)
        if section == "submodule" and subsection:
            return f"{_MODULES}{subsection}" not in unused
        return section != "branch"

    return {name: values for name, values in config.items() if counts(name)}


def _unused(folder: GitFolder) -> frozenset[str]:
    """Folders of submodules' repositories to which no checkout in the tree leads."""
    found = {
        posixpath.dirname(name)
        for name in folder.names
        if name.startswith(_MODULES) and name.endswith("/HEAD")
    }
    places = {place for place in found if is_git_folder(folder.manifest, f"{folder.path}/{place}")}
    if not places:
        return frozenset()
    led_to = {there for path in _links(folder) for there in _led_to(folder, path)}
    return frozenset(place for place in places if f"{folder.path}/{place}" not in led_to)


def _links(folder: GitFolder) -> Iterator[str]:
    """The paths of the `.git` files in the tree, each of which leads to a repository."""
    for path, entry in folder.manifest.entries.items():
        if path.endswith("/.git") and entry.kind is not EntryKind.DIRECTORY:
            yield path


def _led_to(folder: GitFolder, path: str) -> Iterator[str]:
    """The paths that a `.git` file may lead to: an absolute one is of where the tree was built."""
    checkout, entry = posixpath.dirname(path), folder.manifest.entries[path]
    if entry.size > _LONGEST_LINK:
        return
    try:
        text = folder.beside(checkout).text(".git")
    except UnreadableError:
        return
    way = posixpath.normpath(posixpath.join(checkout, text.removeprefix("gitdir:").strip()))
    names = way.split("/")
    yield from ("/".join(names[start:]) for start in range(len(names)))
