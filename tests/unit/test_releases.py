import base64
import csv
import hashlib
import io
import os
import tarfile
import zipfile

import pytest

from harness.ecosystems.python.releases.build_system import (
    BuildSystem,
    is_project,
    read_build_system,
)
from harness.ecosystems.python.releases.repack import repack_sdist, repack_wheel
from harness.errors import ReleaseError
from harness.scenarios.tree import File, Link, Tree

FILES = {
    "forms-1.dist-info/RECORD": b"",
    "forms-1.dist-info/METADATA": b"Name: forms\nVersion: 1\n",
    "forms-1.data/scripts/run": b"#!python\n",
    "forms/__init__.py": b"x = 1\n",
    "zebra.py": b"",
}


def wheel(order: list[str], *, year: int, kind: int, umask: int) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", kind) as archive:
        archive.writestr(zipfile.ZipInfo("forms/", (year, 1, 1, 0, 0, 0)), b"")
        for name in order:
            info = zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0))
            mode = 0o777 if name.endswith("run") else 0o666
            info.external_attr = (0o100000 | (mode & ~umask)) << 16
            archive.writestr(info, FILES[name])
    return data.getvalue()


def test_a_wheel_has_the_same_bytes_whoever_packed_it() -> None:
    one = wheel(sorted(FILES), year=1999, kind=zipfile.ZIP_DEFLATED, umask=0o022)
    two = wheel(sorted(FILES, reverse=True), year=2024, kind=zipfile.ZIP_STORED, umask=0o077)
    assert one != two
    assert repack_wheel(one) == repack_wheel(two) == repack_wheel(repack_wheel(one))
    with zipfile.ZipFile(io.BytesIO(repack_wheel(one))) as archive:
        names = archive.namelist()
        assert {name: archive.read(name) for name in names} == FILES
        modes = {m.filename: (m.external_attr >> 16) & 0o777 for m in archive.infolist()}
    assert names[-2:] == ["forms-1.dist-info/METADATA", "forms-1.dist-info/RECORD"]
    assert names[:-2] == sorted(names[:-2])
    assert {name for name, mode in modes.items() if mode == 0o755} == {"forms-1.data/scripts/run"}
    assert set(modes.values()) == {0o755, 0o644}


def test_record_stays_true() -> None:
    def row(name: str, data: bytes) -> str:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        return f"{name},sha256={digest},{len(data)}\n"

    rows = [row(name, data) for name, data in FILES.items() if not name.endswith("RECORD")]
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in FILES.items():
            whole = "".join(rows).encode() if name.endswith("RECORD") else content
            archive.writestr(name, whole)
    with zipfile.ZipFile(io.BytesIO(repack_wheel(data.getvalue()))) as archive:
        record = archive.read("forms-1.dist-info/RECORD").decode()
        for name, *_ in csv.reader(record.splitlines()):
            assert row(name, archive.read(name)) in rows


def sdist(order: list[str], *, mtime: int, uid: int, umask: int) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        folder = tarfile.TarInfo("forms-1")
        folder.type, folder.mtime, folder.mode = tarfile.DIRTYPE, mtime, 0o777 & ~umask
        archive.addfile(folder)
        for name in order:
            info = tarfile.TarInfo(f"forms-1/{name}")
            info.mtime, info.uid, info.uname = mtime, uid, f"user{uid}"
            info.mode = (0o777 if name == "setup.py" else 0o666) & ~umask
            if name == "link":
                info.type, info.linkname = tarfile.SYMTYPE, "setup.py"
                archive.addfile(info)
            else:
                info.size = len(name)
                archive.addfile(info, io.BytesIO(name.encode()))
    return data.getvalue()


def test_an_sdist_has_the_same_bytes_whoever_packed_it() -> None:
    names = ["PKG-INFO", "link", "setup.py", "empty/" + "x" * 150]
    one = sdist(names, mtime=1, uid=1000, umask=0o022)
    two = sdist(names[::-1], mtime=2_000_000_000, uid=0, umask=0o077)
    assert one != two
    assert repack_sdist(one) == repack_sdist(two) == repack_sdist(repack_sdist(one))
    with tarfile.open(fileobj=io.BytesIO(repack_sdist(one))) as archive:
        assert archive.getnames() == sorted(f"forms-1/{name}" for name in names)
        assert archive.getmember("forms-1/link").linkname == "setup.py"
        assert archive.getmember("forms-1/setup.py").mode == 0o755
        assert archive.getmember("forms-1/PKG-INFO").mode == 0o644
        assert {(m.uid, m.gid, m.uname) for m in archive} == {(0, 0, "")}
        read = archive.extractfile("forms-1/PKG-INFO")
        assert read is not None
        assert read.read() == b"PKG-INFO"


def pyproject(text: str) -> Tree:
    return Tree(entries={"pyproject.toml": File(data=text.encode())})


def test_build_system() -> None:
    assert read_build_system(Tree(), "x") == BuildSystem()
    assert read_build_system(pyproject("[project]\nname = 'x'\n"), "x") == BuildSystem()
    assert read_build_system(Tree(entries={"pyproject.toml": Link(target="/etc/x")}), "x") == (
        BuildSystem()
    )
    assert read_build_system(
        pyproject(
            "[build-system]\nrequires = ['flit_core']\nbuild-backend = 'b'\nbackend-path = ['p']"
        ),
        "x",
    ) == BuildSystem(requires=("flit_core",), backend="b", path=("p",))
    assert read_build_system(pyproject("[build-system]\nrequires = []"), "x") == BuildSystem(
        requires=()
    )


@pytest.mark.parametrize(
    "text",
    [
        "[build-system",
        "build-system = 3",
        "[build-system]",
        "[build-system]\nrequires = 'setuptools'",
        "[build-system]\nrequires = [1]",
        "[build-system]\nrequires = []\nbuild-backend = 1",
        "[build-system]\nrequires = []\nbackend-path = 'x'",
    ],
)
def test_a_malformed_build_system_is_named(text: str) -> None:
    with pytest.raises(ReleaseError, match=r"forms@bad's pyproject\.toml"):
        read_build_system(pyproject(text), "forms@bad")


def test_a_pyproject_that_is_no_text() -> None:
    tree = Tree(entries={"pyproject.toml": File(data=os.fsencode("\udcff"))})
    with pytest.raises(ReleaseError, match=r"forms@bad's pyproject\.toml"):
        read_build_system(tree, "forms@bad")


@pytest.mark.parametrize(
    ("files", "is_one"),
    [
        (["pyproject.toml"], True),
        (["setup.py", "x.py"], True),
        (["setup.cfg"], True),
        (["src/setup.py"], False),
        ([], False),
    ],
)
def test_a_project_says_how_it_is_built(files: list[str], is_one: bool) -> None:
    assert is_project(Tree(entries={name: File(data=b"") for name in files})) == is_one
