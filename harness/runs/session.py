"""Everything the builds of a run share: the sandbox, the sealed internet, and what it serves."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from packaging.utils import canonicalize_name

from harness.buildpacks.sequence import Neighbour
from harness.buildpacks.source import Buildpack, at_revision, resolve
from harness.builds.run import Inputs, own_recipe
from harness.bundled import DEFAULT_BUILDPACK
from harness.ecosystems.python.buildpack_scripts import pinned_managers, pinned_tools
from harness.ecosystems.python.fetcher import Fetcher, Wanted
from harness.ecosystems.python.index.package_index import PythonIndex
from harness.ecosystems.python.programs import programs_archive
from harness.ecosystems.python.python_shelf import PythonShelf, served_fields
from harness.ecosystems.python.pythons import Offer, StandIn
from harness.ecosystems.python.releases import build_release
from harness.ecosystems.python.required import required
from harness.ecosystems.python.runtimes.ahead import PythonsAhead
from harness.ecosystems.python.runtimes.runtime import Runtime, available_runtimes, ensure_runtimes
from harness.ecosystems.python.tools import BASE_TOOLS, TOOLS
from harness.ecosystems.serving import Route
from harness.errors import RuntimeArchiveError, StoreError, TapeError
from harness.internet import Download, Internet, Release, Repository, Request
from harness.internet.recorder import Recorder
from harness.internet.routes import Routes
from harness.internet.server import InternetServer
from harness.internet.tape import Tape
from harness.internet.trust import Authority, trust_env, trust_mounts
from harness.internet.upstream import Upstream
from harness.plugins.code_digest import NOT_BUILDING, code_digest
from harness.runs.memory import Room
from harness.runs.plan import Commit
from harness.runs.progress import Observer, Silent
from harness.runs.workspace import Workspace, sweep
from harness.sandboxes import Limits, Mount, Sandbox
from harness.sandboxes.registry import (
    Backend,
    BaseImage,
    SandboxSettings,
    backend,
    choose,
    identity_of,
    open_sandbox,
)
from harness.scenarios.fork import Fork
from harness.scenarios.history import play_fork
from harness.scenarios.scenario import Stage
from harness.scenarios.scenario_file import SUBJECT
from harness.scenarios.tree import Tree, digest
from harness.scenarios.world import PublishedRelease, World
from harness.stack.image import Image, build_image
from harness.storage.builds import BuildStore, Built
from harness.storage.once import Once
from harness.storage.store import Store
from harness.trees.removal import Remover

_PROGRAMS = "programs of "


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is asked to use.

    Attributes:
        buildpack: A folder, a bundled name, or a repository at a revision.
        also: Further buildpacks, against which the same scenarios are run.
        sandbox: A sandbox's name; None for the first that works here.
        image: An image in a form that the sandbox takes; None for the harness's own stack image.
        store: What is kept between runs.
        pythons: Versions of kept runtimes, the default one first; empty to choose.
        compare: Globs of more roots to compare, relative to the build dir.
        tools: Exact pins that the index serves besides those found in the buildpack.
        limits: What one build may use.
        keep: Whether the work folder stays for a look at it.
        fresh: Whether builds that earlier runs stored are passed over.
        tape: The file of a tape, from which builds are answered what their scenarios lack.
        recording: Whether what the tape lacks is asked of the real hosts, for the tape.
        anew: Whether a recording begins with an empty tape, whatever the file holds.
    """

    buildpack: str = DEFAULT_BUILDPACK
    also: tuple[str, ...] = ()
    sandbox: str | None = None
    image: str | None = None
    store: Store
    pythons: tuple[str, ...] = ()
    compare: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    keep: bool = False
    fresh: bool = False
    tape: Path | None = None
    recording: bool = False
    anew: bool = False

    @property
    def buildpacks(self) -> tuple[str, ...]:
        """Every buildpack that is asked for, each once."""
        return tuple(dict.fromkeys((self.buildpack, *self.also)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a build works: a folder that is not there yet, in memory or on disk."""

    folder: Path
    in_memory: bool = False


class Session:
    """What builds run with; safe to use from several threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        workspace: Workspace,
        sandbox: Sandbox,
        image: str,
        image_identity: str,
        runtimes: tuple[Runtime, ...],
        remover: Remover,
        fetcher: Fetcher,
        sandbox_identity: str = "",
        beyond: Tape | Recorder | None = None,
        ahead: PythonsAhead | None = None,
    ) -> None:
        """Used by `open`, which makes the parts and removes them."""
        self.settings = settings
        self.beyond = beyond
        self.sandbox = sandbox
        self.image = image
        self.builds = BuildStore(settings.store, fresh=settings.fresh)
        self._image_identity = image_identity
        self._sandbox_identity = sandbox_identity
        self._remover = remover
        self._fetcher = fetcher
        self._room = Room(workspace.memory)
        self._workspace = workspace
        self._authority = Authority()
        self._lock = threading.RLock()
        self._buildpacks: dict[str, Buildpack] = {}
        self._repositories: Once[str, Path] = Once()
        self._releases: Once[str, Release] = Once()
        self._tools: dict[str, tuple[str, ...]] = {}
        self._served_digests: dict[tuple[str, str, Wanted, tuple[Offer, ...]], str] = {}
        self._folders = 0
        scratch = workspace.folder / "internet"
        trust = workspace.folder / "trust"
        served = workspace.folder / "served"
        for folder in (scratch, trust, served):
            folder.mkdir()
        self._pythons = PythonShelf(
            runtimes,
            preferred=settings.pythons,
            ahead=ahead or PythonsAhead(settings.store, None),
            folder=served,
        )
        self.server = InternetServer(
            self._authority, scratch=scratch, indexes=(PythonIndex(),), beyond=beyond
        )
        self.trust: tuple[tuple[Mount, ...], tuple[tuple[str, str], ...]] = (
            trust_mounts(self._authority, trust),
            tuple(trust_env().items()),
        )

    @classmethod
    @contextmanager
    def open(cls, settings: Settings, *, observer: Observer | None = None) -> Iterator[Self]:
        """Sweeps what dead runs left, makes what is missing, and yields the session.

        Raises:
            HarnessError: The sandbox, the image, a runtime or the buildpack is not to be had.
        """
        tell = (observer or Silent()).note
        store = settings.store
        with ExitStack() as exits:
            sweep(store)
            workspace = exits.enter_context(Workspace.open(store, keep=settings.keep))
            name = choose(settings.sandbox)
            # What a person may have mistyped is looked at before anything long is begun.
            beyond = exits.enter_context(_beyond(settings, workspace.folder / "tape"))
            buildpacks = workspace.folder / "buildpacks"
            for spec in settings.buildpacks:
                resolve(spec, store=store, into=buildpacks)
            fetcher = exits.enter_context(Fetcher(store, beyond))
            if settings.image is None:
                # On their way while the image is made.
                fetcher.begin(Wanted(tools=BASE_TOOLS))
            image, runtimes, own = _image(settings, backend(name), tell)
            sandbox = open_sandbox(
                name,
                SandboxSettings(image=image, run=workspace.id, scratch=workspace.scratch(name)),
            )
            exits.callback(sandbox.close)
            session = cls(
                settings,
                workspace=workspace,
                sandbox=sandbox,
                sandbox_identity=identity_of(name, sandbox),
                image=image.name,
                # What is not named by its content may be another thing tomorrow.
                image_identity=image.identity or workspace.id,
                runtimes=runtimes,
                remover=exits.enter_context(Remover()),
                fetcher=fetcher,
                beyond=beyond,
                ahead=PythonsAhead(store, own, on_line=tell),
            )
            with session.builds.in_use():
                try:
                    yield session
                finally:
                    if settings.recording and not settings.keep:
                        # Nobody will ever ask for them: what they saw has no name but this run's.
                        session.builds.forget_own()
            try:
                session.builds.make_room()
            except StoreError as error:
                # What the run found is worth more than room.
                tell(f"no room was made in the store: {error.message}")

    @property
    def work_folder(self) -> Path:
        """The run's own folder."""
        return self._workspace.folder

    def folder(self, name: str, *, within: Path | None = None) -> Path:
        """The path of a new folder in the run's work folder, or another; it is not made."""
        with self._lock:
            self._folders += 1
            within = within or self._workspace.folder / "builds"
            return within / f"{self._folders:04}-{name}"

    @contextmanager
    def place(self, name: str, *, cache: int = 0, on_disk: bool = False) -> Iterator[Place]:
        """Gives a build a place to work in: in memory as long as there is room, else on disk.

        Args:
            name: What its folder is called after.
            cache: Bytes of the cache that it is given.
            on_disk: Whether it has to be on disk.
        """
        if on_disk:
            yield Place(folder=self.folder(name))
            return
        with self._room.held(cache=cache, memory=self.settings.limits.memory) as memory:
            yield Place(folder=self.folder(name, within=memory), in_memory=memory is not None)

    def done_with(self, folder: Path, built: Built | None = None) -> None:
        """Has a build's folder removed soon, unless it is to be looked at: then it is completed."""
        if not self.settings.keep or built is None:
            self._remover.remove(folder)
            return
        (folder / "stored").symlink_to(built.folder.absolute())

    def pythons(self, slots: frozenset[str], buildpack: str) -> dict[str, str]:
        """The version that each Python slot stands for.

        Unless the operator named them, those that the buildpack knows of come first, the nearest to
        3.11 before others: most releases of most tools run on that one.

        Raises:
            RuntimeArchiveError: There are fewer runtimes at hand than the slots need.
        """
        chosen = self._pythons.slots(slots, self.buildpack(buildpack))
        missing = sorted(slots - chosen.keys())
        if missing:
            raise RuntimeArchiveError(
                f"no runtime is at hand for ${{python@{missing[0]}}}: there are"
                f" {', '.join(chosen.values()) or 'none'}",
                hint="`cache-harness runtime pack PREFIX` packs an installed CPython",
            )
        return chosen

    def stand_ins(self, commit: Commit, requests: Iterable[Request]) -> tuple[StandIn, ...]:
        """The Pythons that builds of a commit asked for and got another release in their place.

        Args:
            commit: The commit.
            requests: What its builds asked for.
        """
        return self._pythons.stand_ins(
            self.buildpack_of(commit), commit.stage.world.stack, self._offers_at(commit), requests
        )

    def _offers_at(self, commit: Commit) -> tuple[Offer, ...]:
        history = commit.history
        return self._pythons.offers((self.buildpack_of(one), one.stage.tree) for one in history)

    def buildpack(self, spec: str) -> Buildpack:
        """The buildpack that a spec names, brought once."""
        with self._lock:
            if spec not in self._buildpacks:
                into = self._workspace.folder / "buildpacks"
                self._buildpacks[spec] = resolve(spec, store=self.settings.store, into=into)
            return self._buildpacks[spec]

    def buildpack_of(self, commit: Commit) -> Buildpack:
        """The buildpack that builds a commit."""
        return self.buildpack(commit.buildpack)

    def begin_run(self) -> None:
        """What failed in a run before may be tried once more in this one."""
        self._fetcher.forget_failures()

    def begin_fetching(self, spec: str, stages: Iterable[Stage]) -> None:
        """Begins to fetch the build tools that builds of some stages will be offered.

        What of it cannot be had is told where it is needed.

        Raises:
            HarnessError: The buildpack is not to be had.
        """
        history: list[tuple[Buildpack, Tree]] = []
        for stage in stages:
            buildpack = self.buildpack(at_revision(spec, stage.world.buildpack))
            history.append((buildpack, stage.tree))
            offered = self._pythons.offers(history)
            self._fetcher.begin(self._wanted(buildpack, stage, offered))

    def roots(self, commit: Commit) -> tuple[str, ...]:
        """Globs of what is compared, relative to the build dir."""
        return (*self.buildpack_of(commit).kind.roots, *self.settings.compare)

    def not_deployed(self, commit: Commit) -> tuple[str, ...]:
        """Globs of what is passed over below these roots."""
        return self.buildpack_of(commit).kind.not_deployed

    def inputs(self, commit: Commit) -> Inputs:
        """All that goes into a build of a commit, but its cache.

        Raises:
            HarnessError: A release does not build, or a build tool cannot be fetched.
        """
        world, buildpack = commit.stage.world, self.buildpack_of(commit)
        return Inputs(
            app=commit.stage.tree,
            mtime=commit.mtime,
            buildpack=buildpack,
            internet=self._internet(commit, buildpack),
            env=world.env,
            stack=world.stack,
            build_path=commit.build_path,
            row=_row(commit),
            cache_apart=commit.cache_apart,
            limits=self.settings.limits,
        )

    def tools(self, commit: Commit) -> frozenset[str]:
        """Normalised names of the projects that only serve to install what a commit's app needs.

        Raises:
            HarnessError: A build tool cannot be fetched.
        """
        wanted = self._wanted(self.buildpack_of(commit), commit.stage, self._offers_at(commit))
        offered = self._fetcher.releases(wanted)
        names = {*TOOLS, *(canonicalize_name(tool.project) for tool in offered)}
        return frozenset(map(str, names)) - required(commit.stage.tree)

    def inputs_digest(self, commit: Commit) -> str:
        """The sha256, in hex, of all that has a say in a build of a commit, but its cache.

        Releases count by what they are built from, so that nothing is built to know it.

        Raises:
            HarnessError: The buildpack is not to be had, or a build tool cannot be fetched.
        """
        world, buildpack = commit.stage.world, self.buildpack_of(commit)
        limits = self.settings.limits
        parts = (
            code_digest(without=NOT_BUILDING),
            (self.sandbox.name, self._sandbox_identity, self._image_identity),
            (limits.memory, limits.processes, limits.output, limits.file_size),
            (buildpack.digest, buildpack.kind.name, buildpack.kind_identity),
            # The recipe as well: a kind may act on more than its code and the buildpack.
            own_recipe(
                buildpack,
                stack=world.stack,
                build_path=commit.build_path,
                cache_apart=commit.cache_apart,
            ),
            (self.roots(commit), self.not_deployed(commit)),
            (world.env, world.stack, commit.build_path, commit.mtime, commit.cache_apart),
            [(one.name, digest(one.files)) if one else "" for one in _row(commit)],
            digest(commit.stage.tree),
            self._surroundings(commit, buildpack),
        )
        return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()

    def _surroundings(self, commit: Commit, buildpack: Buildpack) -> object:
        """What the sealed internet would answer, told by what its answers are made from."""
        scenario, world = commit.scenario, commit.stage.world
        # A fork answers for each of its revisions, whether or not a branch leads there.
        forks = sorted(
            (fork.owner, fork.name, sorted(fork.shas.values())) for fork in scenario.forks
        )
        tips = [(tip.fork, tip.branch, tip.sha) for tip in world.branches]
        tags = [(tag.fork, tag.tag, tag.sha) for tag in world.tags]
        releases = [(one.fork, one.sha, one.yanked, one.host) for one in world.releases]
        beyond = self.beyond.identity if self.beyond else ""
        return forks, tips, tags, releases, self._served_digest(buildpack, commit), beyond

    def _served_digest(self, buildpack: Buildpack, commit: Commit) -> str:
        """The digest of the tools and downloads that a commit's builds can reach."""
        stack, offered = commit.stage.world.stack, self._offers_at(commit)
        wanted = self._wanted(buildpack, commit.stage, offered)
        key = (buildpack.digest, stack, wanted, offered)
        with self._lock:
            if key not in self._served_digests:
                tools = self._fetcher.releases(wanted)
                files = [(file.name, file.sha256) for tool in tools for file in tool.files]
                downloads = [
                    (one.host, one.path, one.sha256)
                    for one in self._downloads(buildpack, stack, tools, offered)
                ]
                text = repr((files, downloads))
                self._served_digests[key] = hashlib.sha256(text.encode()).hexdigest()
            return self._served_digests[key]

    def _internet(self, commit: Commit, buildpack: Buildpack) -> Internet:
        scenario, world = commit.scenario, commit.stage.world
        forks = {fork.name: fork for fork in scenario.forks}
        offered = self._offers_at(commit)
        tools = self._fetcher.releases(self._wanted(buildpack, commit.stage, offered))
        repositories = tuple(
            Repository(
                owner=fork.owner,
                name=fork.name,
                objects=self._repository(fork),
                refs=_references(world, fork.name),
                head=_head(world, fork.name),
            )
            for fork in scenario.forks
        )
        releases = tuple(self._release(forks[release.fork], release) for release in world.releases)
        return Internet(
            repositories=repositories,
            releases=(*releases, *tools),
            downloads=tuple(self._downloads(buildpack, world.stack, tools, offered)),
        )

    def _wanted(self, buildpack: Buildpack, stage: Stage, offered: tuple[Offer, ...]) -> Wanted:
        """The build tools, and the package managers, that builds of a stage are offered."""
        folder = buildpack.folder
        with self._lock:
            if buildpack.digest not in self._tools:
                tools = (*BASE_TOOLS, *pinned_tools(folder), *self.settings.tools)
                self._tools[buildpack.digest] = tuple(dict.fromkeys(tools))
            tools = self._tools[buildpack.digest]
        return Wanted(
            tools=tools,
            managers=pinned_managers(folder, stage.tree.entries.keys()),
            pythons=self._pythons.of_managers(buildpack, offered),
        )

    def _repository(self, fork: Fork) -> Path:
        key = hashlib.sha256(repr(sorted(fork.shas.items())).encode()).hexdigest()[:16]
        into = self._workspace.folder / "forks" / key
        return self._repositories.get(key, lambda: play_fork(fork, into))

    def _release(self, fork: Fork, published: PublishedRelease) -> Release:
        release = self._releases.get(
            published.sha,
            lambda: build_release(
                fork.revision(published.revision).checkout,
                label=f"{fork.name}@{published.revision}",
                tools=self._fetcher.releases(Wanted(tools=BASE_TOOLS)),
                store=self.settings.store,
                sandbox=self.sandbox,
                scratch=self._workspace.folder,
            ),
        )
        return replace(release, yanked=published.yanked, host=published.host)

    def _downloads(
        self,
        buildpack: Buildpack,
        stack: str,
        tools: tuple[Release, ...],
        offered: tuple[Offer, ...],
    ) -> Iterator[Download]:
        fields = served_fields(stack)
        wheels = [file for tool in tools for file in tool.files]
        for route in buildpack.kind.routes:
            if route.serves.startswith(_PROGRAMS):
                yield from self._programs(route, tools, fields)
            elif route.serves == "tool":
                for wheel in wheels:
                    path = route.path.format(wheel=wheel.name, **fields)
                    yield Download(host=route.host, path=path, file=wheel.path, sha256=wheel.sha256)
            else:
                yield from self._pythons.downloads(route, buildpack, offered, fields)

    def _programs(
        self, route: Route, tools: tuple[Release, ...], fields: Mapping[str, str]
    ) -> Iterator[Download]:
        """A tool's programs as their maker publishes them."""
        for tool in tools:
            if tool.project == route.serves.removeprefix(_PROGRAMS):
                path = route.path.format(version=tool.version, **fields)
                folder = path.rpartition("/")[2].removesuffix(".tar.gz")
                (wheel, *_) = tool.files
                file = programs_archive(wheel.path, folder=folder, store=self.settings.store)
                yield Download(host=route.host, path=path, file=file.path, sha256=file.sha256)


def _references(world: World, fork: str) -> tuple[tuple[str, str], ...]:
    """The full names of a fork's branches and tags and the SHAs that they point to, sorted."""
    tips = [(f"refs/heads/{tip.branch}", tip.sha) for tip in world.branches if tip.fork == fork]
    tags = [(f"refs/tags/{tag.tag}", tag.sha) for tag in world.tags if tag.fork == fork]
    return tuple(sorted((*tips, *tags)))


def _head(world: World, fork: str) -> str:
    """The full name of the branch that a clone of a fork has checked out."""
    branches = [tip.branch for tip in world.branches if tip.fork == fork]
    return f"refs/heads/{'main' if 'main' in branches else branches[0]}"


def _row(commit: Commit) -> tuple[Neighbour | None, ...]:
    fixtures = commit.scenario.fixtures
    return tuple(
        None if name == SUBJECT else Neighbour(name=name, files=fixtures[name])
        for name in commit.stage.world.buildpacks
    )


@contextmanager
def _beyond(settings: Settings, folder: Path) -> Iterator[Tape | Recorder | None]:
    """What answers where scenarios have nothing.

    Raises:
        TapeError: The tape cannot be read, or could not be written.
    """
    path = settings.tape
    if path is None:
        yield None
        return
    if settings.recording and (path.is_dir() or not path.parent.is_dir()):
        raise TapeError(
            f"--tape {path} cannot be written", hint="name a file in a folder that is there"
        )
    if not settings.recording and not path.exists():
        raise TapeError(
            f"--tape {path}: there is no such file",
            hint=f"`cache-harness record … --tape {path}` records one",
        )
    with ExitStack() as exits:
        tape = None
        if not settings.recording or (path.exists() and not settings.anew):
            tape = exits.enter_context(Tape.open(path, folder / "before"))
        if tape is not None and not settings.recording:
            yield tape
            return
        yield Recorder(
            tape, folder=folder / "new", upstream=Upstream(), routes=Routes((PythonIndex(),))
        )


def _check_pythons(settings: Settings, runtimes: tuple[Runtime, ...]) -> None:
    at_hand = {runtime.version for runtime in runtimes}
    for version in settings.pythons:
        if version not in at_hand:
            raise RuntimeArchiveError(
                f"--python {version}: there is no runtime of that version",
                hint="`cache-harness runtime list` shows those at hand;"
                " `cache-harness runtime pack PREFIX` packs another",
            )


def _image(
    settings: Settings, kind: Backend, tell: Callable[[str], None]
) -> tuple[BaseImage, tuple[Runtime, ...], Image | None]:
    """What builds run in, and the runtimes for it.

    Returns:
        The image as the sandbox takes it, the runtimes that work in it, and the image itself where
        it is the harness's own.

    Raises:
        HarnessError: The image cannot be used by that sandbox, or cannot be built.
    """
    asked, store = settings.image, settings.store
    if asked is None:
        image = build_image(store, on_line=tell)
        ready = kind.stack_image(image)
        runtimes = ensure_runtimes(store, image, on_line=tell)
        named = [each for each in available_runtimes(store) if each.version in settings.pythons]
        runtimes = tuple(dict.fromkeys((*named, *runtimes)))
        _check_pythons(settings, runtimes)
        return ready, runtimes, image
    runtimes = tuple(
        each
        for each in available_runtimes(store)
        if not each.on_demand or each.version in settings.pythons
    )
    _check_pythons(settings, runtimes)
    return kind.named_image(asked), runtimes, None
