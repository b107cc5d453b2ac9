"""A large tree of real wheels and a copy of it that differs in known places."""

import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

# Exact, so that two machines compare the same trees; wheels that hold many files or large ones.
_REQUIREMENTS = (
    "ansible==10.6.0",
    "babel==2.16.0",
    "botocore==1.35.80",
    "django==5.1.4",
    "jupyterlab==4.3.3",
    "kubernetes==31.0.0",
    "matplotlib==3.9.3",
    "networkx==3.4.2",
    "numpy==2.1.3",
    "pandas==2.2.3",
    "plotly==5.24.1",
    "pygments==2.18.0",
    "scikit-learn==1.5.2",
    "scipy==1.14.1",
    "sphinx==8.1.3",
    "sympy==1.13.3",
)
# (what is changed, how often); 53 together.
_PLANTED = (
    ("content", 10),
    ("content with size and time kept", 10),
    ("size", 10),
    ("mode", 6),
    ("removed", 6),
    ("added", 6),
    ("file turned symlink", 3),
    ("symlink added", 2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Two trees on disk.

    Attributes:
        original: The tree that is scanned.
        changed: Its copy, every file with an inode of its own.
        planted: Path, relative to the trees, to what was changed there in the copy.
        package: The folder of one small distribution, relative to the trees.
        files: How many regular files the first tree has.
        folders: How many folders it has.
        size: How many bytes they hold.
    """

    original: Path
    changed: Path
    planted: dict[str, str]
    package: str
    files: int
    folders: int
    size: int


def corpus(folder: Path, files: int) -> Corpus:
    """The corpus of at least so many files in a folder, made there unless it was before."""
    home = folder / str(files)
    if not home.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="staged-") as name:
            staged = Path(name) / "corpus"
            _unpack(_download(folder / "wheels"), staged / "original", files)
            shutil.copytree(staged / "original", staged / "changed", symlinks=True)
            for path, change in _plan(staged / "original").items():
                _plant(staged / "changed" / path, change)
            staged.replace(home)
    original = home / "original"
    regular = list(_files(original))
    return Corpus(
        original=original,
        changed=home / "changed",
        planted=_plan(original),
        package="copy0/networkx",
        files=len(regular),
        folders=sum(1 for _ in os.walk(original)),
        size=sum(path.stat().st_size for path in regular),
    )


def _download(folder: Path) -> list[Path]:
    """Fetches the wheels with the operator's own pip, as it is configured."""
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="staged-") as name:
            staged = Path(name) / "wheels"
            subprocess.run(
                (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                 "--only-binary", ":all:", "--dest", staged, *_REQUIREMENTS),
                check=True,
            )  # fmt: skip
            staged.replace(folder)
    return sorted(folder.glob("*.whl"))


def _unpack(wheels: list[Path], root: Path, files: int) -> None:
    """Unpacks wheel after wheel, under prefix after prefix, until there are enough files."""
    unpacked = 0
    for prefix in count():
        for wheel in wheels:
            if unpacked >= files:
                return
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(root / f"copy{prefix}")
                unpacked += sum(not info.is_dir() for info in archive.infolist())


def _plan(original: Path) -> dict[str, str]:
    """What is changed where: the same for the same tree."""
    chance = random.Random(53)  # noqa: S311
    # Fewer than two bytes leave nothing to change in place.
    candidates = [path for path in sorted(_files(original)) if path.stat().st_size >= 2]
    picked = iter(chance.sample(candidates, sum(number for _, number in _PLANTED)))
    planted: dict[str, str] = {}
    for change, number in _PLANTED:
        for _ in range(number):
            path = next(picked)
            if change.endswith("added"):
                path = path.with_name(f"{path.name}.planted")
            planted[str(path.relative_to(original))] = change
    return planted


def _plant(path: Path, change: str) -> None:
    match change:
        case "added":
            path.write_bytes(b"planted")
        case "symlink added":
            path.symlink_to("planted")
        case "removed":
            path.unlink()
        case "file turned symlink":
            path.unlink()
            path.symlink_to("planted")
        case "mode":
            path.chmod(stat.S_IMODE(path.stat().st_mode) ^ stat.S_IXUSR)
        case "size":
            path.write_bytes(path.read_bytes() + b"\n")
        case _:
            times = path.stat()
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
            if change != "content":
                os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        yield from (Path(folder, name) for name in names)
