"""What is wrong with a scenario beyond its form: names, paths, and edits that do not apply."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from harness.errors import InputError, Problem
from harness.scenarios.document import Document, check, shape
from harness.scenarios.edits import (
    ROOT,
    Copy,
    Edit,
    EditError,
    Fixture,
    Write,
    apply,
    edit_paths,
    edit_texts,
    interpolated,
    interpolated_tree,
    split_source,
)
from harness.scenarios.expectation import texts as expected_texts
from harness.scenarios.fixtures import Fixtures, fixture_tree
from harness.scenarios.fork import Fork, is_fork, load_fork
from harness.scenarios.interpolation import Names, UnknownReferenceError, substitute
from harness.scenarios.interpolation import faults as reference_faults
from harness.scenarios.positions import Place
from harness.scenarios.run_expectation import run_texts
from harness.scenarios.scenario_file import SUBJECT, AppTable, Changes, ReuseParts
from harness.scenarios.tree import File, Tree, path_fault
from harness.scenarios.wording import one_of
from harness.scenarios.world import changed, first_world, world_faults

STAND_IN_PYTHONS = {
    "default": "3.11.7",
    "other": "3.10.13",
    "sibling": "3.11.6",
    "newest": "3.14.1",
}
"""Versions with which a scenario is checked before anyone knows those that it will run with."""

_EDIT, _CHANGES, _APP = shape(Edit), shape(Changes), shape(AppTable)
_CHANGES_KEYS = tuple(item.name for item in fields(Changes))
_STATELESS = {"expect", "run"}
"""Keys that say nothing of the commits after."""
_COUPLED = {"env": {"env", "unset"}, "unset": {"env", "unset"}}
"""Keys that are about one state: where one is not known, the other cannot be checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a scenario takes from fixtures.

    Attributes:
        forks: The forks of `forks` that could be read, in that order.
        broken: Those that could not be, or are not there.
        trees: What is copied from, by `FIXTURE[@REVISION]`.
        missing: What cannot be copied from, and why.
        problems: The faults of `forks`, and of the forks' own files.
    """

    forks: Mapping[str, Fork]
    broken: frozenset[str]
    trees: Mapping[str, Tree]
    missing: Mapping[str, EditError]
    problems: tuple[Problem, ...]

    def fixture(self, name: str) -> Tree:
        """The tree of `FIXTURE[@REVISION]`.

        Raises:
            EditError: It is not there.
        """
        if name in self.missing:
            error = self.missing[name]
            raise EditError(error.key, error.message, error.expected)
        return self.trees[name]


def gather(document: Document, fixtures: Fixtures) -> Sources:
    """Reads the forks and fixtures that a scenario's values name, as far as they can be read."""
    forks: dict[str, Fork] = {}
    trees: dict[str, Tree] = {}
    missing: dict[str, EditError] = {}
    problems: list[Problem] = []
    listed = [name for name in _list(document.data, "forks") if isinstance(name, str)]
    for index, name in enumerate(listed):
        folder = fixtures.folder(name)
        try:
            if folder is None or not is_fork(folder):
                message, expected = f"there is no fork `{name}`", one_of(fixtures.forks())
                problems.append(document.problem(("forks", index), message, expected))
            elif name in forks:
                message = f"`{name}` is listed twice"
                problems.append(document.problem(("forks", index), message, "it once"))
            else:
                forks[name] = load_fork(folder)
        except InputError as error:
            problems += error.problems
    for index, name in enumerate(listed):
        for message, expected in _submodule_faults(forks.get(name), forks):
            problems.append(document.problem(("forks", index), message, expected))
    for name in _copied(document.data):
        try:
            trees[name] = fixture_tree(fixtures, name)
        except EditError as error:
            missing[name] = error
        except InputError as error:
            problems += error.problems
            missing[name] = EditError("from", f"`{name}` cannot be read", "a fork without errors")
    return Sources(
        forks=forks,
        broken=frozenset(listed) - frozenset(forks),
        trees=trees,
        missing=missing,
        problems=tuple(problems),
    )


def _submodule_faults(fork: Fork | None, forks: Mapping[str, Fork]) -> Iterator[tuple[str, str]]:
    """What keeps the forge from serving a fork's submodules: a sentence, and what was expected."""
    told: set[str] = set()
    revisions = fork.revisions if fork else ()
    for one in (one for revision in revisions for one in revision.submodules):
        if fork is None or one.fork in told:
            continue
        other = forks.get(one.fork)
        if other is None:
            told.add(one.fork)
            message = f"`{fork.name}` has the submodule `{one.fork}`, which nothing serves"
            yield message, f"`{one.fork}` in `forks` too"
        elif other.shas.get(one.revision) != one.sha:
            told.add(one.fork)
            message = f"`{fork.name}` has the submodule `{one.fork}`, but another `{one.fork}`"
            yield f"{message} is served", "the fork that is in the folder beside it"


def first_files(app: AppTable, fixture: Fixture) -> Tree:
    """The first commit's files, with their references as they are written.

    Raises:
        EditError: They cannot be; the key is `copy`, or a path of `files`.
    """
    tree = Tree()
    if app.copy is not None:
        try:
            tree = apply(tree, Copy(do="copy", source=app.copy, path=ROOT), fixture)
        except EditError as error:
            raise EditError("copy", error.message, error.expected) from error
    return written(tree, app.files)


def written(tree: Tree, files: Mapping[str, str]) -> Tree:
    """A tree with files besides or in place of its own.

    Raises:
        EditError: One cannot be, or is there already; the key is its path.
    """
    for path, text in files.items():
        try:
            tree = apply(tree, Write(do="write", path=path, text=text), _no_fixture)
        except EditError as error:
            raise EditError(path, error.message, error.expected) from error
    return tree


def _no_fixture(name: str) -> Tree:
    raise EditError("from", f"`{name}` is copied from nowhere", "files by their text")


def changes_texts(changes: Changes) -> Iterator[tuple[Place, str]]:
    """The texts of a commit's table in which references are replaced, and where they stand."""
    for name, value in changes.env.items():
        yield ("env", name), value
    if changes.clean is not None:
        for key, table in (("files", changes.clean.files), ("env", changes.clean.env)):
            for name, value in table.items():
                yield ("clean", key, name), value
    for index, expectation in enumerate(changes.expect):
        for place, text in expected_texts(expectation):
            yield ("expect", index, *place), text
    for index, one in enumerate(changes.run):
        for place, text in run_texts(one):
            yield ("run", index, *place), text


def scenario_problems(document: Document, sources: Sources) -> Iterator[Problem]:
    """The faults that a scenario's form does not show.

    Faults that follow from others are left out: an edit is not tried on a file that an earlier
    edit should have changed and could not.

    Args:
        document: The file; what has a fault of form is passed over.
        sources: What it takes from fixtures.
    """
    revisions = {name: fork.shas for name, fork in sources.forks.items()}
    names = Names(revisions=revisions, pythons=STAND_IN_PYTHONS)
    case = _Case(document=document, sources=sources, names=names)
    app = _table(document.data.get("app"))
    commits = [_table(raw) for raw in _list(document.data, "commits")]
    yield from _world_problems(case, app, commits)
    state, problems = _first_files(case, app)
    yield from problems
    places: list[Place] = [("app",), *(("commits", index) for index in range(len(commits)))]
    yield from _edit_problems(case, state, list(zip(places, [app, *commits], strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A file that is checked, and what it may name."""

    document: Document
    sources: Sources
    names: Names

    def text(self, text: str) -> str:
        try:
            return substitute(text, self.names)
        except UnknownReferenceError:
            # Told where the references are checked, or the fault of a fork that cannot be read.
            return text

    def fixture(self, name: str) -> Tree:
        return interpolated_tree(self.sources.fixture(name), self.text)


def _world_problems(
    case: _Case, app: dict[str, Any], commits: list[dict[str, Any]]
) -> Iterator[Problem]:
    forks = case.sources.forks
    world, muted = first_world(forks), frozenset[str]()
    places: list[Place] = [("app",), *(("commits", index) for index in range(len(commits)))]
    for place, raw in zip(places, [app, *commits], strict=True):
        changes, bad = _changes(case, place, raw)
        muted |= bad - _STATELESS
        for at, message, expected in world_faults(world, changes, forks, first=place == ("app",)):
            follows = at[0] in muted or (at[-1] == "fork" and _at(raw, at) in case.sources.broken)
            if not follows:
                yield case.document.problem(place + at, message, expected)
        for at, text in changes_texts(changes):
            yield from _reference_problems(case, place + at, text)
        yield from _sequence_problems(case, place, changes.buildpacks or ())
        if place != ("app",) and raw.get("reuse") == {}:
            parts = one_of(item.name for item in fields(ReuseParts))
            yield case.document.problem((*place, "reuse"), "`reuse` names no part", parts)
        world = changed(world, changes, forks, lambda text: text)


def _sequence_problems(case: _Case, place: Place, names: tuple[str, ...]) -> Iterator[Problem]:
    for index, name in enumerate(names):
        at = (*place, "buildpacks", index)
        if name == SUBJECT:
            continue
        try:
            case.sources.fixture(name)
        except EditError as error:
            yield case.document.problem(at, error.message, f"`{SUBJECT}`, or {error.expected}")


def _changes(case: _Case, place: Place, raw: dict[str, Any]) -> tuple[Changes, frozenset[str]]:
    """A commit's keys that have no fault of form, and those whose state is unknown from here on."""
    good: dict[str, Any] = {}
    bad: set[str] = set()
    for key in _CHANGES_KEYS:
        if key not in raw:
            continue
        if check(case.document, _CHANGES, {key: raw[key]}, place) is not None:
            good[key] = raw[key]
        else:
            bad |= _COUPLED.get(key, {key})
    return check(case.document, _CHANGES, good, place) or Changes(), frozenset(bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """The app's files as far as they are known.

    Attributes:
        tree: The files, or None where a fault leaves all of them unknown.
        spoiled: Files and folders that a fault leaves unknown.
    """

    tree: Tree | None
    spoiled: frozenset[str] = frozenset()

    def without(self, paths: Iterable[object]) -> "_State":
        """The state once these paths, too, are unknown; with none named, everything is."""
        named = frozenset(path for path in paths if isinstance(path, str) and path != ROOT)
        return replace(self, spoiled=self.spoiled | named) if named else _State(tree=None)

    def knows(self, paths: Iterable[str]) -> bool:
        return not any(_overlap(path, bad) for path in paths for bad in self.spoiled)


def _first_files(case: _Case, raw: dict[str, Any]) -> tuple[_State, tuple[Problem, ...]]:
    """The first commit's files, and their faults."""
    app = check(
        case.document, _APP, {key: raw[key] for key in ("copy", "files") if key in raw}, ("app",)
    )
    if app is None:
        return _State(tree=None), ()
    problems: list[Problem] = []
    bad: set[str] = set()
    for path, text in app.files.items():
        place = ("app", "files", path)
        told = [*_path_problems(case, place, path), *_reference_problems(case, place, text)]
        problems += told
        bad |= {path} if told else set()
    kept = {path: text for path, text in app.files.items() if path not in bad}
    try:
        copied = first_files(replace(app, files={}), case.sources.fixture)
        problems += _tree_references(case, ("app", "copy"), copied)
        tree = first_files(replace(app, files=kept), case.sources.fixture)
    except EditError as error:
        at = ("copy",) if error.key == "copy" else ("files", error.key)
        told = [case.document.problem(("app", *at), error.message, error.expected)]
        return _State(tree=None), (*problems, *told)
    if not tree and not bad and not raw.get("edits"):
        problems.append(case.document.problem(("app",), "the app has no files", "some"))
    state = _State(tree=interpolated_tree(tree, case.text), spoiled=frozenset(bad))
    return state, tuple(problems)


def _edit_problems(
    case: _Case, state: _State, commits: list[tuple[Place, dict[str, Any]]]
) -> Iterator[Problem]:
    for commit_place, commit in commits:
        if not isinstance(commit.get("edits", []), list):
            state = _State(tree=None)
        for at, raw in enumerate(_list(commit, "edits")):
            place: Place = (*commit_place, "edits", at)
            edit = check(case.document, _EDIT, raw, place)
            if edit is None:
                state = state.without([_table(raw).get("path"), _table(raw).get("to")])
                continue
            problems = tuple(_lone_problems(case, place, edit))
            yield from problems
            paths = tuple(edit_paths(edit).values())
            if problems or not state.knows(paths):
                state = state.without(paths)
            elif state.tree is not None:
                try:
                    tree = apply(state.tree, interpolated(edit, case.text), case.fixture)
                    state = replace(state, tree=tree)
                except EditError as error:
                    state = state.without(paths)
                    at_key = (*place, error.key)
                    yield case.document.problem(at_key, error.message, error.expected)
        yield from _clean_problems(case, state, (*commit_place, "clean"), commit.get("clean"))


def _clean_problems(case: _Case, state: _State, place: Place, raw: object) -> Iterator[Problem]:
    """The faults of the files that only the clean build has."""
    files = _table(_table(raw).get("files"))
    for path, text in files.items():
        if not isinstance(text, str):
            continue
        problems = tuple(_path_problems(case, (*place, "files", path), path))
        yield from problems
        if not problems and state.tree is not None and state.knows([path]):
            try:
                written(state.tree, {path: case.text(text)})
            except EditError as error:
                at = (*place, "files", path)
                message = error.message.removeprefix("the edit changes nothing: ")
                yield case.document.problem(at, message, error.expected)


def _lone_problems(case: _Case, place: Place, edit: Edit) -> Iterator[Problem]:
    """The faults of an edit that show without the tree: its paths, references and fixture."""
    for key, path in edit_paths(edit).items():
        yield from _path_problems(case, (*place, key), path)
    for key, texts in edit_texts(edit).items():
        for text in texts:
            yield from _reference_problems(case, (*place, key), text)
    if isinstance(edit, Copy):
        try:
            copied = case.sources.fixture(split_source(edit.source)[0])
        except EditError as error:
            yield case.document.problem((*place, error.key), error.message, error.expected)
        else:
            yield from _tree_references(case, (*place, "from"), copied)


def _path_problems(case: _Case, place: Place, path: str) -> Iterator[Problem]:
    fault = path_fault(path)
    if fault:
        expected = "a path relative to the root, inside it"
        yield case.document.problem(place, f"`{path}` {fault}", expected)


def _tree_references(case: _Case, place: Place, tree: Tree) -> Iterator[Problem]:
    for path, leaf in tree.entries.items():
        if isinstance(leaf, File):
            for problem in _reference_problems(case, place, leaf.data.decode(errors="replace")):
                yield replace(problem, message=f"in `{path}`: {problem.message}")


def _reference_problems(case: _Case, place: Place, text: str) -> Iterator[Problem]:
    for error in reference_faults(text, case.names):
        if error.name not in case.sources.broken:
            yield case.document.problem(place, error.message, error.expected, text=error.text)


def _copied(data: dict[str, Any]) -> tuple[str, ...]:
    """Every `FIXTURE[@REVISION]` that a file copies from or builds with, each once."""
    app = _table(data.get("app"))
    sources = [app.get("copy")]
    others: list[Any] = []
    for commit in (app, *map(_table, _list(data, "commits"))):
        edits = [_table(edit) for edit in _list(commit, "edits")]
        sources += [edit.get("from") for edit in edits if edit.get("do") == "copy"]
        others += _list(commit, "buildpacks")
    names = [split_source(source)[0] for source in sources if isinstance(source, str)]
    names += [name for name in others if isinstance(name, str) and name != SUBJECT]
    return tuple(dict.fromkeys(names))


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(table: dict[str, Any], key: str) -> list[Any]:
    value = table.get(key)
    return value if isinstance(value, list) else []


def _at(value: Any, place: Place) -> object:
    for part in place:
        value = value[part]
    return value


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")
