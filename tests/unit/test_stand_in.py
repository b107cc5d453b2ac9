"""A runtime that is served under another version's name, and says so."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness.ecosystems.python.runtimes.archives import write_archives
from harness.ecosystems.python.runtimes.runtime import Runtime
from harness.ecosystems.python.runtimes.stand_in import NOTE, stand_in_archive


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/python3.14").write_text("the program")
    (tree / "lib/python3.14").mkdir(parents=True)
    (tree / "lib/python3.14/os.py").write_text("x = 1\n" * 10_000)
    gz, zst, pip = (tmp_path / f"a.{kind}" for kind in ("gz", "zst", "pip"))
    digest = write_archives(tree, gz, zst)
    pip.write_text("pip")
    return Runtime(
        version="3.14.8", digest=digest, origin="", bundled=(), gz=gz, zst=zst, pip=pip,
        gz_sha256="g", zst_sha256="z", pip_sha256="p",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_what_is_unpacked_is_the_runtime_and_one_file_that_tells(
    runtime: Runtime, tmp_path: Path, kind: str
) -> None:
    archive, _ = stand_in_archive(runtime, "3.14.7", f"runtime.tar.{kind}", tmp_path)
    own, other = tmp_path / "own", tmp_path / "other"
    for file, folder in ((runtime.archive(f"runtime.tar.{kind}")[0], own), (archive, other)):
        folder.mkdir()
        how = {"gz": "--gzip", "zst": "--zstd"}[kind]
        unpack = ("tar", "--extract", how, f"--file={file}", f"--directory={folder}")
        subprocess.run(unpack, check=True)
    note = other / "lib/python3.14" / NOTE
    assert note.read_text() == "Python 3.14.8, served as 3.14.7\n"
    note.unlink()
    compared = subprocess.run(("diff", "-r", own, other), capture_output=True, check=False)
    assert (compared.returncode, compared.stdout) == (0, b"")
    assert (other / "lib/python3.14/os.py").stat().st_size == 60_000


@pytest.mark.parametrize("kind", ["runtime.tar.gz", "runtime.tar.zst"])
def test_each_version_and_runtime_has_bytes_of_its_own_and_the_same_each_time(
    runtime: Runtime, tmp_path: Path, kind: str
) -> None:
    other = replace(runtime, digest="0" * 64)
    asked = [(runtime, "3.14.7"), (runtime, "3.14.6"), (runtime, "3.14.7"), (other, "3.14.7")]
    made = [stand_in_archive(one, version, kind, tmp_path) for one, version in asked]
    assert made[0] == made[2]
    assert made[0][1] != made[1][1]
    assert made[0][0] != made[3][0]


def test_the_pip_that_comes_with_it_is_the_same(runtime: Runtime, tmp_path: Path) -> None:
    assert stand_in_archive(runtime, "3.14.7", "pip.tar.zst", tmp_path) == (runtime.pip, "p")
