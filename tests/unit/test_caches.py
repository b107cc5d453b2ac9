"""Caches kept as listings over one pool of contents: shared, exact, and never written again."""

import os
from pathlib import Path

import pytest

from harness.caches.laying import lay_out
from harness.caches.listing import pack, unpack
from harness.caches.pool import SPARSE, Pool
from harness.caches.record import record
from harness.errors import StoreError
from harness.folder import Folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "file").write_bytes(b"content")
    (folder / "lib" / "same").write_bytes(b"content")
    return folder


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path / "pool")


def kept(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "pool").rglob("*") if path.is_file()]


def test_what_is_alike_is_kept_once_and_laid_out_apart(cache, pool, tmp_path):
    listing = record(cache, pool)
    (only,) = kept(tmp_path)
    before = only.stat()
    record(cache, pool)
    assert only.stat() == before
    copy = tmp_path / "copy"
    lay_out(listing, pool, copy)
    assert not (copy / "lib" / "file").samefile(copy / "lib" / "same")
    (copy / "lib" / "file").write_bytes(b"POISON!")
    assert (copy / "lib" / "same").read_bytes() == b"content"
    assert only.read_bytes() == b"content"


def test_hard_links_are_one_file_again(cache, pool, tmp_path):
    (cache / "deep").mkdir()
    os.link(cache / "lib" / "file", cache / "deep" / "twin")
    (cache / "link").symlink_to("lib/file")
    os.link(cache / "link", cache / "lib" / "link", follow_symlinks=False)
    listing = record(cache, pool)
    copy = tmp_path / "copy"
    lay_out(listing, pool, copy)
    assert (copy / "lib" / "file").samefile(copy / "deep" / "twin")
    assert (copy / "link").lstat().st_ino == (copy / "lib" / "link").lstat().st_ino
    assert (copy / "lib" / "link").readlink() == Path("lib/file")
    assert (copy / "lib" / "file").stat().st_nlink == 2
    assert listing.size == 2 * len(b"content")


def test_holes_cost_neither_room_nor_time(cache, pool, tmp_path):
    size = 2**40
    with (cache / "huge").open("wb") as file:
        file.seek(3 * 2**20 + 5)
        file.write(b"in the middle")
        file.truncate(size)
    listing = record(cache, pool)
    assert pool.size() < 2**21
    copy = tmp_path / "copy"
    lay_out(listing, pool, copy)
    with (copy / "huge").open("rb") as file:
        assert os.fstat(file.fileno()).st_size == size
        assert os.fstat(file.fileno()).st_blocks < 4096
        file.seek(3 * 2**20 + 5)
        assert file.read(14) == b"in the middle\0"
    assert list(pool.verify()) == []
    assert record(cache, pool) == listing


def test_extended_attributes_come_along(cache, pool, tmp_path):
    try:
        os.setxattr(cache / "lib" / "file", "user.note", b"\0\xff")
    except OSError:
        pytest.xfail("this file system has no extended attributes")
    lay_out(record(cache, pool), pool, tmp_path / "copy")
    assert os.getxattr(tmp_path / "copy" / "lib" / "file", "user.note") == b"\0\xff"
    assert os.listxattr(tmp_path / "copy" / "lib" / "same") == []


def test_a_folder_that_nobody_may_write_to_is_laid_out(cache, pool, tmp_path):
    (cache / "lib").chmod(0o500)
    lay_out(record(cache, pool), pool, tmp_path / "copy")
    assert (tmp_path / "copy" / "lib").stat().st_mode & 0o777 == 0o500
    assert (tmp_path / "copy" / "lib" / "file").read_bytes() == b"content"


DAMAGES = {
    "written": lambda file: (file.chmod(0o644), file.write_bytes(b"CONTENT")),
    "longer": lambda file: (file.chmod(0o644), file.write_bytes(b"contents")),
    "gone": lambda file: file.unlink(),
    "a link": lambda file: (file.rename(f"{file}-moved"), file.symlink_to(f"{file}-moved")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_content_is_not_laid_out_and_can_be_kept_anew(cache, pool, tmp_path, damage):
    listing = record(cache, pool)
    (content,) = kept(tmp_path)
    damage(content)
    assert not pool.has(content.name, 7)
    copy = tmp_path / "copy"
    with pytest.raises(StoreError):
        lay_out(listing, pool, copy)
    assert not copy.exists()
    assert record(cache, pool) == listing
    lay_out(listing, pool, copy)
    assert (copy / "lib" / "file").read_bytes() == b"content"


def test_verify_reads_contents_and_removes_the_damaged(cache, pool, tmp_path):
    (cache / "other").write_bytes(b"other")
    listing = record(cache, pool)
    name, size = next(found for found in listing.contents() if found[1] == 7)
    content = tmp_path / "pool" / name[:2] / name
    content.chmod(0o644)
    content.write_bytes(b"CONTENT")
    os.utime(content, ns=(0, 0))
    assert pool.has(name, size)
    assert list(pool.verify()) == [name]
    assert not pool.has(name, size)
    assert list(pool.verify()) == []


def test_what_no_cache_holds_and_what_was_never_finished_is_removed(cache, pool, tmp_path):
    listing = record(cache, pool)
    (cache / "more").write_bytes(b"more")
    record(cache, pool)
    (content,) = (path for path in kept(tmp_path) if path.read_bytes() == b"content")
    (content.parent / ".staged-x").write_bytes(b"half")
    assert pool.size() == 15
    assert pool.keep_only(dict(listing.contents())) == 8
    assert kept(tmp_path) == [content]


def test_a_content_that_is_another_by_now_is_not_kept(cache, pool, tmp_path):
    file = os.open(cache / "lib" / "file", os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="changed while it was read"):
            pool.add(file, "ab" * 32, 7)
    finally:
        os.close(file)
    assert kept(tmp_path) == []


def test_a_damaged_listing_is_an_error():
    with pytest.raises(StoreError, match="damaged"):
        unpack(b"damaged", digest="0")


def test_a_listing_knows_what_it_takes(cache, pool):
    (cache / "lib" / "hole").touch()
    os.truncate(cache / "lib" / "hole", 4096)
    listing = record(cache, pool)
    assert (listing.count, listing.size) == (4, 14 + 4096)
    assert sum(name.endswith(SPARSE) for name, _ in listing.contents()) == 1
    assert pack(listing) == pack(record(cache, pool))


def test_an_unreadable_folder_is_given_back_its_mode(cache, pool, tmp_path):
    (cache / "closed").mkdir()
    (cache / "closed" / "file").write_bytes(b"in")
    (cache / "closed").chmod(0)
    lay_out(record(cache, pool), pool, tmp_path / "copy")
    for each in (cache, tmp_path / "copy"):
        assert (each / "closed").stat().st_mode & 0o777 == 0
        with Folder.top(each) as top, top.enter("closed") as closed:
            assert closed.listing().files == ["file"]
