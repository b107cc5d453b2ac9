"""The contents of a tree's files, kept so that the tree need not be."""

import os
from pathlib import Path

import pytest

from harness.errors import ManifestError
from harness.evidence import keep_contents
from harness.pool import Pool
from harness.scan import scan


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for path, data in {"a": b"a", "b/one": b"same", "b/c/two": b"same", "z": b"large"}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(data)
    (tree / "link").symlink_to("/etc/passwd")
    os.mkfifo(tree / "b" / "pipe")
    return tree


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path / "pool")


def test_each_content_is_kept_once_but_for_large_ones(tree, pool):
    manifest = scan(tree, (".",))
    keep_contents(manifest, tree, pool, largest=4)
    assert set(pool.rooms()) == {manifest.entries[path].digest for path in ("a", "b/one")}
    assert pool.read(manifest.entries["b/c/two"].digest, 4) == b"same"
    with pytest.raises(ManifestError, match="cannot be read"):
        pool.read(manifest.entries["z"].digest, 5)


def test_a_file_that_changed_since_is_not_kept_under_the_old_name(tree, pool):
    manifest = scan(tree, (".",))
    (tree / "a").write_bytes(b"A")
    with pytest.raises(ManifestError, match="changed"):
        keep_contents(manifest, tree, pool, largest=4)
    assert not pool.has(manifest.entries["a"].digest, 1)


def test_what_is_kept_already_is_not_read(tree, pool):
    manifest = scan(tree, (".",))
    keep_contents(manifest, tree, pool, largest=5)
    (tree / "b" / "c" / "two").unlink()
    keep_contents(manifest, tree, pool, largest=5)


def test_damage_is_told(tree, pool, tmp_path):
    manifest = scan(tree, (".",))
    keep_contents(manifest, tree, pool, largest=5)
    digest = manifest.entries["z"].digest
    content = tmp_path / "pool" / digest[:2] / digest
    content.chmod(0o644)
    content.write_bytes(b"LARGE")
    with pytest.raises(ManifestError, match="was changed"):
        pool.read(digest, 5)
    os.utime(content, (0, 0))  # as if the disk had done it
    with pytest.raises(ManifestError, match="was changed"):
        pool.read(digest, 5)
