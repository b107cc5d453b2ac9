"""Builds kept under the digest of what went in: found again, checked on reading, bounded."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import CacheError, HarnessError, StoreError
from harness.runs.workspace import sweep
from harness.storage.builds import BuildStore, NewBuild, NewCache, NewTree
from harness.storage.judgements import Judgements
from harness.storage.store import Store
from harness.storage.stored_build import StoredBuild
from harness.storage.upkeep import Upkeep
from harness.trees.explainer import ContentPolicy
from harness.trees.scan import scan

KEY = hashlib.sha256(b"key").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()
THIRD = hashlib.sha256(b"third").hexdigest()


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is kept of a build here."""

    status: int
    words: tuple[str, ...] = ()


RECORD = Record(status=3, words=("a", "b"))


def store_of(store: Store, **rest: Any) -> BuildStore[Record]:
    return BuildStore(store, Record, **rest)


def ran(
    folder: Path, *, built: bytes = b"built", content: bytes = b"content", with_cache: bool = True
) -> NewBuild[Record]:
    """A build that has just ended in a folder of its own, with a file in its tree and its cache."""
    for name, data in (("tree", built), ("cache", content)):
        (folder / name / "lib").mkdir(parents=True)
        (folder / name / "lib" / "file").write_bytes(data)
    (folder / "log").write_bytes(b"a line\n\xff\n")
    tree = folder / "tree"
    return NewBuild(
        record=RECORD,
        log=folder / "log",
        trees=(NewTree(name="app", path="/x/app", folder=tree, manifest=scan(tree, (".",))),),
        caches=(NewCache(name="cache", folder=folder / "cache"),) if with_cache else (),
        texts={"more": RECORD},
    )


def keep(
    builds: BuildStore[Record], folder: Path, key: str = KEY, *,
    parent: StoredBuild[Record] | None = None, aside: Path | None = None, **rest: Any,
) -> StoredBuild[Record]:  # fmt: skip
    new = ran(folder, **rest)
    return builds.keep(key, new, parent=parent, aside=aside)


def test_a_build_is_found_again_as_it_was(store: Store, tmp_path: Path) -> None:
    kept = keep(store_of(store), tmp_path / "run")
    found = store_of(store).find(KEY)
    assert found is not None
    assert found.facts == kept.facts
    assert (found.record, found.kept_text("more", Record)) == (RECORD, RECORD)
    assert (found.trees, found.place()) == (("app",), "/x/app")
    assert found.manifest() == scan(tmp_path / "run" / "tree", (".",))
    assert store_of(store).has_caches(found)
    store_of(store).lay_out_cache(found, "cache", tmp_path / "copy")
    assert (tmp_path / "copy" / "lib" / "file").read_bytes() == b"content"
    assert found.log_tail() == ("a line", "\N{REPLACEMENT CHARACTER}")
    entry = found.manifest().entries["lib/file"]
    assert found.contents().read(entry) == b"built"


def test_another_key_is_another_build(store: Store, tmp_path: Path) -> None:
    keep(store_of(store), tmp_path / "run")
    assert store_of(store).find(OTHER) is None


def test_a_build_knows_the_one_whose_cache_it_was_given(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    first = keep(builds, tmp_path / "first")
    second = keep(builds, tmp_path / "second", OTHER, parent=first)
    assert (first.facts.parent, second.facts.parent) == ("", first.facts.instance)


def test_what_runs_again_is_another_instance_in_the_place_of_the_first(
    store: Store, tmp_path: Path
) -> None:
    builds = store_of(store)
    first = keep(builds, tmp_path / "first")
    second = keep(builds, tmp_path / "second", content=b"other")
    found = builds.find(KEY)
    assert found is not None
    assert found.facts.instance == second.facts.instance != first.facts.instance


def test_a_build_that_is_put_aside_is_not_stored(store: Store, tmp_path: Path) -> None:
    kept = keep(store_of(store), tmp_path / "run", aside=tmp_path / "aside")
    assert not kept.stored
    assert kept.manifest().entries
    assert store_of(store).find(KEY) is None


@pytest.mark.parametrize("name", ["facts", "app.manifest"])
@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_a_damaged_build_is_dropped_and_the_key_is_free(
    store: Store, tmp_path: Path, name: str, damage: bytes | None
) -> None:
    kept = keep(store_of(store), tmp_path / "run")
    if damage is None:
        (kept.folder / name).unlink()
    else:
        (kept.folder / name).write_bytes(damage + (kept.folder / name).read_bytes()[:-9])
    builds = store_of(store)
    with pytest.raises(StoreError, match=KEY[:12]):
        builds.find(KEY)
    assert builds.find(KEY) is None
    keep(builds, tmp_path / "again")
    assert builds.find(KEY) is not None


def contents(store: Store) -> dict[bytes, Path]:
    return {path.read_bytes(): path for path in store.contents.rglob("*") if path.is_file()}


def test_builds_share_what_they_and_their_caches_hold(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    first = keep(builds, tmp_path / "1")
    second = keep(builds, tmp_path / "2", OTHER, built=b"content")
    assert set(contents(store)) == {b"built", b"content"}
    assert len(Upkeep(store).contents_rooms()) == 2
    assert builds.has_caches(first)
    assert builds.has_caches(second)


def test_a_cache_whose_contents_were_changed_is_no_cache(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    kept = keep(builds, tmp_path / "run")
    content = contents(store)[b"content"]
    content.chmod(0o644)
    content.write_bytes(b"CONTENT")
    assert not builds.has_caches(kept)
    with pytest.raises(CacheError):
        builds.lay_out_cache(kept, "cache", tmp_path / "copy")
    assert builds.has_caches(keep(builds, tmp_path / "again"))


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"")])
def test_a_cache_whose_listing_is_damaged_is_no_cache(
    store: Store, tmp_path: Path, damage: Callable[..., Any]
) -> None:
    builds = store_of(store)
    kept = keep(builds, tmp_path / "run")
    damage(kept.folder / "cache.cache")
    assert not builds.has_caches(kept)
    with pytest.raises(CacheError):
        builds.lay_out_cache(kept, "cache", tmp_path / "copy")


def test_a_cache_that_no_build_will_be_given_is_not_kept(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    kept = keep(builds, tmp_path / "run", with_cache=False)
    assert kept.facts.caches == ()
    assert not builds.has_caches(kept)
    assert set(contents(store)) == {b"built"}


def test_fresh_passes_over_what_earlier_runs_kept(store: Store, tmp_path: Path) -> None:
    keep(store_of(store), tmp_path / "run")
    Judgements(store, Record).keep(OTHER, RECORD)
    fresh = store_of(store, fresh=True)
    judged = Judgements(store, Record, fresh=True)
    assert (fresh.find(KEY), judged.find(OTHER)) == (None, None)
    keep(fresh, tmp_path / "again")
    judged.keep(OTHER, RECORD)
    assert fresh.find(KEY) is not None
    assert judged.find(OTHER) == RECORD


def test_a_judgement_is_found_again_unless_it_is_damaged(store: Store) -> None:
    judgements = Judgements(store, Record)
    judgements.keep(KEY, RECORD)
    assert judgements.find(KEY) == RECORD
    (file,) = store.judgements.glob("??/*")
    file.write_bytes(file.read_bytes()[:-5])
    assert judgements.find(KEY) is None
    judgements.keep(KEY, RECORD)
    assert judgements.find(KEY) == RECORD


def test_whoever_asks_second_waits_for_the_first(store: Store) -> None:
    order: list[str] = []
    held = threading.Event()

    def first() -> None:
        with store_of(store).only_one(KEY):
            held.set()
            time.sleep(0.2)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    held.wait(timeout=20)
    with store_of(store).only_one(OTHER):
        order.append("other")
    with store_of(store).only_one(KEY):
        order.append("second")
    thread.join()
    assert order == ["other", "first", "second"]


# --- size and age ------------------------------------------------------------------------------


def taken(store: Store) -> int:
    """Bytes that all that is stored takes."""
    upkeep = Upkeep(store)
    known = sum(one.size + one.listings for one in upkeep.listing())
    return known + sum(upkeep.contents_rooms())


def aged(built: StoredBuild[Record], seconds: float) -> StoredBuild[Record]:
    then = time.time() - seconds
    os.utime(built.folder / "facts", (then, then))
    return built


def test_the_least_recently_used_caches_go_first_then_what_is_known_of_the_builds(
    store: Store, tmp_path: Path
) -> None:
    builds = store_of(store)
    old = aged(keep(builds, tmp_path / "1", content=b"x" * 50_000), 1000)
    new = keep(builds, tmp_path / "2", OTHER, content=b"y" * 50_000)
    listings = {one.build.facts.key: one.listings for one in Upkeep(store).listing()}
    total = sum(Upkeep(store).contents_rooms()) + sum(
        one.size + one.listings for one in Upkeep(store).listing()
    )
    assert sum(Upkeep(store).contents_rooms()) == 100_005
    assert Upkeep(store).prune(limit=total) == 0
    assert Upkeep(store).prune(limit=total - 1) == 50_000 + listings[KEY]
    assert (builds.has_caches(old), builds.has_caches(new)) == (False, True)
    assert builds.find(KEY) is not None
    aged(old, 1000)
    Upkeep(store).prune(limit=0)
    assert Upkeep(store).listing() == ()
    assert builds.find(KEY) is None
    assert sum(Upkeep(store).contents_rooms()) == 0


def test_a_run_makes_more_room_than_it_must(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = store_of(store)
    for number, key in enumerate((KEY, OTHER, THIRD)):
        aged(keep(builds, tmp_path / str(number), key, content=key[:1].encode() * 50_000), -number)
    total = sum(Upkeep(store).contents_rooms()) + sum(
        one.size + one.listings for one in Upkeep(store).listing()
    )
    monkeypatch.setattr("harness.storage.upkeep._ROOMY", total - 60_000)
    monkeypatch.setattr("harness.storage.upkeep.DEFAULT_LIMIT", total)
    assert Upkeep(store).make_room() == 0
    monkeypatch.setattr("harness.storage.upkeep.DEFAULT_LIMIT", total - 1)
    assert 60_000 <= (Upkeep(store).make_room() or 0) < 102_000
    assert [one.has_caches for one in Upkeep(store).listing()] == [False, False, True]
    assert Upkeep(store).make_room() == 0


def test_a_content_that_a_cache_in_use_shares_stays(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    old = aged(keep(builds, tmp_path / "1", content=b"x" * 50_000), 1000)
    new = keep(builds, tmp_path / "2", OTHER, content=b"x" * 50_000)
    keep(builds, tmp_path / "3", THIRD, content=b"z" * 50_000)
    known = 5 + sum(one.size + one.listings for one in Upkeep(store).listing())
    assert sum(Upkeep(store).contents_rooms()) == 100_005
    assert Upkeep(store).prune(limit=known + 100_000) == 0
    aged(old, 1000)
    aged(new, 500)
    # Without the oldest cache's content nothing is won, as the next one shares it.
    gone = sum(one.listings for one in Upkeep(store).listing() if one.build.facts.key != THIRD)
    assert Upkeep(store).prune(limit=known + 50_000) == 50_000 + gone
    assert (builds.has_caches(old), builds.has_caches(new)) == (False, False)
    assert len(Upkeep(store).listing()) == 3


def test_a_listing_that_went_makes_room_for_builds(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    for number, key in enumerate((KEY, OTHER)):
        folder = tmp_path / str(number)
        keep(builds, folder, key)
    known = sum(one.size for one in Upkeep(store).listing())
    assert (Upkeep(store).prune(limit=known + len(b"built")) or 0) > 0
    assert len(Upkeep(store).listing()) == 2
    assert not any(one.has_caches for one in Upkeep(store).listing())


def test_what_a_build_that_stays_holds_stays_and_what_no_other_holds_goes(
    store: Store, tmp_path: Path
) -> None:
    builds = store_of(store)
    old = aged(keep(builds, tmp_path / "1", built=b"x" * 50_000, content=b"shared"), 1000)
    new = keep(builds, tmp_path / "2", OTHER, built=b"shared", with_cache=False)
    sizes = {one.build.facts.key: one.size for one in Upkeep(store).listing()}
    assert (Upkeep(store).prune(limit=sizes[OTHER] + 6) or 0) > 50_000
    assert not old.folder.exists()
    assert set(contents(store)) == {b"shared"}
    assert new.contents().read(new.manifest().entries["lib/file"]) == b"shared"
    assert Upkeep(store).prune(limit=sizes[OTHER] + 5) == sizes[OTHER] + 6
    assert contents(store) == {}


def test_holes_do_not_count_as_room(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    aged(keep(builds, tmp_path / "1"), 1000)
    build = ran(tmp_path / "2")
    os.truncate(tmp_path / "2" / "cache" / "lib" / "file", 2**40)
    kept = builds.keep(OTHER, build, parent=None)
    assert Upkeep(store).prune(age=10**6) == 0
    assert all(one.has_caches for one in Upkeep(store).listing())
    assert builds.has_caches(kept)


def test_a_build_dropped_by_another_process_has_no_cache(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    kept = keep(builds, tmp_path / "1")
    store_of(store).drop(KEY)
    assert not builds.has_caches(kept)
    with pytest.raises(CacheError, match="no longer stored"):
        builds.lay_out_cache(kept, "cache", tmp_path / "copy")
    keep(store_of(store), tmp_path / "2")
    assert not builds.has_caches(kept)


def test_what_nobody_used_for_long_goes(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    aged(keep(builds, tmp_path / "1"), 1000)
    keep(builds, tmp_path / "2", OTHER)
    judgements = Judgements(store, Record)
    judgements.keep(KEY, RECORD)
    (judgement,) = store.judgements.glob("??/*")
    os.utime(judgement, (1, 1))
    assert Upkeep(store).prune(age=500)
    assert [one.build.facts.key for one in Upkeep(store).listing()] == [OTHER]
    assert judgements.find(KEY) is None


def test_finding_a_build_counts_as_use(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    aged(keep(builds, tmp_path / "1"), 1000)
    builds.find(KEY)
    assert Upkeep(store).prune(age=500) == 0
    assert builds.find(KEY) is not None


def test_nothing_is_removed_while_somebody_uses_the_store(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    kept = keep(builds, tmp_path / "1")
    with store_of(store).in_use():
        builds.drop(KEY)
        assert Upkeep(store).prune(limit=0) is None
        assert list(kept.folder.parent.glob(".dropped-*/cache.cache"))
    assert Upkeep(store).prune(limit=0) == len(b"content") + len(b"built")
    assert not list(store.builds.glob("??/.*"))


def test_what_another_version_left_is_removed(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    old = keep(builds, tmp_path / "1")
    (old.folder / "facts").write_text("another version\n")
    (old.folder / "cache.cache").unlink()
    (old.folder / "cache" / "lib").mkdir(parents=True)
    kept = keep(builds, tmp_path / "2", OTHER)
    Upkeep(store).prune()
    assert not old.folder.exists()
    assert builds.has_caches(kept)


def test_pruning_an_empty_store_makes_nothing(store: Store) -> None:
    assert Upkeep(store).prune() == 0
    assert not store.root.exists()


# --- damage that only reading everything shows -------------------------------------------------


def test_verify_drops_a_build_whose_files_are_not_known_any_more(
    store: Store, tmp_path: Path
) -> None:
    builds = store_of(store)
    kept = keep(builds, tmp_path / "1")
    (kept.folder / "app.contents").write_bytes(b"damaged")
    assert [key for key, _ in Upkeep(store).verify()] == [KEY]
    assert builds.find(KEY) is None


def test_verify_drops_the_damaged_and_names_them(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    keep(builds, tmp_path / "whole")
    keep(builds, tmp_path / "bad", OTHER, built=b"other", with_cache=False)
    content = contents(store)[b"other"]
    content.chmod(0o644)
    content.write_bytes(b"OTHER")
    os.utime(content, (0, 0))
    assert [key for key, _ in Upkeep(store).verify()] == [OTHER]
    assert [one.build.facts.key for one in Upkeep(store).listing()] == [KEY]
    assert list(Upkeep(store).verify()) == []


# --- what goes wrong on the way ----------------------------------------------------------------


def run_python(script: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
    )  # fmt: skip


KEEPS = """
import resource, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import harness.storage.builds
from test_build_store import keep, store_of, Store
real = harness.storage.builds.dump
def slow(record):
    text = real(record)
    print("going", flush=True)
    time.sleep(float(sys.argv[4]))
    return text
harness.storage.builds.dump = slow
record = harness.storage.builds.record
def limited(*arguments):
    if limit := int(sys.argv[5]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    return record(*arguments)
harness.storage.builds.record = limited
try:
    keep(store_of(Store(root=Path(sys.argv[1]))), Path(sys.argv[2]), content=b"x" * 200)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_killed_process_leaves_no_half_build_and_the_next_sweep_its_folder(
    store: Store, tmp_path: Path
) -> None:
    process = run_python(KEEPS, store.root, tmp_path / "run", Path(__file__).parent, 60, 0)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "going\n"
        process.send_signal(signal.SIGKILL)
    (staged,) = store.builds.glob("??/.staged-*")
    assert store_of(store).find(KEY) is None
    then = time.time() - 3600
    os.utime(staged, (then, then))
    sweep(store)
    assert not staged.exists()
    keep(store_of(store), tmp_path / "again")


@pytest.mark.parametrize("limit", [300, 150], ids=["facts", "cache"])
def test_a_disk_without_room_leaves_the_store_as_it_was(
    store: Store, tmp_path: Path, limit: int
) -> None:
    arguments = (store.root, tmp_path / "run", Path(__file__).parent, 0, limit)
    with run_python(KEEPS, *arguments) as process:
        said, trace = process.communicate()
    assert "StoreError cannot write to the store" in said, trace
    assert "free some room" in said
    assert not list(store.builds.glob("??/*"))
    assert not list(store.contents.glob("??/.*"))
    assert store_of(store).find(KEY) is None


def test_a_store_that_cannot_be_written_is_an_error_with_advice(
    store: Store, tmp_path: Path
) -> None:
    store.root.parent.mkdir(exist_ok=True)
    store.root.write_text("a file\n")
    with pytest.raises(HarnessError, match="cannot write to the store"):
        keep(store_of(store), tmp_path / "run")


def test_trees_and_caches_are_told_apart_by_their_names(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    first = ran(tmp_path / "run")
    layers, image = tmp_path / "layers", tmp_path / "image"
    for folder in (layers, image):
        folder.mkdir()
        (folder / "x").write_text(folder.name)
    new = replace(
        first,
        trees=(
            *first.trees,
            NewTree(name="layers", path="/layers", folder=layers, manifest=scan(layers, (".",))),
        ),
        caches=(*first.caches, NewCache(name="image", folder=image)),
    )
    builds.keep(KEY, new, parent=None)
    found = store_of(store).find(KEY)
    assert found is not None
    assert found.trees == ("app", "layers")
    assert (found.place("app"), found.place("layers")) == ("/x/app", "/layers")
    assert found.contents("layers").read(found.manifest("layers").entries["x"]) == b"layers"
    for name in ("cache", "image"):
        builds.lay_out_cache(found, name, tmp_path / f"copy-{name}")
    assert (tmp_path / "copy-image" / "x").read_text() == "image"
    assert (tmp_path / "copy-cache" / "lib" / "file").read_bytes() == b"content"
    assert list(Upkeep(store).verify()) == []
    (found.folder / "layers.manifest").write_text("{}")
    with pytest.raises(StoreError, match="damaged"):
        store_of(store).find(KEY)


def test_a_cache_may_stay_as_the_build_was_given_it(store: Store, tmp_path: Path) -> None:
    builds = store_of(store)
    before = keep(builds, tmp_path / "1", content=b"before")
    for key, parent, held in ((OTHER, before, {"lib/file"}), (THIRD, None, set())):
        new = replace(
            ran(tmp_path / key, content=b"of the failed build"),
            caches=(NewCache(name="cache", folder=None),),
        )
        kept = builds.keep(key, new, parent=parent)
        builds.lay_out_cache(kept, "cache", tmp_path / f"copy-{key}")
        copy = tmp_path / f"copy-{key}"
        files = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
        assert files == held
    assert (tmp_path / f"copy-{OTHER}" / "lib" / "file").read_bytes() == b"before"


def test_a_file_that_is_too_large_is_left_out_and_nothing_is_damaged(
    store: Store, tmp_path: Path
) -> None:
    builds = store_of(store, policy=ContentPolicy(always=4))
    kept = builds.keep(KEY, ran(tmp_path / "1"), parent=None)
    assert kept.facts.trees[0].left_out == ("lib/file",)
    assert list(Upkeep(store).verify()) == []
