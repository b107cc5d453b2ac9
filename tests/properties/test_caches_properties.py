"""A cache that was recorded is laid out as it was, whatever it holds."""

import hashlib
import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import Node, manifest, open_up, trees, write

from harness.storage.caches.listing import pack, unpack
from harness.storage.caches.restore import lay_out
from harness.storage.caches.save import record
from harness.storage.content_store import ContentStore
from harness.trees.scan import WHOLE_TREE, scan

TIMES = st.integers(0, 2**33).map(lambda seconds: seconds * 10**9 + 987_654_321)


@settings(deadline=None, max_examples=80)
@given(tree=trees(), time=TIMES, worth=st.sampled_from([0, 1000]))
def test_a_cache_is_laid_out_as_it_was(tree: dict[str, Node], time: int, worth: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, copy = Path(folder) / "cache", Path(folder) / "copy"
        write(tree, root)
        try:
            for path in reversed(tree):
                os.utime(root / path, ns=(time, time), follow_symlinks=False)
            content_store = ContentStore(Path(folder) / "pool")
            listing = record(root, content_store, worth=worth)
            packed = pack(listing)
            assert unpack(packed, digest=hashlib.sha256(packed).hexdigest()) == listing
            assert listing.count == len(tree) - 1
            lay_out(listing, content_store, copy)
            try:
                assert scan(copy, WHOLE_TREE) == manifest(tree)
                for path in tree:
                    assert (copy / path).lstat().st_mtime_ns == time
            finally:
                open_up(tree, copy)
            assert record(root, content_store) == listing
        finally:
            open_up(tree, root)
