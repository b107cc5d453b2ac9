"""A Python runtime: an installed CPython, packed as the archives that a buildpack downloads."""

import json
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from harness.storage.store import Store

FORMAT = 2
"""Goes up when the same prefix would be packed otherwise."""

ARCHIVES = ("runtime.tar.gz", "runtime.tar.zst", "pip.tar.zst")
"""What is served of a runtime, as `harness.ecosystems.python.serving` has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A kept runtime: one tree, as two archives with the prefix's contents at their root, and pip.

    Attributes:
        version: As in `3.11.7`.
        digest: The sha256 of the tar that both compress, in hex.
        origin: Where it was packed from, for people.
        bundled: Shared libraries in its `lib/` that the image lacks. A build finds these, and a
            shared libpython, by `LD_LIBRARY_PATH=<prefix>/lib`, as Heroku's buildpacks set it.
        left_out: Its extension modules that need a newer glibc than the image's, and so are not
            in it: `termios (GLIBC_2.42)`.
        on_demand: Whether it was made because builds asked for it. It counts where they do so, and
            nowhere else.
        gz: `python-X.Y.Z.tar.gz`.
        gz_sha256: Its sha256 in hex.
        zst: `python-X.Y.Z.tar.zst`.
        zst_sha256: Its sha256 in hex.
        pip: `pip-for-X.Y.Z.tar.zst`: the pip whose wheel it brings, unpacked and compiled for it.
        pip_sha256: Its sha256 in hex.
    """

    version: str
    digest: str
    origin: str
    bundled: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    on_demand: bool = False
    gz: Path
    gz_sha256: str
    zst: Path
    zst_sha256: str
    pip: Path
    pip_sha256: str

    @property
    def minor(self) -> str:
        """As in `3.11`."""
        return minor_of(self.version)

    def archive(self, kind: str) -> tuple[Path, str]:
        """The file, and its sha256, of a kind that is one of `ARCHIVES`."""
        return {
            "runtime.tar.gz": (self.gz, self.gz_sha256),
            "runtime.tar.zst": (self.zst, self.zst_sha256),
            "pip.tar.zst": (self.pip, self.pip_sha256),
        }[kind]


def minor_of(version: str) -> str:
    """As in `3.14`, of a whole version or a minor one."""
    return ".".join(version.split(".")[:2])


def available_runtimes(store: Store) -> tuple[Runtime, ...]:
    """Every kept runtime, newest version first; of one version the one packed last comes first."""
    found: list[tuple[Version, float, Runtime]] = []
    for file in store.runtimes.glob("*/runtime.json"):
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
            if facts["format"] != FORMAT:
                continue
            version = str(facts["version"])
            runtime = Runtime(
                version=version,
                digest=str(facts["digest"]),
                origin=str(facts["origin"]),
                bundled=tuple(map(str, facts["bundled"])),
                left_out=tuple(map(str, facts.get("left_out", ()))),
                on_demand=bool(facts.get("on_demand", False)),
                gz=file.parent / f"python-{version}.tar.gz",
                gz_sha256=str(facts["gz"]),
                zst=file.parent / f"python-{version}.tar.zst",
                zst_sha256=str(facts["zst"]),
                pip=file.parent / f"pip-for-{version}.tar.zst",
                pip_sha256=str(facts["pip"]),
            )
            packed = file.stat().st_mtime
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if all(each.is_file() for each in (runtime.gz, runtime.zst, runtime.pip)):
            found.append((by_version(version), packed, runtime))
    return tuple(runtime for *_, runtime in sorted(found, key=lambda f: f[:2], reverse=True))


def by_version(version: str) -> Version:
    """What versions of runtimes are sorted by, oldest first."""
    return Version(version)
