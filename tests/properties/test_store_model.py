"""The store against a model: what is found after any sequence of what runs and people do to it."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from harness.errors import StoreError
from harness.runs import workspace
from harness.runs.workspace import Workspace, sweep
from harness.storage.builds import BuildStore, NewBuild, NewCache, NewTree
from harness.storage.judgements import Judgements
from harness.storage.store import Store
from harness.storage.stored_build import FACTS, StoredBuild
from harness.storage.upkeep import Upkeep
from harness.trees.scan import scan

# Few of each, so that processes meet at keys, and builds share contents.
KEYS = st.sampled_from([sha256(name).hexdigest() for name in (b"a", b"b", b"c")])
SEVERAL = st.lists(KEYS, min_size=1, unique=True)
CONTENTS = st.sampled_from([b"one", b"two" * 100, b"three" * 400])
PLACES = st.integers(0, 2)


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is kept of a build, and what is judged."""

    number: int


@dataclass(kw_only=True)
class Kept:
    """What the model knows of a stored build; `used` grows with each use of any."""

    instance: str
    number: int
    tree: bytes
    cache: bytes | None
    used: int
    damaged: bool = False


@dataclass(kw_only=True)
class Judged:
    """What the model knows of a stored judgement."""

    number: int
    used: int


@dataclass(kw_only=True)
class Process:
    """A process that uses the store, and what it stored itself."""

    builds: BuildStore[Record]
    judgements: Judgements[Record]
    fresh: bool
    own: set[str] = field(default_factory=set)
    own_judgements: set[str] = field(default_factory=set)


class KilledError(Exception):
    """Stands for SIGKILL."""


class Killing(Mapping[str, object]):
    """Texts of a build whose writer is killed when it comes to them.

    What it has written until then stays, in a copy, as the writer of this process tidies up.
    """

    def __init__(self, builds: Path) -> None:
        self._builds = builds

    def __iter__(self) -> Iterator[str]:
        (staged,) = (path for path in self._builds.glob("??/.staged-*") if path.stat().st_mtime > 9)
        left = staged.with_name(f".staged-killed{time.monotonic_ns()}")
        shutil.copytree(staged, left)
        os.utime(left, (1, 1))
        raise KilledError

    def __getitem__(self, name: str) -> object:
        raise KeyError(name)

    def __len__(self) -> int:
        return 1


class StoreModel(RuleBasedStateMachine):
    """Two processes, one of them fresh, more that come later, and a person who prunes."""

    def __init__(self) -> None:
        super().__init__()
        self.exits = ExitStack()
        self.folder = Path(self.exits.enter_context(tempfile.TemporaryDirectory()))
        # Whatever dead runs of this user left in memory is not this model's.
        self.exits.enter_context(patch.object(workspace, "folder_of_runs", lambda: None))
        self.store = Store(root=self.folder / "store")
        self.upkeep = Upkeep(self.store)
        self.processes = [self.process(fresh=False), self.process(fresh=True)]
        self.kept: dict[str, Kept] = {}
        self.judged: dict[str, Judged] = {}
        self.lost: set[bytes] = set()
        self.live: dict[str, ExitStack] = {}
        self.dead: set[str] = set()
        self.now = 1000

    def teardown(self) -> None:
        for run in self.live.values():
            run.close()
        self.exits.close()

    def process(self, *, fresh: bool) -> Process:
        builds = BuildStore(self.store, Record, fresh=fresh)
        judgements = Judgements(self.store, Record, fresh=fresh)
        return Process(builds=builds, judgements=judgements, fresh=fresh)

    def tick(self) -> int:
        self.now += 1
        return self.now

    def new_build(
        self, tree: bytes, cache: bytes | None, texts: Mapping[str, object]
    ) -> NewBuild[Record]:
        """A build that has ended in a folder of its own."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        for name, data in (("tree", tree), ("cache", cache)):
            if data is not None:
                (folder / name).mkdir()
                (folder / name / "file").write_bytes(data)
        (folder / "log").write_bytes(b"a line\n")
        manifest = scan(folder / "tree", (".",))
        caches = (NewCache(name="cache", folder=folder / "cache"),) if cache is not None else ()
        return NewBuild(
            record=Record(number=self.tick()),
            log=folder / "log",
            trees=(NewTree(name="app", path="/app", folder=folder / "tree", manifest=manifest),),
            caches=caches,
            texts=texts,
        )

    def set_used(self, path: Path) -> int:
        """Has the file of something that was just used tell the model's time."""
        os.utime(path, (self.now, self.now))
        return self.now

    # --- what runs do --------------------------------------------------------------------------

    @initialize(
        builds=st.lists(
            st.tuples(PLACES, KEYS, CONTENTS, st.none() | CONTENTS), min_size=1, max_size=4
        )
    )
    def first_builds(self, builds: list[tuple[int, str, bytes, bytes | None]]) -> None:
        for place, key, tree, cache in builds:
            self.keep(place, key, tree, cache)

    @rule(place=PLACES, key=KEYS, tree=CONTENTS, cache=st.none() | CONTENTS)
    def keep(self, place: int, key: str, tree: bytes, cache: bytes | None) -> None:
        process = self.processes[place % len(self.processes)]
        new = self.new_build(tree, cache, {})
        built = process.builds.keep(key, new, parent=None)
        self.kept[key] = Kept(
            instance=built.facts.instance,
            number=new.record.number,
            tree=tree,
            cache=cache,
            used=self.set_used(built.folder / FACTS),
        )
        process.own.add(key)
        self.lost -= {tree, cache or tree}

    @rule(place=PLACES, key=KEYS, tree=CONTENTS, cache=st.none() | CONTENTS)
    def writer_is_killed(self, place: int, key: str, tree: bytes, cache: bytes | None) -> None:
        process = self.processes[place % len(self.processes)]
        new = self.new_build(tree, cache, Killing(self.store.builds))
        with pytest.raises(KilledError):
            process.builds.keep(key, new, parent=None)
        # What was there before is gone, and nothing came in its place.
        self.kept.pop(key, None)
        self.lost -= {tree, cache or tree}

    @rule(place=PLACES, keys=SEVERAL)
    def find(self, place: int, keys: list[str]) -> None:
        for key in keys:
            self.find_one(self.processes[place % len(self.processes)], key)

    def find_one(self, process: Process, key: str) -> None:
        wanted = self.kept.get(key)
        if wanted is None or (process.fresh and key not in process.own):
            assert process.builds.find(key) is None
        elif wanted.damaged:
            with pytest.raises(StoreError, match=key[:12]):
                process.builds.find(key)
            del self.kept[key]
        else:
            found = process.builds.find(key)
            assert found is not None
            self.tick()
            wanted.used = self.set_used(found.folder / FACTS)
            self.as_it_was(process.builds, found, wanted)

    def as_it_was(
        self, builds: BuildStore[Record], found: StoredBuild[Record], wanted: Kept
    ) -> None:
        assert (found.facts.instance, found.record.number) == (wanted.instance, wanted.number)
        if wanted.tree not in self.lost:
            assert found.contents().read(found.manifest().entries["file"]) == wanted.tree
        has_cache = wanted.cache is not None and wanted.cache not in self.lost
        assert builds.has_caches(found) == has_cache
        if has_cache:
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                builds.lay_out_cache(found, "cache", Path(folder, "copy"))
                assert Path(folder, "copy", "file").read_bytes() == wanted.cache

    @rule(place=PLACES, key=KEYS)
    def drop(self, place: int, key: str) -> None:
        self.processes[place % len(self.processes)].builds.drop(key)
        self.kept.pop(key, None)

    @rule(place=PLACES, key=KEYS)
    def keep_judgement(self, place: int, key: str) -> None:
        process = self.processes[place % len(self.processes)]
        number = self.tick()
        process.judgements.keep(key, Record(number=number))
        used = self.set_used(self.store.judgements / key[:2] / key)
        self.judged[key] = Judged(number=number, used=used)
        process.own_judgements.add(key)

    @rule(place=PLACES, keys=SEVERAL)
    def find_judgements(self, place: int, keys: list[str]) -> None:
        for key in keys:
            self.find_judgement(self.processes[place % len(self.processes)], key)

    def find_judgement(self, process: Process, key: str) -> None:
        wanted = self.judged.get(key)
        found = process.judgements.find(key)
        if wanted is None or (process.fresh and key not in process.own_judgements):
            assert found is None
        else:
            assert found == Record(number=wanted.number)
            self.tick()
            wanted.used = self.set_used(self.store.judgements / key[:2] / key)

    @rule(place=PLACES)
    def forget_own(self, place: int) -> None:
        process = self.processes[place % len(self.processes)]
        process.builds.forget_own()
        process.judgements.forget_own()
        self.kept = {key: kept for key, kept in self.kept.items() if key not in process.own}
        self.judged = {
            key: judged for key, judged in self.judged.items() if key not in process.own_judgements
        }

    @rule(fresh=st.booleans())
    def another_process(self, fresh: bool) -> None:
        self.processes = [*self.processes[-2:], self.process(fresh=fresh)]

    # --- what goes wrong -----------------------------------------------------------------------

    @rule(key=KEYS)
    def damage(self, key: str) -> None:
        if key in self.kept:
            facts = self.store.builds / key[:2] / key / FACTS
            facts.write_bytes(b"damaged")
            self.kept[key].damaged = True

    @rule(content=CONTENTS)
    def lose_content(self, content: bytes) -> None:
        for path in self.contents(content):
            path.unlink()
            self.lost.add(content)

    def contents(self, content: bytes) -> list[Path]:
        files = self.store.contents.glob("??/*")
        return [path for path in files if path.read_bytes() == content]

    # --- what people do ------------------------------------------------------------------------

    @rule()
    def verify(self) -> None:
        damaged = {
            key
            for key, one in self.kept.items()
            if one.damaged or {one.tree, one.cache or one.tree} & self.lost
        }
        assert {key for key, _ in self.upkeep.verify()} == damaged
        for key in damaged:
            del self.kept[key]
        # What is whole was used by that, as far as the store can know.
        for key in sorted(self.kept):
            self.tick()
            self.kept[key].used = self.set_used(self.store.builds / key[:2] / key / FACTS)

    @rule(percent=st.integers(0, 110))
    def prune(self, percent: int) -> None:
        before = self.room()
        limit = before * percent // 100
        freed = self.upkeep.prune(limit=limit)
        self.forget_damaged()
        left = {one.build.facts.key: one for one in self.upkeep.listing()}
        newest_first = sorted(self.kept, key=lambda key: -self.kept[key].used)
        assert list(left)[::-1] == newest_first[: len(left)]
        with_caches = [key for key in newest_first if self.kept[key].cache is not None]
        kept_caches = [key for key in with_caches if key in left and left[key].has_caches]
        assert kept_caches == with_caches[: len(kept_caches)]
        if len(left) < len(newest_first):
            assert not kept_caches, "caches go before what is known of builds"
        for key in newest_first:
            if key not in left:
                del self.kept[key]
            elif key not in kept_caches:
                self.kept[key].cache = None
        if before <= limit:
            assert (freed, kept_caches, list(left)[::-1]) == (0, with_caches, newest_first)
        else:
            assert self.room() <= limit
            self.only_contents_that_are_held()

    @rule(age=st.integers(0, 10))
    def prune_what_is_old(self, age: int) -> None:
        oldest = self.now - age + 0.5
        self.upkeep.prune(age=time.time() - oldest)
        self.forget_damaged()
        self.kept = {key: kept for key, kept in self.kept.items() if kept.used >= oldest}
        if self.store.builds.exists():
            self.judged = {key: one for key, one in self.judged.items() if one.used >= oldest}
        self.only_contents_that_are_held()

    @rule(place=PLACES)
    def prune_while_it_is_used(self, place: int) -> None:
        with self.processes[place % len(self.processes)].builds.in_use():
            assert self.upkeep.prune(limit=0) is (None if self.store.builds.exists() else 0)

    def room(self) -> int:
        """Bytes that all builds which can be listed take, with the contents of all."""
        listed = sum(one.size + one.listings for one in self.upkeep.listing())
        return listed + sum(self.upkeep.contents_rooms())

    def forget_damaged(self) -> None:
        """Pruning removes them; so it does what was dropped, and locks."""
        if self.store.builds.exists():
            self.kept = {key: kept for key, kept in self.kept.items() if not kept.damaged}
            assert not list(self.store.builds.glob("??/.dropped-*"))

    def only_contents_that_are_held(self) -> None:
        held = {one.tree for one in self.kept.values()}
        held |= {one.cache for one in self.kept.values() if one.cache is not None}
        found = {path.read_bytes() for path in self.store.contents.glob("??/*")}
        assert found == held - self.lost

    # --- runs, and what dead ones left -----------------------------------------------------------

    @precondition(lambda self: len(self.live) < 2)
    @rule()
    def run_starts(self) -> None:
        run = ExitStack()
        opened = run.enter_context(Workspace.open(self.store))
        (opened.folder / "builds").mkdir()
        self.live[opened.id] = run

    @precondition(lambda self: self.live)
    @rule()
    def run_ends(self) -> None:
        name, run = self.live.popitem()
        run.close()
        assert not (self.store.runs / name).exists()

    @rule()
    def run_is_killed(self) -> None:
        name = f"{self.tick():012x}"
        (self.store.runs / name / "builds").mkdir(parents=True)
        (self.store.runs / name / "lock").touch()
        self.dead.add(name)

    @rule()
    def sweep(self) -> None:
        assert sweep(self.store, {}) == tuple(sorted(self.dead))
        self.dead.clear()
        assert not list(self.store.builds.glob("??/.staged-*"))

    # --- at any time -----------------------------------------------------------------------------

    @invariant()
    def nothing_else_is_listed(self) -> None:
        listed = [one.build.facts.key for one in self.upkeep.listing()]
        whole = {key: kept for key, kept in self.kept.items() if not kept.damaged}
        assert listed == sorted(whole, key=lambda key: whole[key].used)
        names = [path.name for path in self.store.judgements.glob("??/*")]
        assert sorted(names) == sorted(self.judged)
        runs = {path.name for path in self.store.runs.glob("[0-9a-f]*")}
        assert runs == {*self.live, *self.dead}


StoreModel.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestStore = StoreModel.TestCase
