"""How an installed CPython becomes a runtime: which files, which bytes, which libraries."""

import hashlib
import json
import os
import re
import shutil
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wheels import wheel, wheel_name

from harness.ecosystems.python.runtimes.archives import write_archives
from harness.ecosystems.python.runtimes.debian import find_wheels
from harness.ecosystems.python.runtimes.interpreter import (
    Interpreter,
    installed_minors,
    read_interpreter,
)
from harness.ecosystems.python.runtimes.layout import HOME, _left_out, _rewrite_prefix, leave_out
from harness.ecosystems.python.runtimes.runtime import FORMAT, available_runtimes
from harness.ecosystems.python.runtimes.system import System, parse_links
from harness.errors import RuntimeArchiveError
from harness.storage.store import Store


@pytest.mark.parametrize(
    "path",
    [
        *("test/support/x.py", "distutils/tests/a.py", "__pycache__/os.cpython-311.pyc"),
        *("idlelib/x.py", "tkinter/__init__.py", "site-packages/pip/x.py", "EXTERNALLY-MANAGED"),
        *("config-3.11-x86_64-linux-gnu/libpython3.11.a", "config-3.11/python.o"),
        *("lib-dynload/_tkinter.cpython-311.so", "lib-dynload/_testcapi.cpython-311.so"),
        *("lib-dynload/nis.cpython-311.so", "sitecustomize.py"),
    ],
)
def test_what_no_build_needs_is_left_out(path: str) -> None:
    assert _left_out(Path(path))


@pytest.mark.parametrize(
    "path",
    [
        *("unittest/mock.py", "doctest.py", "config-3.11-x86_64-linux-gnu/Makefile", "site.py"),
        *("ensurepip/_bundled/pip-23.0-py3-none-any.whl", "lib-dynload/_ssl.cpython-311.so"),
        *("contest/x.py", "lib2to3/Grammar.txt", "_sysconfigdata__linux_x86_64-linux-gnu.py"),
    ],
)
def test_what_a_build_may_need_is_kept(path: str) -> None:
    assert not _left_out(Path(path))


names = st.text("abcé-_.", min_size=1, max_size=6).filter(lambda name: name.strip("."))


@given(files=st.dictionaries(names, st.binary(max_size=40), max_size=6), executable=st.booleans())
def test_archives_hold_the_tree_and_forget_who_made_it_and_when(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], executable: bool
) -> None:
    digests = set()
    for time in (1, 2_000_000_000):
        folder = tmp_path_factory.mktemp("tree")
        tree = folder / "python"
        (tree / "lib").mkdir(parents=True)
        (tree / "link").symlink_to("lib")
        order = sorted(files, reverse=time > 1)
        for name in order:
            (tree / "lib" / name).write_bytes(files[name])
            (tree / "lib" / name).chmod(0o700 if executable else 0o640)
            os.utime(tree / "lib" / name, (time, time))
        gz, zst = folder / "x.tar.gz", folder / "x.tar.zst"
        digest = write_archives(tree, gz, zst)
        digests.add((digest, hashlib.sha256(gz.read_bytes() + zst.read_bytes()).hexdigest()))
        with tarfile.open(gz) as archive:
            members = {member.name: member for member in archive}
            assert set(members) == {"lib", "link", *(f"lib/{name}" for name in files)}
            for name, content in files.items():
                stream = archive.extractfile(f"lib/{name}")
                assert stream is not None
                assert stream.read() == content
                assert members[f"lib/{name}"].mode == (0o755 if executable else 0o644)
        assert {(m.uid, m.gid, m.uname) for m in members.values()} == {(0, 0, "root")}
        assert sorted(path.name for path in folder.iterdir()) == [
            *("python", "x.tar.gz", "x.tar.zst")
        ]
    assert len(digests) == 1


def make_prefix(prefix: Path, *minors: str, debian: bool = False) -> Path:
    (prefix / "bin").mkdir(parents=True)
    for minor in minors:
        program = prefix / "bin" / f"python{minor}"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        program.chmod(0o755)
        stdlib = prefix / "lib" / f"python{minor}"
        stdlib.mkdir(parents=True)
        (stdlib / "os.py").touch()
        (stdlib / "site.py").write_text("dist-packages" if debian else "site-packages")
    return prefix


def test_the_versions_of_a_prefix_are_ordered_as_numbers(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path / "p", "3.9", "3.11", "3.10")
    (prefix / "lib/python3.12").mkdir()
    assert installed_minors(prefix) == ("3.9", "3.10", "3.11")


def test_a_prefix_or_its_executable_is_read_alike(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path / "p", "3.9", "3.11")
    by_prefix = read_interpreter(prefix)
    assert by_prefix.program == prefix / "bin/python3.11"
    assert by_prefix.version.split(".")[:2] == [str(part) for part in sys.version_info[:2]]
    assert not by_prefix.debian
    assert read_interpreter(prefix / "bin/python3.11") == by_prefix
    assert read_interpreter(prefix, minor="3.9").program.name == "python3.9"


def test_what_is_no_prefix_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(RuntimeArchiveError, match=r"no installed Python(.|\n)*sys\.base_prefix"):
        read_interpreter(tmp_path)
    prefix = make_prefix(tmp_path / "p", "3.9")
    with pytest.raises(RuntimeArchiveError, match=r"no Python 3\.12(.|\n)*it has 3\.9"):
        read_interpreter(prefix, minor="3.12")
    (prefix / "pyvenv.cfg").touch()
    with pytest.raises(RuntimeArchiveError, match="a virtual environment"):
        read_interpreter(prefix)


def test_a_program_that_does_not_run_or_is_no_cpython_is_refused(tmp_path: Path) -> None:
    prefix = make_prefix(tmp_path / "p", "3.9")
    (prefix / "bin/python3.9").write_text("#!/bin/sh\necho broken pieces >&2; exit 1\n")
    with pytest.raises(RuntimeArchiveError, match="broken pieces"):
        read_interpreter(prefix)
    (prefix / "bin/python3.9").write_text('#!/bin/sh\necho \'["PyPy", "3.9.1"]\'\n')
    with pytest.raises(RuntimeArchiveError, match="PyPy, not CPython"):
        read_interpreter(prefix)


def interpreter(prefix: Path, version: str) -> Interpreter:
    return Interpreter(
        system=System(root=Path("/nowhere")),
        prefix=prefix,
        version=version,
        program=prefix / "bin/python",
    )


def test_build_settings_name_where_the_runtime_will_be(tmp_path: Path) -> None:
    stdlib = tmp_path / "opt/py/lib/python3.11"
    stdlib.mkdir(parents=True)
    data = stdlib / "_sysconfigdata__x.py"
    data.write_text(
        f"build_time_vars = {{\n 'INCLUDEPY': '{tmp_path}/opt/py/include/python3.11',\n"
        f" 'other': '{tmp_path}/opt/python/x /install-old/y',\n 'prefix': '/install'}}\n"
        "# /install/lib\n"
    )
    _rewrite_prefix(interpreter(tmp_path / "opt/py", "3.11.2"), stdlib)
    assert data.read_text() == (
        f"build_time_vars = {{\n 'INCLUDEPY': '{HOME}/include/python3.11',\n"
        f" 'other': '{tmp_path}/opt/python/x /install-old/y',\n 'prefix': '{HOME}'}}\n"
        f"# {HOME}/lib\n"
    )


def test_of_a_system_s_prefix_only_python_s_own_folders_are_renamed(tmp_path: Path) -> None:
    data = tmp_path / "_sysconfigdata__x.py"
    data.write_text("'prefix': '/usr'\n/usr/bin/install /usr/lib/python3.11/x /usr/lib/python3.1\n")
    _rewrite_prefix(interpreter(Path("/usr"), "3.11.2"), tmp_path)
    assert data.read_text() == (
        f"'prefix': '/usr'\n/usr/bin/install {HOME}/lib/python3.11/x /usr/lib/python3.1\n"
    )


def test_a_loader_s_listing_gives_libraries_and_not_the_c_library() -> None:
    listing = (
        "\tlinux-vdso.so.1 (0x00007ffc)\n"
        "\tlibssl.so.1.1 => not found\n"
        "\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f)\n"
        "\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n"
        "\tlibcrypt.so.1 => /lib/x86_64-linux-gnu/libcrypt.so.1 (0x00007f)\n"
        "\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n"
    )
    assert parse_links(listing) == {
        "libssl.so.1.1": None,
        "libz.so.1": Path("/lib/x86_64-linux-gnu/libz.so.1"),
        "libcrypt.so.1": Path("/lib/x86_64-linux-gnu/libcrypt.so.1"),
    }


def test_links_are_followed_inside_a_system_s_root(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/deep").mkdir(parents=True)
    (tmp_path / "usr/lib/deep/real").touch()
    (tmp_path / "lib").symlink_to("/usr/lib")
    (tmp_path / "usr/lib/up").symlink_to("../../../../../usr/lib/deep/real")
    (tmp_path / "loop").symlink_to("loop")
    system = System(root=tmp_path)
    assert system.resolve(Path("/lib/up")) == tmp_path / "usr/lib/deep/real"
    assert system.resolve(Path("/lib/none")) == tmp_path / "usr/lib/none"
    with pytest.raises(RuntimeArchiveError, match="loop of links"):
        system.resolve(Path("/loop"))


# A pip without this cannot be run: distributions cut it out.
WHOLE = {"pip/_vendor/requests/__init__.py": ""}


def keep_wheel(folder: Path, project: str, version: str, python: str, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    data = wheel(project, version, files, requires_python=python)
    (folder / wheel_name(project, version)).write_bytes(data)
    return folder


def test_bundled_is_a_pip_that_is_whole_and_serves_that_python(tmp_path: Path) -> None:
    cut = keep_wheel(tmp_path / "cut", "pip", "20.3.4", ">=2.7")
    new = keep_wheel(tmp_path / "new", "pip", "99.0", ">=3.30", **WHOLE)
    good = keep_wheel(tmp_path / "good", "pip", "25.1", ">=3.8", **WHOLE)
    keep_wheel(good, "setuptools", "78.1", ">=3.9")
    (tmp_path / "good/pip-1.0-broken.whl").write_text("no zip")

    def found(version: str) -> list[str]:
        wheels = find_wheels(interpreter(tmp_path, version), (cut, new, good))
        return [wheel.name.rpartition("-py3")[0] for wheel in wheels]

    assert found("3.9.2") == ["pip-25.1", "setuptools-78.1"]
    assert found("3.8.1") == ["pip-25.1"]
    assert found("3.12.0") == ["pip-25.1"]
    with pytest.raises(RuntimeArchiveError, match="python3-venv"):
        find_wheels(interpreter(tmp_path, "3.9.2"), (cut, new))


def test_kept_runtimes_are_ordered_as_versions_and_broken_ones_are_not_listed(
    tmp_path: Path,
) -> None:
    store = Store(root=tmp_path)
    for version in ("3.9.2", "3.11.10", "3.11.9", "3.12.1", "3.13.0", "3.14.0rc1"):
        folder = store.runtimes / f"{version}-x"
        folder.mkdir(parents=True)
        for name in (
            f"python-{version}.tar.gz",
            f"python-{version}.tar.zst",
            f"pip-for-{version}.tar.zst",
        ):
            (folder / name).touch()
        facts: dict[str, Any] = {
            "format": FORMAT,
            "version": version,
            "digest": "x",
            "origin": "",
            "bundled": [],
        }
        sums = {"gz": "1", "zst": "2", "pip": "3"}
        (folder / "runtime.json").write_text(json.dumps(facts | sums))
    (store.runtimes / "3.13.0-x" / "python-3.13.0.tar.gz").unlink()
    (store.runtimes / "3.12.1-x" / "pip-for-3.12.1.tar.zst").unlink()
    (store.runtimes / "3.9.2-x" / "runtime.json").write_text('{"format": 0}')
    later = store.runtimes / "3.11.10-x" / "runtime.json"
    told = {"left_out": ["termios (GLIBC_2.42)"], "on_demand": True}
    later.write_text(json.dumps(json.loads(later.read_text()) | told))
    assert [kept.version for kept in available_runtimes(store)] == [
        *("3.14.0rc1", "3.11.10", "3.11.9")
    ]
    assert available_runtimes(store)[1].minor == "3.11"
    assert [(kept.left_out, kept.on_demand) for kept in available_runtimes(store)[1:]] == [
        (("termios (GLIBC_2.42)",), True),
        ((), False),
    ]


def newer_glibc(library: Path, target: Path) -> None:
    """A copy of a library that needs a symbol version which no glibc has."""
    data = library.read_bytes()
    needed = re.search(rb"\0(GLIBC_2\.\d+)\0", data)
    assert needed is not None
    target.write_bytes(
        data.replace(needed[0], b"\0" + b"GLIBC_9.9".ljust(len(needed[1]), b"9") + b"\0")
    )


def test_modules_that_need_a_newer_glibc_than_the_target_s_are_left_out(tmp_path: Path) -> None:
    here = System(root=Path("/"))
    library = next(path for folder in here.library_dirs for path in folder.glob("libz.so.1"))
    dynload = tmp_path / "tree/lib/python3.14/lib-dynload"
    dynload.mkdir(parents=True)
    shutil.copyfile(library, dynload / "zlib.cpython-314.so")
    newer_glibc(library, dynload / "termios.cpython-314.so")
    (needs,) = here.lacks(dynload / "termios.cpython-314.so")
    assert needs.startswith("GLIBC_9.9")
    assert here.lacks(dynload / "zlib.cpython-314.so") == ()
    of_here = Interpreter(
        system=here, prefix=Path("/usr"), version="3.14.8", program=Path("/usr/bin/python3")
    )
    assert leave_out(tmp_path / "tree", of_here, here) == ()
    foreign = replace(of_here, system=System(root=tmp_path))
    assert leave_out(tmp_path / "tree", foreign, here) == (f"termios ({needs})",)
    assert [path.name for path in dynload.iterdir()] == ["zlib.cpython-314.so"]
