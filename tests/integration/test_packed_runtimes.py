"""Packed Pythons as a build uses them: unpacked at their place in the image, with nothing else."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from stores import machine_store
from traces import need
from wheels import wheel, wheel_name

from harness.ecosystems.python.runtimes.check import check, works
from harness.ecosystems.python.runtimes.ensure import OrdinaryRuntimes
from harness.ecosystems.python.runtimes.interpreter import read_interpreter
from harness.ecosystems.python.runtimes.layout import HOME, lay_out
from harness.ecosystems.python.runtimes.on_demand import SUITES_WITH, RuntimesOnDemand
from harness.ecosystems.python.runtimes.pack import pack_runtime
from harness.ecosystems.python.runtimes.runtime import Runtime
from harness.ecosystems.python.runtimes.stand_in import NOTE, stand_in_archive
from harness.ecosystems.python.runtimes.suite import suite_runtime
from harness.ecosystems.python.runtimes.system import System
from harness.errors import RuntimeArchiveError
from harness.stack.distro import SUITES, distro_of
from harness.stack.image import Image
from harness.storage.store import Store

pytestmark = [pytest.mark.image, pytest.mark.bubblewrap]

SCRIPT = """
set -e
packages=$(echo /app/.heroku/python/lib/python3.*/site-packages)
test -z "$(ls $packages)"
test "$(python -c 'import sys; print(sys.prefix)')" = /app/.heroku/python
pip=$(echo /app/.heroku/python/lib/python3.*/ensurepip/_bundled/pip-*.whl)
python $pip/pip --isolated install -q --no-index --root-user-action=ignore $WHEEL 2>/tmp/err ||
  { cat /tmp/err; exit 1; }
ls $packages
python -c 'import sample; print(sample.__file__)'
test -x /app/.heroku/python/bin/sample
cat > /tmp/native.c <<'END'
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "native", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }
END
suffix=$(python -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
include=$(python -c 'import sysconfig; print(sysconfig.get_path("include"))')
gcc -shared -fPIC -I$include -o $packages/native$suffix /tmp/native.c
python -c 'import native; print(native.__name__)'
# Compiled, and so nothing is compiled: the folder cannot be written here.
python -v /cache/pip/pip --isolated list 2>/tmp/loaded >/tmp/listed
grep '^# code object from /cache/pip' /tmp/loaded | wc -l
test $(grep -c '^# /cache/pip/.*matches' /tmp/loaded) -gt 100
cat /tmp/listed | tail -n 1 | cut -d ' ' -f 1
python -m venv /tmp/venv
/tmp/venv/bin/python -m pip --isolated install -q --no-index --disable-pip-version-check $WHEEL
/tmp/venv/bin/python -c 'import sample; print(sample.__file__.split("/")[2])'
python -m ensurepip --default-pip >/dev/null 2>&1
pip --version >/dev/null
"""


@pytest.mark.parametrize("position", range(3))
def test_a_runtime_works_where_a_buildpack_unpacks_it(
    image: Image, tmp_path: Path, position: int
) -> None:
    with OrdinaryRuntimes(machine_store(), tmp_path / "suites") as ordinary:
        runtimes = ordinary.ensure(image)
    assert len({runtime.minor for runtime in runtimes}) == len(runtimes) >= 2
    assert not any(runtime.on_demand for runtime in runtimes)
    if position >= len(runtimes):
        pytest.skip("this distribution offers two minor versions")
    runtime = runtimes[position]
    works_where_it_is_unpacked(runtime, runtime.gz if position % 2 else runtime.zst, image,
                               tmp_path)  # fmt: skip


@pytest.mark.parametrize(
    "minor", sorted({minor for suites in SUITES_WITH.values() for minor in suites})
)
def test_so_does_one_of_a_newer_suite_under_another_version(
    image: Image, tmp_path: Path, minor: str
) -> None:
    ahead = RuntimesOnDemand(machine_store(), image)
    if minor not in ahead.minors:
        pytest.skip(f"this distribution's newer suites have no Python {minor}")
    runtime = ahead.of_minor(minor)
    assert runtime is not None
    assert runtime.minor == minor
    assert runtime.on_demand
    asked = f"{minor}.99"
    archive, _ = stand_in_archive(runtime, asked, "runtime.tar.zst", tmp_path)
    works_where_it_is_unpacked(runtime, archive, image, tmp_path)
    note = tmp_path / "app/.heroku/python/lib" / f"python{minor}" / NOTE
    assert note.read_text() == f"Python {runtime.version}, served as {asked}\n"
    left_out = {each.partition(" ")[0] for each in runtime.left_out}
    assert left_out <= {"termios"}
    loaded = {file.name.partition(".")[0] for file in note.parent.glob("lib-dynload/*.so")}
    assert not left_out & loaded


def works_where_it_is_unpacked(
    runtime: Runtime, archive: Path, image: Image, tmp_path: Path
) -> None:
    need("bubblewrap")
    home = tmp_path / "app" / Path(HOME).relative_to("/app")
    home.mkdir(parents=True)
    subprocess.run(["tar", "--extract", f"--file={archive}", f"--directory={home}"], check=True)
    (tmp_path / "pip").mkdir()
    unpack = ("tar", "--extract", f"--file={runtime.pip}", f"--directory={tmp_path / 'pip'}")
    subprocess.run(unpack, check=True)
    wheel_file = tmp_path / wheel_name("sample", "1.0")
    module = {"sample.py": "def main():\n    pass\n"}
    script = "[console_scripts]\nsample = sample:main\n"
    wheel_file.write_bytes(wheel("sample", "1.0", module, entry_points=script))
    command = (
        *("bwrap", "--ro-bind", str(image.rootfs), "/", "--bind", str(tmp_path / "app"), "/app"),
        *("--ro-bind", str(tmp_path), "/cache", "--proc", "/proc", "--dev", "/dev"),
        *("--tmpfs", "/tmp", "--unshare-all", "--clearenv", "--setenv", "HOME", "/tmp"),
        *("--setenv", "PATH", f"{HOME}/bin:/usr/bin:/bin"),
        *("--setenv", "LD_LIBRARY_PATH", f"{HOME}/lib"),
        *("--setenv", "WHEEL", f"/cache/{wheel_file.name}", "bash", "-c", SCRIPT),
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        *("__pycache__", "sample-1.0.dist-info", "sample.py"),
        f"{HOME}/lib/python{runtime.minor}/site-packages/sample.py",
        *("native", "0", "sample", "venv"),
    ]


def test_the_same_prefix_gives_the_same_bytes_in_any_store(image: Image, tmp_path: Path) -> None:
    python = read_interpreter(image.rootfs / "usr", root=image.rootfs)
    first = pack_runtime(python, Store(root=tmp_path / "a"), image=image)
    second = pack_runtime(python, Store(root=tmp_path / "b/deeper"), image=image)
    for kind in ("runtime.tar.gz", "runtime.tar.zst", "pip.tar.zst"):
        (one, sha256), (other, again) = first.archive(kind), second.archive(kind)
        assert sha256 == again == hashlib.sha256(one.read_bytes()).hexdigest()
        assert one.read_bytes() == other.read_bytes()
    assert first.digest == second.digest
    with tarfile.open(first.gz) as archive:
        names = archive.getnames()
        text = b"".join(
            stream.read()
            for name in names
            if "_sysconfigdata" in name and (stream := archive.extractfile(name))
        )
    assert {"bin/python", "bin/python3", f"bin/python{first.minor}"} <= set(names)
    assert str(tmp_path).encode() not in text
    assert f"{HOME}/lib/python{first.minor}".encode() in text
    assert not list((tmp_path / "a/runtimes").glob(".staged-*"))


def test_the_interpreter_that_runs_these_tests_can_be_packed(image: Image, tmp_path: Path) -> None:
    packed = pack_runtime(
        read_interpreter(Path(sys.base_prefix)), Store(root=tmp_path), image=image
    )
    assert packed.version == ".".join(map(str, sys.version_info[:3]))


def test_the_oldest_suite_s_python_is_the_same_bytes_each_time(
    image: Image, tmp_path: Path
) -> None:
    suite = SUITES[distro_of(image.suite) or ""][-1]
    packed = {
        suite_runtime(Store(root=tmp_path / name), suite, image=image).digest for name in "ab"
    }
    assert len(packed) == 1


@pytest.fixture(scope="module")
def laid_out(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's Python as a build gets it; it is not to be changed."""
    interpreter = read_interpreter(image.rootfs / "usr", root=image.rootfs)
    tree = tmp_path_factory.mktemp("laid-out") / "python"
    lay_out(interpreter, tree, target=System(root=image.rootfs), wheels=())
    return tree


@pytest.mark.parametrize("fault", ["site", "sysconfig", "pip", "library", "extension"])
def test_what_a_packed_tree_lacks_is_seen_before_it_is_kept(
    image: Image, laid_out: Path, tmp_path: Path, fault: str
) -> None:
    interpreter = read_interpreter(image.rootfs / "usr", root=image.rootfs)
    system = System(root=image.rootfs)
    tree = tmp_path / "python"
    shutil.copytree(laid_out, tree, symlinks=True)
    stdlib = tree / "lib" / f"python{interpreter.minor}"
    check(tree, version=interpreter.version, system=system)
    if fault == "site":
        (stdlib / "dist-packages" / "site_packages.pth").unlink()
    elif fault == "sysconfig":
        for file in (stdlib / "sysconfig" / "__init__.py", stdlib / "sysconfig.py"):
            if file.exists():
                file.write_text(
                    file.read_text().replace('"prefix": "posix_prefix"', '"prefix": "nt"')
                )
    elif fault == "pip":
        next((stdlib / "ensurepip/_bundled").glob("pip-*.whl")).unlink()
    elif fault == "library":
        system = System(root=tmp_path)
    else:
        (stdlib / "lib-dynload" / "broken.cpython-311-x86_64-linux-gnu.so").write_bytes(b"no ELF")
    with pytest.raises(RuntimeArchiveError):
        check(tree, version=interpreter.version, system=system)


def test_libraries_that_the_image_lacks_come_along(image: Image, tmp_path: Path) -> None:
    interpreter = read_interpreter(image.rootfs / "usr", root=image.rootfs)
    poor = tmp_path / "poor"
    shutil.copytree(image.rootfs / "usr/lib", poor / "usr/lib", symlinks=True, ignore=_no_ssl)
    shutil.copytree(image.rootfs / "usr/lib64", poor / "usr/lib64", symlinks=True)
    for name in ("lib", "lib64"):
        (poor / name).symlink_to(f"usr/{name}")
    target = System(root=poor)
    bundled = lay_out(interpreter, tmp_path / "python", target=target, wheels=())
    assert {"libssl.so.3", "libcrypto.so.3"} <= set(bundled)
    assert not {"libc.so.6", "libz.so.1"} & set(bundled)
    check(tmp_path / "python", version=interpreter.version, system=target)
    (tmp_path / "python/lib/libssl.so.3").unlink()
    with pytest.raises(RuntimeArchiveError, match="libssl"):
        check(tmp_path / "python", version=interpreter.version, system=target)


def test_a_kept_runtime_is_tried_in_an_image_that_it_was_not_packed_for(
    image: Image, tmp_path: Path
) -> None:
    prefix, root = image.rootfs / "usr", image.rootfs
    runtime = pack_runtime(read_interpreter(prefix, root=root), Store(root=tmp_path), image=image)
    assert works(runtime, image)
    assert works(runtime, replace(image, digest="1" * 64))
    other = replace(image, digest="2" * 64, rootfs=tmp_path)
    assert not works(runtime, other)
    marks = sorted(path.name for path in runtime.gz.parent.glob("works-in-*"))
    assert marks == sorted(f"works-in-{digest[:12]}" for digest in (image.digest, "1" * 64))


def _no_ssl(_folder: str, names: list[str]) -> list[str]:
    drop = ("libssl", "libcrypto", "python3", "gcc", "git-core", "perl")
    return [name for name in names if name.startswith(drop)]
