"""Caches kept as listings over one content store: shared, exact, and never written again."""

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from ordinary_users import as_an_ordinary_user

from harness.errors import CacheError, HarnessError, ManifestError, StoreError
from harness.storage import content_store as pool_module
from harness.storage.caches.listing import pack, unpack
from harness.storage.caches.restore import lay_out
from harness.storage.caches.save import record
from harness.storage.content_store import SPARSE, ContentStore
from harness.trees.directory import Directory
from harness.trees.removal import remove_tree


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return filled(tmp_path / "cache")


def filled(folder: Path) -> Path:
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "file").write_bytes(b"content")
    (folder / "lib" / "same").write_bytes(b"content")
    return folder


@pytest.fixture
def content_store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "pool", headed=(".pyc",))


def kept(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "pool").rglob("*") if path.is_file()]


def test_what_is_alike_is_kept_once_and_laid_out_apart(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    listing = record(cache, content_store)
    (only,) = kept(tmp_path)
    before = only.stat()
    record(cache, content_store)
    assert only.stat() == before
    copy = tmp_path / "copy"
    lay_out(listing, content_store, copy)
    assert not (copy / "lib" / "file").samefile(copy / "lib" / "same")
    (copy / "lib" / "file").write_bytes(b"POISON!")
    assert (copy / "lib" / "same").read_bytes() == b"content"
    assert only.read_bytes() == b"content"


def test_hard_links_are_one_file_again(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    (cache / "deep").mkdir()
    os.link(cache / "lib" / "file", cache / "deep" / "twin")
    (cache / "link").symlink_to("lib/file")
    os.link(cache / "link", cache / "lib" / "link", follow_symlinks=False)
    listing = record(cache, content_store)
    copy = tmp_path / "copy"
    lay_out(listing, content_store, copy)
    assert (copy / "lib" / "file").samefile(copy / "deep" / "twin")
    assert (copy / "link").lstat().st_ino == (copy / "lib" / "link").lstat().st_ino
    assert (copy / "lib" / "link").readlink() == Path("lib/file")
    assert (copy / "lib" / "file").stat().st_nlink == 2
    assert listing.size == 2 * len(b"content")


def test_holes_cost_neither_room_nor_time(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    size = 2**40
    with (cache / "huge").open("wb") as file:
        file.seek(3 * 2**20 + 5)
        file.write(b"in the middle")
        file.truncate(size)
    listing = record(cache, content_store)
    assert sum(content_store.rooms().values()) < 2**21
    copy = tmp_path / "copy"
    lay_out(listing, content_store, copy)
    with (copy / "huge").open("rb") as file:
        assert os.fstat(file.fileno()).st_size == size
        assert os.fstat(file.fileno()).st_blocks < 4096
        file.seek(3 * 2**20 + 5)
        assert file.read(14) == b"in the middle\0"
    assert list(content_store.verify()) == []
    assert record(cache, content_store) == listing


def test_extended_attributes_come_along(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    try:
        os.setxattr(cache / "lib" / "file", "user.note", b"\0\xff")
    except OSError:
        pytest.xfail("this file system has no extended attributes")
    lay_out(record(cache, content_store), content_store, tmp_path / "copy")
    assert os.getxattr(tmp_path / "copy" / "lib" / "file", "user.note") == b"\0\xff"
    assert os.listxattr(tmp_path / "copy" / "lib" / "same") == []


@pytest.mark.parametrize("mode", [0, 0o600])
def test_a_hard_link_to_a_file_in_a_closed_folder(mode: int) -> None:
    def work(folder: Path) -> None:
        cache, content_store = filled(folder / "cache"), ContentStore(folder / "pool")
        (cache / "z").mkdir()
        os.link(cache / "lib" / "file", cache / "z" / "twin")
        (cache / "lib").chmod(mode)
        copy = folder / "copy"
        lay_out(record(cache, content_store), content_store, copy)
        assert (copy / "lib").stat().st_mode & 0o777 == mode
        (copy / "lib").chmod(0o700)
        assert (copy / "lib" / "file").samefile(copy / "z" / "twin")
        (cache / "lib").chmod(0o700)

    as_an_ordinary_user(work)


def test_a_hard_link_to_a_file_by_a_path_longer_than_the_system_takes(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    way = [os.open(cache, os.O_RDONLY)]
    try:
        for _ in range(20):
            os.mkdir("d" * 240, dir_fd=way[-1])
            way.append(os.open("d" * 240, os.O_RDONLY, dir_fd=way[-1]))
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=way[-1]))
        os.link("f", "g", src_dir_fd=way[-1], dst_dir_fd=way[-1])
    finally:
        for folder in way:
            os.close(folder)
    listing = record(cache, content_store)
    lay_out(listing, content_store, tmp_path / "copy")
    assert record(tmp_path / "copy", content_store) == listing
    for each in (cache, tmp_path / "copy"):
        remove_tree(each)  # pytest cannot


def test_a_cache_too_deep_is_that_cache_s_fault(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    folder = cache
    for _ in range(250):
        folder /= "d"
    folder.mkdir(parents=True)
    with pytest.raises(CacheError, match="folders deep"):
        record(cache, content_store)


def test_a_folder_that_cannot_be_read_is_that_cache_s_fault(
    cache: Path, content_store: ContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("harness.storage.caches.save.os.scandir", fails)
    with pytest.raises(ManifestError, match="Too many open files"):
        record(cache, content_store)


def test_what_cannot_be_laid_out_is_that_cache_s_fault_unless_there_is_no_room(
    cache: Path, content_store: ContentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = record(cache, content_store)
    for number, kind in ((errno.EIO, CacheError), (errno.ENOSPC, StoreError)):

        def fails(*_: object, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(content_store, "copy", fails)
        with pytest.raises(HarnessError) as caught:
            lay_out(listing, content_store, tmp_path / "copy")
        assert type(caught.value) is kind
        assert not (tmp_path / "copy").exists()


def test_scattered_pages_grow_neither_in_the_pool_nor_in_a_copy(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    with (cache / "scattered").open("wb") as file:
        for number in range(50):
            file.seek(number * 2**18 + 8192)
            file.write(b"x" * 4096)
        file.truncate(50 * 2**18)
    taken = (cache / "scattered").stat().st_blocks
    listing = record(cache, content_store)
    copy = tmp_path / "copy"
    lay_out(listing, content_store, copy)
    assert (copy / "scattered").read_bytes() == (cache / "scattered").read_bytes()
    assert (copy / "scattered").stat().st_blocks <= taken
    assert sum(content_store.rooms().values()) <= taken * 512 + 7
    assert record(copy, content_store) == listing


def test_a_content_s_name_does_not_depend_on_where_its_holes_are(
    cache: Path, content_store: ContentStore
) -> None:
    data = bytes(8192) + b"x" * 5000 + bytes(300_000) + b"y"
    for name, punched in (("one", True), ("other", False)):
        with (cache / name).open("wb") as file:
            if punched:
                file.seek(8192)
                file.write(data[8192:13192])
                file.seek(len(data) - 1)
                file.write(b"y")
            else:
                file.write(data)
    with (cache / "other").open("ab") as file:
        file.truncate(2**20)
    with (cache / "one").open("ab") as file:
        file.truncate(2**20)
    names = {
        entry.name: entry.content
        for folder in record(cache, content_store).folders
        for entry in folder.entries
        if entry.name in {"one", "other"}
    }
    assert names["one"] == names["other"]
    assert names["one"].endswith(SPARSE)


def test_a_folder_that_nobody_may_write_to_is_laid_out(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    (cache / "lib").chmod(0o500)
    lay_out(record(cache, content_store), content_store, tmp_path / "copy")
    assert (tmp_path / "copy" / "lib").stat().st_mode & 0o777 == 0o500
    assert (tmp_path / "copy" / "lib" / "file").read_bytes() == b"content"


DAMAGES = {
    "written": lambda file: (file.chmod(0o644), file.write_bytes(b"CONTENT")),
    "longer": lambda file: (file.chmod(0o644), file.write_bytes(b"contents")),
    "gone": lambda file: file.unlink(),
    "a link": lambda file: (file.rename(f"{file}-moved"), file.symlink_to(f"{file}-moved")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_content_is_not_laid_out_and_can_be_kept_anew(
    cache: Path, content_store: ContentStore, tmp_path: Path, damage: Callable[..., Any]
) -> None:
    listing = record(cache, content_store)
    (content,) = kept(tmp_path)
    damage(content)
    assert not content_store.has(content.name, 7)
    copy = tmp_path / "copy"
    with pytest.raises(CacheError):
        lay_out(listing, content_store, copy)
    assert not copy.exists()
    assert record(cache, content_store) == listing
    lay_out(listing, content_store, copy)
    assert (copy / "lib" / "file").read_bytes() == b"content"


UNREADABLE = {
    **DAMAGES,
    "closed": lambda file: file.chmod(0),
    "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
}
del UNREADABLE["gone"]


@pytest.mark.parametrize("damage", UNREADABLE.values(), ids=UNREADABLE)
def test_verify_removes_what_cannot_be_read(damage: Callable[..., Any]) -> None:
    def work(folder: Path) -> None:
        content_store = ContentStore(folder / "pool")
        record(filled(folder / "cache"), content_store)
        (content,) = kept(folder)
        damage(content)
        assert content.name in list(content_store.verify())
        assert not os.path.lexists(content)

    as_an_ordinary_user(work)


def test_verify_leaves_what_was_kept_anew_meanwhile(
    cache: Path, content_store: ContentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = record(cache, content_store)
    (content,) = kept(tmp_path)
    content.chmod(0o644)
    content.write_bytes(b"CONTENT")
    digest_at = pool_module._digest_at

    def and_then_it_is_kept_anew(path: Path, *, sparse: bool) -> str:
        found = digest_at(path, sparse=sparse)
        record(cache, content_store)
        return found

    monkeypatch.setattr(pool_module, "_digest_at", and_then_it_is_kept_anew)
    assert list(content_store.verify()) == []
    lay_out(listing, content_store, tmp_path / "copy")


def test_the_pool_is_read_while_others_keep_and_whatever_lies_there(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    record(cache, content_store)
    (tmp_path / "pool" / "stray").touch()
    (kept(tmp_path)[0].parent / "folder").mkdir()
    stop = threading.Event()

    def keeps() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            (cache / "lib" / "file").write_bytes(f"{number}".encode())
            record(cache, content_store)

    thread = threading.Thread(target=keeps)
    thread.start()
    try:
        for _ in range(200):
            content_store.rooms()
    finally:
        stop.set()
        thread.join()
    assert list(content_store.verify()) == []


def test_verify_reads_contents_and_removes_the_damaged(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    (cache / "other").write_bytes(b"other")
    listing = record(cache, content_store)
    name, size = next(found for found in listing.contents() if found[1] == 7)
    content = tmp_path / "pool" / name[:2] / name
    content.chmod(0o644)
    content.write_bytes(b"CONTENT")
    os.utime(content, ns=(0, 0))
    assert content_store.has(name, size)
    assert list(content_store.verify()) == [name]
    assert not content_store.has(name, size)
    assert list(content_store.verify()) == []


def test_what_no_cache_holds_and_what_was_never_finished_is_removed(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    listing = record(cache, content_store)
    (cache / "more").write_bytes(b"more")
    record(cache, content_store)
    (content,) = (path for path in kept(tmp_path) if path.read_bytes() == b"content")
    (content.parent / ".staged-x").write_bytes(b"half")
    assert sum(content_store.rooms().values()) == 15
    assert content_store.keep_only(dict(listing.contents())) == 8
    assert kept(tmp_path) == [content]


def test_a_content_that_is_another_by_now_is_not_kept(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    file = os.open(cache / "lib" / "file", os.O_RDONLY)
    try:
        with pytest.raises(ManifestError, match="changed while it was read"):
            content_store.add(file, "ab" * 32, 7)
    finally:
        os.close(file)
    assert kept(tmp_path) == []


def test_bytecode_that_differs_in_its_source_s_time_alone_is_kept_once(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    for number in (1, 2):
        (cache / f"m{number}.pyc").write_bytes(b"%16d" % number + b"code")
    (cache / "short.pyc").write_bytes(b"short")
    listing = record(cache, content_store)
    assert sorted(path.read_bytes() for path in kept(tmp_path)) == [b"code", b"content", b"short"]
    assert (listing.size, len(set(listing.contents()))) == (14 + 4 + 4 + 5, 3)
    copy = tmp_path / "copy"
    lay_out(
        unpack(pack(listing), digest=hashlib.sha256(pack(listing)).hexdigest()), content_store, copy
    )
    for name in ("m1.pyc", "m2.pyc", "short.pyc"):
        assert (copy / name).read_bytes() == (cache / name).read_bytes()


def test_a_listing_of_another_version_is_an_error() -> None:
    data = zstandard.compress(b'[[0, ["name", 0], []]]')
    with pytest.raises(CacheError, match="version"):
        unpack(data, digest=hashlib.sha256(data).hexdigest())


def test_a_damaged_listing_is_an_error() -> None:
    with pytest.raises(CacheError, match="damaged"):
        unpack(b"damaged", digest="0")


def test_a_listing_knows_what_it_takes(cache: Path, content_store: ContentStore) -> None:
    (cache / "lib" / "hole").touch()
    os.truncate(cache / "lib" / "hole", 4096)
    listing = record(cache, content_store)
    assert (listing.count, listing.size) == (4, 14 + 4096)
    assert sum(name.endswith(SPARSE) for name, _ in listing.contents()) == 1
    assert pack(listing) == pack(record(cache, content_store))


def test_an_unreadable_folder_is_given_back_its_mode(
    cache: Path, content_store: ContentStore, tmp_path: Path
) -> None:
    (cache / "closed").mkdir()
    (cache / "closed" / "file").write_bytes(b"in")
    (cache / "closed").chmod(0)
    lay_out(record(cache, content_store), content_store, tmp_path / "copy")
    for each in (cache, tmp_path / "copy"):
        assert (each / "closed").stat().st_mode & 0o777 == 0
        with Directory.top(each) as top, top.enter("closed") as closed:
            assert closed.listing().files == ["file"]
