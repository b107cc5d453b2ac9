"""The contents of a tree's files, kept so that the tree need not be."""

import os
from pathlib import Path

import pytest

from harness.ecosystems.python.ecosystem import PythonEcosystem
from harness.errors import ManifestError
from harness.storage.content_store import ContentStore
from harness.storage.tree_contents import Contents, keep_contents
from harness.trees.explainer import LARGEST, ContentPolicy, content_policy
from harness.trees.git.explainer import GitExplainer
from harness.trees.manifest import content_digest
from harness.trees.scan import scan


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
def content_store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "pool", headed=(".pyc",))


@pytest.fixture
def known(tmp_path: Path) -> Path:
    return tmp_path / "known"


def test_each_content_is_kept_once_but_for_large_ones(
    tree: Path, content_store: ContentStore, known: Path
) -> None:
    manifest = scan(tree, (".",))
    keep_contents(manifest, tree, content_store, known, policy=ContentPolicy(always=4))
    assert set(content_store.rooms()) == {manifest.entries[path].digest for path in ("a", "b/one")}
    contents = Contents(content_store, known)
    assert contents.read(manifest.entries["b/c/two"]) == b"same"
    assert contents.lacks(manifest.entries["z"])
    with pytest.raises(ManifestError, match="cannot be read"):
        contents.read(manifest.entries["z"])


def bytecode(tree: Path, name: str, *, time: bytes, code: bytes = b"code") -> None:
    (tree / name).write_bytes(time.ljust(16, b".") + code)


def test_bytecode_that_differs_in_its_source_s_time_alone_is_kept_once(
    tree: Path, content_store: ContentStore, known: Path, tmp_path: Path
) -> None:
    for name, time in (("m.pyc", b"early"), ("n.pyc", b"late"), ("o.pyc", b"late"), ("p", b"p")):
        bytecode(tree, name, time=time)
    for name, data in (("empty.pyc", b""), ("short.pyc", b"only-sixteen-by.")):
        (tree / name).write_bytes(data)
    manifest = scan(tree, (".",))
    keep_contents(manifest, tree, content_store, known, policy=ContentPolicy(always=100))
    contents = Contents(content_store, known)
    files = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
    for path in files:
        assert contents.read(manifest.entries[str(path.relative_to(tree))]) == path.read_bytes()
    # Two times and one code, the same under a name without one, and what is too short for both.
    kept = [path.read_bytes() for path in (tmp_path / "pool").rglob("*") if path.is_file()]
    assert sorted(kept) == sorted(
        [b"a", b"same", b"large", b"code", b"p...............code", b"", b"only-sixteen-by."]
    )
    assert set(contents.names()) == {content_digest(b"code")}


def test_a_file_that_changed_since_is_not_kept_under_the_old_name(
    tree: Path, content_store: ContentStore, known: Path
) -> None:
    manifest = scan(tree, (".",))
    (tree / "a").write_bytes(b"A")
    with pytest.raises(ManifestError, match="changed"):
        keep_contents(manifest, tree, content_store, known, policy=ContentPolicy(always=4))
    assert not content_store.has(manifest.entries["a"].digest, 1)


@pytest.mark.parametrize("code", [b"cod", b"codes", b"CODE"])
def test_bytecode_that_changed_since_is_not_taken_for_what_it_was(
    tree: Path, content_store: ContentStore, known: Path, code: bytes
) -> None:
    bytecode(tree, "m.pyc", time=b"early")
    manifest = scan(tree, (".",))
    bytecode(tree, "m.pyc", time=b"early", code=code)
    with pytest.raises(ManifestError, match="changed"):
        keep_contents(manifest, tree, content_store, known, policy=ContentPolicy(always=100))
    assert not content_store.has(content_digest(code), len(code))


def test_what_is_kept_already_is_not_read(
    tree: Path, content_store: ContentStore, known: Path
) -> None:
    manifest = scan(tree, (".",))
    keep_contents(manifest, tree, content_store, known, policy=ContentPolicy(always=5))
    for path in ("b/one", "b/c/two"):
        (tree / path).unlink()
    keep_contents(manifest, tree, content_store, known, policy=ContentPolicy(always=5))


def test_damage_is_told(
    tree: Path, content_store: ContentStore, known: Path, tmp_path: Path
) -> None:
    manifest = scan(tree, (".",))
    keep_contents(manifest, tree, content_store, known, policy=ContentPolicy(always=5))
    entry = manifest.entries["z"]
    content = tmp_path / "pool" / entry.digest[:2] / entry.digest
    content.chmod(0o644)
    content.write_bytes(b"LARGE")
    with pytest.raises(ManifestError, match="was changed"):
        Contents(content_store, known).read(entry)
    os.utime(content, (0, 0))  # as if the disk had done it
    with pytest.raises(ManifestError, match="was changed"):
        Contents(content_store, known).read(entry)


def test_damage_to_what_is_known_of_bytecode_is_told(
    tree: Path, content_store: ContentStore, known: Path
) -> None:
    bytecode(tree, "m.pyc", time=b"early")
    manifest = scan(tree, (".",))
    keep_contents(manifest, tree, content_store, known, policy=ContentPolicy(always=100))
    whole = known.read_bytes()
    for damaged in (whole[:-1] + b"!", whole[:-1], whole[:32], b"!" + whole[1:], b"", None):
        known.unlink()
        if damaged is not None:
            known.write_bytes(damaged)
        with pytest.raises(ManifestError, match="damaged"):
            Contents(content_store, known)


def test_what_explainers_ask_for_is_kept() -> None:
    policy = content_policy((PythonEcosystem(), GitExplainer()))
    assert policy.headed == (".pyc",)
    assert policy.keeps("lib/large.so", LARGEST)
    assert not policy.keeps("lib/large.so", LARGEST + 1)
    pack = "src/forms/.git/objects/pack/pack-1.pack"
    assert policy.keeps(pack, 256 * 1024 * 1024)
    assert not policy.keeps(pack, 256 * 1024 * 1024 + 1)
    assert content_policy(()).keeps("a", LARGEST)
