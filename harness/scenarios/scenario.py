"""Scenarios: histories of an app, read from TOML files with every fault reported at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import InputError, Problem
from harness.scenarios.document import Document, check, faults, read_document, shape
from harness.scenarios.edits import (
    Edit,
    EditError,
    apply,
    edit_texts,
    interpolated,
    interpolated_tree,
)
from harness.scenarios.expectation import Expectation
from harness.scenarios.expectation import interpolated as interpolated_expectation
from harness.scenarios.fixtures import Fixtures, fixtures_for
from harness.scenarios.fork import Fork
from harness.scenarios.gitobjects import commit_time
from harness.scenarios.interpolation import (
    PYTHON_SLOTS,
    Names,
    UnknownReferenceError,
    python_slots,
    released,
    substitute,
)
from harness.scenarios.positions import Place
from harness.scenarios.run_expectation import RunExpectation, interpolated_run
from harness.scenarios.scenario_file import (
    SUBJECT,
    AppTable,
    Axes,
    BuildExpectation,
    BuildFor,
    BuildPath,
    CacheMount,
    CachePath,
    CommitTable,
    FileTimes,
    ReuseExpectation,
    ReuseParts,
    ScenarioTable,
)
from harness.scenarios.scenario_problems import (
    changes_texts,
    first_files,
    gather,
    scenario_problems,
    written,
)
from harness.scenarios.tree import File, Tree
from harness.scenarios.world import World, changed, changed_for_clean, first_world

OLD = 1_000_000_000
"""Seconds since 1970 of old files: September 2001."""

_SCENARIO = shape(ScenarioTable)
_SUFFIX = ".toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a commit comes to: all that its builds see, and what they should do.

    Attributes:
        index: 0 for the app's first commit.
        message: The commit's message.
        time: Seconds since 1970 of the commit.
        tree: The app's files.
        world: What is around them.
        build: Whether the build should pass.
        reuse: What should become of the cache, or of its parts; None where it does not say.
        expect: What must be true of its builds.
        run: What is run of what was deployed, and what must come of it.
        clean: The same for the clean build alone, where it is made in its own way so that the
            cached one should equal it; None where both see the same.
    """

    index: int
    message: str
    time: int
    tree: Tree = field(repr=False)
    world: World
    build: BuildExpectation
    reuse: ReuseExpectation | ReuseParts | None
    expect: tuple[Expectation, ...]
    run: tuple[RunExpectation, ...] = ()
    clean: "Stage | None" = None

    @property
    def of_clean(self) -> "Stage":
        """What the clean build sees."""
        return self.clean or self


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A history of an app, with all that it takes from fixtures.

    Attributes:
        name: The file's path below the nearest folder called `scenarios`, without `.toml`.
        file: The file, as it was named.
        description: What the case proves.
        issue: A URL, or nothing.
        forks: What the forge serves, in the order of the file.
        axes: What decides whether some faults show.
        needs: What a buildpack must offer for it; see `all_needs`.
        app: The first commit's changes of the world.
        files: The first commit's files before its edits, their references not yet replaced.
        commits: The commits after the first.
        fixtures: What edits copy from, by `FIXTURE[@REVISION]`.
    """

    name: str
    file: Path
    description: str
    issue: str
    forks: tuple[Fork, ...]
    axes: Axes
    needs: tuple[str, ...]
    app: AppTable
    files: Tree = field(repr=False)
    commits: tuple[CommitTable, ...]
    fixtures: Mapping[str, Tree] = field(repr=False)
    document: Document = field(repr=False)

    def all_needs(self) -> frozenset[str]:
        """What a buildpack must offer: what the file says, and what its own keys take for granted.

        These are `sequence` (several buildpacks), `revisions` (another revision of the buildpack),
        `run` (something is run of what was deployed),
        `ci`, `new-build-path`, `new-cache-path`, `cache-mount` and `failed-build-cache` (the axes).
        """
        changes: tuple[AppTable | CommitTable, ...] = (self.app, *self.commits)
        said = {
            "sequence": any(one.buildpacks for one in changes),
            "revisions": any(
                one.buildpack or (one.clean and one.clean.buildpack) for one in changes
            ),
            "run": any(one.run for one in changes),
            "ci": self.axes.build is BuildFor.CI,
            "new-cache-path": self.axes.cache_path is CachePath.NEW,
            "new-build-path": self.axes.build_path is BuildPath.NEW,
            "cache-mount": self.axes.cache_mount is CacheMount.OTHER,
            "failed-build-cache": self.axes.failed_build_cache is not None,
        }
        return frozenset({*self.needs, *(name for name, needed in said.items() if needed)})

    def revisions(self) -> tuple[str, ...]:
        """The revisions of the buildpack that commits and clean builds name, sorted."""
        changes: tuple[AppTable | CommitTable, ...] = (self.app, *self.commits)
        named = {one.buildpack for one in changes}
        named |= {one.clean.buildpack for one in changes if one.clean}
        return tuple(sorted(name for name in named if name and name != SUBJECT))

    def python_slots(self) -> frozenset[str]:
        """The Pythons that the files name: of the slots that there are, those that a run needs."""
        return frozenset().union(*map(python_slots, _texts(self))) & frozenset(PYTHON_SLOTS)

    def released(self) -> frozenset[tuple[str, str]]:
        """The forks and revisions of whose releases' files the scenario's files tell."""
        return frozenset().union(*map(released, _texts(self)))

    def stages(
        self,
        pythons: Mapping[str, str],
        files: Mapping[tuple[str, str], Mapping[str, str]] | None = None,
    ) -> tuple[Stage, ...]:
        """What each commit comes to, the first one's included.

        Args:
            pythons: The full versions that `${python@default}` and the other slots stand for.
            files: Of each fork and revision of `released`, what references to its release's files
                stand for; see `Names.files`.

        Raises:
            InputError: A slot that the scenario names has no version, or an edit that applied
                with other versions does not with these.
        """
        return tuple(_stages(self, pythons, files or {}))

    def trees(self, pythons: Mapping[str, str]) -> tuple[Tree, ...]:
        """The app's files at each commit; as `stages`."""
        return tuple(stage.tree for stage in self.stages(pythons))


def mtime(axes: Axes, stage: Stage) -> int | None:
    """The modification time that a stage's files get, in seconds since 1970; None leaves now's."""
    match axes.file_times:
        case FileTimes.COMMIT:
            return stage.time
        case FileTimes.OLD:
            return OLD
        case FileTimes.NOW:
            return None


def find_scenarios(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The scenario files among files and folders; each once, a folder's in order of their paths.

    In a folder every `*.toml` at any depth is one, but for those in hidden folders and in folders
    called `fixtures`.

    Raises:
        InputError: A path is not there, is no `.toml` file, or a folder without one.
    """
    found: dict[Path, Path] = {}
    problems: list[Problem] = []
    for path in paths:
        files: tuple[Path, ...] = (path,)
        fault = "" if path.suffix == _SUFFIX else "is not a TOML file"
        if path.is_dir():
            files = tuple(sorted(file for file in path.rglob(f"*{_SUFFIX}") if _counts(file, path)))
            fault = "" if files else "holds no scenario"
        elif not path.exists():
            fault = "is not there"
        if fault:
            expected = "a scenario file (`*.toml`), or a folder of them"
            problems.append(Problem(file=str(path), line=0, message=fault, expected=expected))
        else:
            for file in files:
                found.setdefault(file.resolve(), file)
    if problems:
        raise InputError(tuple(problems))
    return tuple(found.values())


def load_scenarios(paths: Iterable[Path]) -> tuple[Scenario, ...]:
    """Loads the scenarios that `find_scenarios` finds.

    Raises:
        InputError: Every fault of every file.
    """
    loaded: list[Scenario] = []
    problems: dict[Problem, None] = {}
    for path in find_scenarios(paths):
        try:
            loaded.append(load_scenario(path))
        except InputError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise InputError(tuple(problems))
    return tuple(loaded)


def load_scenario(path: Path, *, fixtures: Fixtures | None = None) -> Scenario:
    """Loads a scenario file.

    Args:
        path: The file.
        fixtures: Where its fixtures are; by default `fixtures_for` it.

    Raises:
        InputError: Every fault of the file, and of the forks that it names: its form, paths that
            leave the app, edits that do not apply, names that are not there.
    """
    document = read_document(path)
    sources = gather(document, fixtures or fixtures_for(path))
    problems = (
        *faults(document, _SCENARIO, document.data),
        *sources.problems,
        *scenario_problems(document, sources),
    )
    table = check(document, _SCENARIO, document.data)
    if table is None or problems:
        raise InputError(tuple(dict.fromkeys(problems)))
    return Scenario(
        name=scenario_name(path),
        file=path,
        description=table.description,
        issue=table.issue,
        forks=tuple(sources.forks.values()),
        axes=table.axes,
        needs=table.needs,
        app=table.app,
        files=first_files(table.app, sources.fixture),
        commits=table.commits,
        fixtures=sources.trees,
        document=document,
    )


def _counts(file: Path, folder: Path) -> bool:
    above = file.relative_to(folder).parts[:-1]
    return file.is_file() and not any(part.startswith(".") or part == "fixtures" for part in above)


def scenario_name(path: Path) -> str:
    """A scenario's name by its file: the path below the nearest folder called `scenarios`."""
    parts = path.resolve().with_suffix("").parts
    above = parts[:-1]
    start = len(above) - above[::-1].index("scenarios") if "scenarios" in above else len(above)
    return "/".join(parts[start:])


def _texts(scenario: Scenario) -> Iterator[str]:
    """Every text in which references are replaced."""
    trees = [scenario.files, *scenario.fixtures.values()]
    for leaf in (leaf for tree in trees for leaf in tree.entries.values()):
        if isinstance(leaf, File):
            yield leaf.data.decode(errors="replace")
    later = (edit for commit in scenario.commits for edit in commit.edits)
    for edit in (*scenario.app.edits, *later):
        for texts in edit_texts(edit).values():
            yield from texts
    for changes in (scenario.app, *scenario.commits):
        yield from (text for _, text in changes_texts(changes))


def _stages(
    scenario: Scenario,
    pythons: Mapping[str, str],
    files: Mapping[tuple[str, str], Mapping[str, str]],
) -> Iterator[Stage]:
    forks = {fork.name: fork for fork in scenario.forks}
    revisions = {name: fork.shas for name, fork in forks.items()}
    names = Names(revisions=revisions, pythons=pythons, files=files)

    def replaced(text: str) -> str:
        return substitute(text, names)

    def fixture(name: str) -> Tree:
        return interpolated_tree(scenario.fixtures[name], replaced)

    app = scenario.app
    with _faults_at(scenario, ("app",)):
        tree = interpolated_tree(scenario.files, replaced)
        world = changed(first_world(forks), app, forks, replaced)

    def edited(tree: Tree, edits: tuple[Edit, ...], place: Place) -> Tree:
        for at, edit in enumerate(edits):
            with _faults_at(scenario, (*place, "edits", at)):
                tree = apply(tree, interpolated(edit, replaced), fixture)
        return tree

    tree = edited(tree, app.edits, ("app",))
    with _faults_at(scenario, ("app",)):
        yield _stage(0, app, tree, world, replaced)
    for index, commit in enumerate(scenario.commits):
        place: Place = ("commits", index)
        tree = edited(tree, commit.edits, place)
        with _faults_at(scenario, place):
            world = changed(world, commit, forks, replaced)
            yield _stage(index + 1, commit, tree, world, replaced)


def _stage(
    index: int,
    changes: AppTable | CommitTable,
    tree: Tree,
    world: World,
    replaced: Callable[[str], str],
) -> Stage:
    stage = Stage(
        index=index,
        message=changes.message,
        time=commit_time(index),
        tree=tree,
        world=world,
        build=changes.build,
        reuse=changes.reuse if isinstance(changes, CommitTable) else None,
        expect=tuple(interpolated_expectation(each, replaced) for each in changes.expect),
        run=tuple(interpolated_run(each, replaced) for each in changes.run),
    )
    if changes.clean is None:
        return stage
    files = {path: replaced(text) for path, text in changes.clean.files.items()}
    try:
        own = written(tree, files)
    except EditError as error:
        raise EditError("clean", error.message, error.expected) from error
    seen = changed_for_clean(world, changes.clean, replaced)
    return replace(stage, clean=replace(stage, tree=own, world=seen))


@contextmanager
def _faults_at(scenario: Scenario, place: Place) -> Iterator[None]:
    """Turns what does not apply into a fault of the scenario's file."""
    try:
        yield
    except EditError as error:
        at, message, expected = (*place, error.key), error.message, error.expected
    except UnknownReferenceError as error:
        at, message, expected = place, error.message, error.expected
    else:
        return
    raise InputError((scenario.document.problem(at, message, expected),))
