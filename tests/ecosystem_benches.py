"""Installations of each ecosystem, made by hand: what its contract is tried on."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Package = tuple[str, str]
"""A name and a version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EcosystemBench:
    """How to make what an ecosystem knows.

    Attributes:
        files: What a package is when it is installed, by path; the first is a file of its own.
        url: What its installer fetches to install it.
        same: A package's file with two contents of which nobody could notice the difference.
        other: The same file with two contents that are no longer the same.
    """

    files: Callable[[Package], Mapping[str, bytes]]
    url: Callable[[Package], str]
    same: Callable[[Package], tuple[str, bytes, bytes]]
    other: Callable[[Package], tuple[str, bytes, bytes]]

    def install(self, tree: Path, *packages: Package) -> None:
        """Installs packages in a tree."""
        for package in packages:
            for path, content in self.files(package).items():
                write(tree / path, content)


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


SITE = "python/lib/python3.11/site-packages"


def _python(package: Package) -> Mapping[str, bytes]:
    name, version = package
    info = f"{name}-{version}.dist-info"
    module, metadata = f"x = {version!r}\n".encode(), f"Name: {name}\nVersion: {version}\n".encode()
    record = "".join(
        f"{path},sha256={_sha256(content)},{len(content)}\n"
        for path, content in ((f"{name}/m.py", module), (f"{info}/METADATA", metadata))
    )
    return {
        f"{SITE}/{name}/m.py": module,
        f"{SITE}/{info}/METADATA": metadata,
        f"{SITE}/{info}/RECORD": f"{record}{info}/RECORD,,\n".encode(),
    }


def _sha256(content: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _uv_cache(package: Package, *, commits: tuple[str, str]) -> tuple[str, bytes, bytes]:
    name, version = package
    ours, theirs = (
        json.dumps(
            {"timestamp": {"secs_since_epoch": time, "nanos_since_epoch": 0}, "commit": commit}
        ).encode()
        for time, commit in zip((1, 2), commits, strict=True)
    )
    return f"{SITE}/{name}-{version}.dist-info/uv_cache.json", ours, theirs


def _acme(package: Package) -> Mapping[str, bytes]:
    name, version = package
    return {f"vendor/{name}/{version}": f"{name} {version}\n".encode()}


def _lock(package: Package, *, versions: tuple[str, str]) -> tuple[str, bytes, bytes]:
    ours, theirs = (
        f"at {time}\n{package[0]} {version}\n".encode()
        for time, version in zip((1, 2), versions, strict=True)
    )
    return "vendor/lock", ours, theirs


BENCHES: Mapping[str, EcosystemBench] = {
    "python": EcosystemBench(
        files=_python,
        url=lambda one: (
            f"https://index.example/simple/{one[0]}/{'0' * 64}/{one[0]}-{one[1]}-py3-none-any.whl"
        ),
        same=lambda one: _uv_cache(one, commits=("a", "a")),
        other=lambda one: _uv_cache(one, commits=("a", "b")),
    ),
    "acme": EcosystemBench(
        files=_acme,
        url=lambda one: f"https://vendor.example/{one[0]}-{one[1]}",
        same=lambda one: _lock(one, versions=(one[1], one[1])),
        other=lambda one: _lock(one, versions=(one[1], "9.9")),
    ),
}
"""By the ecosystem's name: those that ship, and `acme` of another distribution (`OUTSIDE`)."""
