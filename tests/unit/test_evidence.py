"""The contents of a tree's files in one pack."""

import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ManifestError
from harness.evidence import Contents, pack
from harness.manifest import Entry, EntryKind, Manifest


def manifest(files: dict[str, bytes]) -> Manifest:
    entries = {
        path: Entry(kind=EntryKind.FILE, size=len(data), digest=hashlib.sha256(data).hexdigest())
        for path, data in files.items()
    }
    return Manifest(roots=(".",), entries={**entries, "a link": Entry(kind=EntryKind.SYMLINK)})


@given(files=st.dictionaries(st.text(min_size=1, max_size=5), st.binary(max_size=200), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_each_content_comes_back(tmp_path_factory, files):
    path = tmp_path_factory.mktemp("pack") / "contents"
    tree = manifest(files)
    pack(tree, files.__getitem__, path, largest=100)
    with Contents(path) as contents:
        for name, data in files.items():
            entry = tree.entries[name]
            if len(data) <= 100:
                assert contents.read(entry.digest, size=entry.size) == data
            else:
                with pytest.raises(ManifestError):
                    contents.read(entry.digest, size=entry.size)


def test_a_content_that_many_files_have_is_packed_once(tmp_path):
    files = {f"f{number}": b"x" * 1000 for number in range(50)}
    read: list[str] = []

    def reading(path: str) -> bytes:
        read.append(path)
        return files[path]

    pack(manifest(files), reading, tmp_path / "contents", largest=5000)
    assert len(read) == 1


def test_damage_is_told_and_takes_no_more_memory_than_the_file(tmp_path):
    path = tmp_path / "contents"
    data = b"\0" * 1_000_000
    tree = manifest({"f": data})
    pack(tree, lambda _: data, path, largest=10**7)
    digest = tree.entries["f"].digest
    with Contents(path) as contents, pytest.raises(ManifestError, match="damaged"):
        contents.read(digest, size=10)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ManifestError, match="damaged"):
        Contents(path)
    with pytest.raises(ManifestError, match="damaged"):
        Contents(tmp_path / "nowhere")
