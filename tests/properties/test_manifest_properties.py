"""A scan equals what was written, and storing a manifest loses nothing."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import Node, manifest, open_up, trees, write

from harness.errors import ManifestError
from harness.trees.manifest import (
    Entry,
    EntryKind,
    digests_in,
    escape,
    file_entry,
    from_json,
    to_json,
    unescape,
)
from harness.trees.scan import WHOLE_TREE, read_file, scan


@settings(deadline=None, max_examples=80)
@given(tree=trees())
def test_a_scan_equals_what_was_written(tree: dict[str, Node]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "tree"
        write(tree, root)
        try:
            assert scan(root, WHOLE_TREE) == manifest(tree)
            # Reading it left every mode as it was.
            assert scan(root, WHOLE_TREE) == manifest(tree)
            for path, node in tree.items():
                if node.kind == "file":
                    assert read_file(root, path, limit=2**20) == node.data
        finally:
            open_up(tree, root)


@given(tree=trees())
def test_a_stored_manifest_is_the_same(tree: dict[str, Node]) -> None:
    stored = to_json(manifest(tree))
    assert stored.isascii()
    restored = from_json(stored)
    assert restored == manifest(tree)
    assert list(restored.entries) == list(manifest(tree).entries)
    digests = [each.digest for each in restored.entries.values() if each.kind is EntryKind.FILE]
    assert digests_in(stored) == digests


@given(tree=trees(), data=st.data())
def test_one_character_of_a_stored_manifest_is_not_changed_unseen(
    tree: dict[str, Node], data: st.DataObject
) -> None:
    stored = to_json(manifest(tree))
    place = data.draw(st.integers(0, len(stored) - 1))
    other = data.draw(st.characters().filter(lambda character: character != stored[place]))
    with pytest.raises(ManifestError, match="damaged"):
        from_json(stored[:place] + other + stored[place + 1 :])


@given(mode=st.integers(0, 0o7777), size=st.integers(0), digest=st.text())
def test_the_fast_way_to_an_entry_is_the_plain_one(mode: int, size: int, digest: str) -> None:
    assert file_entry(mode, size, digest) == Entry(
        kind=EntryKind.FILE, mode=mode, size=size, digest=digest
    )


# Any code point, lone surrogates too.
ANY_TEXT = st.lists(st.integers(0, 0x10FFFF).map(chr), max_size=8).map("".join)


@given(text=ANY_TEXT)
def test_escaping_is_undone(text: str) -> None:
    escaped = escape(text)
    assert escaped.isprintable()
    assert unescape(escaped) == text


@given(one=ANY_TEXT, other=st.text(alphabet="\\xuU0159af\udc9f\x9f\n", max_size=8))
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)
