"""A root folder with a C library: what its loader finds, and programs run by that loader."""

import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RuntimeArchiveError

LOADERS = {
    "x86_64": "ld-linux-x86-64.so.2",
    "aarch64": "ld-linux-aarch64.so.1",
    "armv7l": "ld-linux-armhf.so.3",
    "ppc64le": "ld64.so.2",
    "riscv64": "ld-linux-riscv64-lp64d.so.1",
    "s390x": "ld64.so.1",
}

C_LIBRARY = re.compile(
    r"(ld-linux.*|ld64|linux-(vdso|gate)\d*|lib(c|m|dl|rt|pthread|util|resolv|anl|nsl|BrokenLocale"
    r"|thread_db|mvec|nss_\w+))\.so(\.\d+)*$"
)
"""Libraries of glibc itself: these are the system's own, and one must never be taken along."""

_TOO_NEW = re.compile(r"version `(GLIBC_[\w.]+)' not found")


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The system below `root`: the host itself at `/`, or an unpacked tree.

    A program below an unpacked root runs by that root's own loader with that root's own libraries,
    which needs neither chroot nor privileges.
    """

    root: Path

    @property
    def library_dirs(self) -> tuple[Path, ...]:
        """The folders in which its loader looks, those that are there."""
        found: list[Path] = []
        for base in ("usr/lib", "lib", "usr/lib64", "lib64"):
            folder = self.resolve(Path("/", base))
            found += [*sorted(folder.glob("*-linux-gnu*")), folder] if folder.is_dir() else []
        return tuple(dict.fromkeys(found))

    def resolve(self, path: Path) -> Path:
        """A path of the system's, such as `/lib64/x`, as a path of the host's.

        Links are followed as the system itself would: an absolute one starts at its root.
        """
        parts = [part for part in reversed(path.parts) if part != "/"]
        at = self.root
        for _ in range(256):
            if not parts:
                return at
            part = parts.pop()
            if part == "..":
                at = at.parent if at != self.root else at
                continue
            step = at / part
            if step.is_symlink():
                target = step.readlink()
                parts += [name for name in reversed(target.parts) if name != "/"]
                at = self.root if target.is_absolute() else at
            else:
                at = step
        raise RuntimeArchiveError(
            f"{path} in {self.root} is a loop of links", hint="unpack that tree again"
        )

    def loader(self) -> Path:
        """Its dynamic loader.

        Raises:
            RuntimeArchiveError: There is none: no glibc, or another machine's.
        """
        name = LOADERS.get(platform.machine(), "")
        for folder in ("lib64", "lib", "usr/lib64", "usr/lib"):
            file = self.resolve(Path("/", folder, name))
            if name and file.is_file():
                return file
        raise RuntimeArchiveError(
            f"no dynamic loader of glibc's for {platform.machine()} is below {self.root}",
            hint="use a Debian, Ubuntu or other glibc system of this machine's architecture",
        )

    def run(
        self, argv: tuple[str, ...], libraries: tuple[Path, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program with this system's libraries, `libraries` searched before them.

        The program sees next to nothing of the caller's environment.

        Raises:
            RuntimeArchiveError: The root has no loader, or the program does not end.
        """
        environment = {
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": "/nonexistent",
            "PYTHONHASHSEED": "0",
        }
        if self.root == Path("/"):
            environment["LD_LIBRARY_PATH"] = ":".join(map(str, libraries))
        else:
            folders = ":".join(str(folder) for folder in (*libraries, *self.library_dirs))
            argv = (str(self.loader()), "--inhibit-cache", "--library-path", folders, *argv)
        try:
            return subprocess.run(
                argv,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                stdin=subprocess.DEVNULL,
                cwd="/",
                env=environment,
                timeout=300,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RuntimeArchiveError(
                f"{argv[0]} does not run: {error}",
                hint="check that it runs by itself, then try again",
            ) from error

    def links(self, file: Path) -> dict[str, Path | None]:
        """The shared libraries that a program or library needs, all the way down.

        Returns:
            Each library's name as the loader looks it up, and the file it is here; None where it
            is not found. Libraries of glibc's own are left out.
        """
        return parse_links(self._listing(file).stdout)

    def lacks(self, file: Path) -> tuple[str, ...]:
        """The versions of glibc's symbols, as in `GLIBC_2.42`, that a program or library needs and
        that this system's glibc has not."""  # noqa: D205, D209
        done = self._listing(file)
        return tuple(dict.fromkeys(_TOO_NEW.findall(done.stdout + done.stderr)))

    def _listing(self, file: Path) -> subprocess.CompletedProcess[str]:
        """What its loader says of the libraries that a file needs."""
        folders = ":".join(str(folder) for folder in self.library_dirs)
        search = () if self.root == Path("/") else ("--inhibit-cache", "--library-path", folders)
        return subprocess.run(
            (str(self.loader()), *search, "--list", str(file)),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={"LC_ALL": "C"},
            timeout=60,
        )

    def has_library(self, name: str) -> bool:
        """Whether its loader finds a library of this name."""
        return any((folder / name).exists() for folder in self.library_dirs)


def parse_links(listing: str) -> dict[str, Path | None]:
    """What a loader's `--list` printed (ld.so(8)), less glibc's own libraries."""
    found: dict[str, Path | None] = {}
    row = re.compile(r"\s+(?P<name>[^\s/]+) => (?P<path>not found|/.*?)( \(0x[0-9a-f]+\))?$")
    for line in listing.splitlines():
        match = row.match(line)
        if match and not C_LIBRARY.match(match["name"]):
            path = match["path"]
            found[match["name"]] = None if path == "not found" else Path(path)
    return found
