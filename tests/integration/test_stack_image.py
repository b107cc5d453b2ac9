"""The stack image as it is: what is in it, what is not, and that its bytes repeat."""

import stat
import subprocess
from pathlib import Path

import docker
import pytest
from traces import need

from harness.sandboxes.docker import DockerSandbox
from harness.sandboxes.docker.images import load_image
from harness.stack.distro import find_archive
from harness.stack.image import Image, build_image
from harness.storage.store import Store

pytestmark = pytest.mark.image

APT = Path("/var/lib/apt/lists")
PROGRAMS = (
    *("bash", "awk", "bzip2", "curl", "cut", "diff", "file", "find", "g++", "gcc", "git", "grep"),
    *("gzip", "jq", "make", "openssl", "perl", "pkg-config", "ps", "python3", "sed", "tar"),
    *("unzip", "xz", "zstd", "apt-get", "dpkg"),
)
SCRIPT = f"""
set -e
for program in {" ".join(PROGRAMS)}; do command -v $program >/dev/null || echo lacks $program; done
python3 -c 'import ssl, sqlite3, ctypes, bz2, lzma, readline, dbm.gnu, venv, ensurepip'
cat > /tmp/x.cc <<'END'
#include <cstdio>
#include <Python.h>
int main() {{ std::printf("%d\\n", PY_MAJOR_VERSION); }}
END
g++ $(python3-config --includes) -o /tmp/x /tmp/x.cc
/tmp/x
git -c user.name=a -c user.email=b init -q /tmp/repository
test -s /etc/ssl/certs/ca-certificates.crt
"""


@pytest.mark.bubblewrap
def test_builds_find_their_tools_in_it(image: Image) -> None:
    need("bubblewrap")
    command = (
        *("bwrap", "--ro-bind", str(image.rootfs), "/", "--tmpfs", "/tmp", "--proc", "/proc"),
        *("--dev", "/dev", "--unshare-all", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin"),
        *("--setenv", "HOME", "/tmp", "bash", "-c", SCRIPT),
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.stdout, done.stderr, done.returncode) == ("3\n", "", 0)


@pytest.mark.docker
def test_docker_takes_it_once_and_runs_it(image: Image) -> None:
    need("docker")
    assert load_image(image) == load_image(image) == image.tag
    assert DockerSandbox.check((image,)).found.endswith("has the stack image")
    client = docker.from_env()
    try:
        output = client.containers.run(
            image.tag, ["bash", "-c", SCRIPT], network_mode="none", remove=True, stderr=True
        )
    finally:
        client.close()
    assert output == b"3\n"


def test_it_is_small_and_holds_no_trace_of_who_made_it(image: Image) -> None:
    assert image.tar.stat().st_size < 420_000_000
    host = find_archive(image.suite).uri.split("/")[2].encode()
    for folder in ("etc", "var/lib/apt", "root", "var/log", "var/cache", "tmp"):
        for file in (image.rootfs / folder).rglob("*"):
            if file.is_file() and not file.is_symlink():
                assert host not in file.read_bytes(), file
    for empty in ("etc/resolv.conf", "etc/pip.conf", "etc/apt/sources.list"):
        assert (image.rootfs / empty).read_bytes() == b""


def test_mount_points_are_there_and_no_program_takes_another_s_rights(image: Image) -> None:
    for folder in ("app", "build", "cache", "env", "buildpack", "proc", "dev", "tmp"):
        assert (image.rootfs / folder).is_dir(), folder
    for file in image.rootfs.rglob("*"):
        mode = file.lstat().st_mode
        taken = mode & (stat.S_ISUID | stat.S_ISGID) if stat.S_ISREG(mode) else 0
        assert not taken, file
        assert stat.S_IFMT(mode) not in {stat.S_IFBLK, stat.S_IFCHR}, file


def test_its_bytes_repeat_and_the_host_s_apt_is_left_alone(tmp_path: Path) -> None:
    def lists() -> dict[str, int]:
        return {file.name: file.stat().st_mtime_ns for file in APT.glob("*_*")}

    before = lists()
    first, second = (
        build_image(Store(root=tmp_path / name), packages=("jq",)) for name in ("a", "b")
    )
    assert first.digest == second.digest
    assert lists() == before
    assert not list((tmp_path / "a" / "images").glob(".staged-*"))
