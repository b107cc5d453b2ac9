import gzip
import hashlib
import io
import stat
import tarfile
import zipfile

from hypothesis import given
from hypothesis import strategies as st

from harness.internet.archives import EPOCH, Member, stored_gzip, tar_gz, zip_stored

MEMBERS = (
    Member(path="a/one.txt", data=b"one\n"),
    Member(path="a/run", data=b"#!/bin/sh\n", executable=True),
)
TAR = "613cee3d03c26f8a08f6375e262bc739135c8786fa2c2cfd67baa8e7b30a67db"
ZIP = "9c7def635197cc472c207abfd3cde15044034e1c60bfd29e5d58f9ec249d8252"


@given(st.binary(max_size=200_000))
def test_gzip_round_trip(data: bytes) -> None:
    assert gzip.decompress(stored_gzip(data)) == data


def test_bytes_are_the_same_on_every_machine() -> None:
    # Written down once: a change of these is a change of every pinned hash of an archive.
    assert hashlib.sha256(tar_gz(MEMBERS)).hexdigest() == TAR
    assert hashlib.sha256(zip_stored(MEMBERS)).hexdigest() == ZIP


def test_tar_members() -> None:
    link = Member(path="a/link", data=b"one.txt", symlink=True)
    with tarfile.open(fileobj=io.BytesIO(tar_gz((*MEMBERS, link)))) as archive:
        found = archive.getmembers()
    assert [(m.name, m.mode, m.uid, m.gid, m.mtime, m.linkname) for m in found] == [
        ("a/one.txt", 0o644, 0, 0, EPOCH, ""),
        ("a/run", 0o755, 0, 0, EPOCH, ""),
        ("a/link", 0o755, 0, 0, EPOCH, "one.txt"),
    ]


def test_zip_members() -> None:
    with zipfile.ZipFile(io.BytesIO(zip_stored(MEMBERS))) as archive:
        found = archive.infolist()
        assert archive.read("a/one.txt") == b"one\n"
    assert [stat.filemode(m.external_attr >> 16) for m in found] == ["-rw-r--r--", "-rwxr-xr-x"]
    assert {m.date_time for m in found} == {(2020, 1, 1, 0, 0, 0)}
