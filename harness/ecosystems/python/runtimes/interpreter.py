"""An installed CPython: where it is, which version, and who laid it out."""

import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.ecosystems.python.runtimes.system import System
from harness.errors import RuntimeArchiveError

_FACTS = """
import json, platform, sys
v = sys.version_info
tail = "" if v.releaselevel == "final" else {"alpha": "a", "beta": "b", "candidate": "rc"}[
    v.releaselevel] + str(v.serial)
print(json.dumps([platform.python_implementation(), "%d.%d.%d%s" % (v[0], v[1], v[2], tail)]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A CPython as it is installed.

    Attributes:
        system: The system that it belongs to.
        prefix: Its prefix as a path of the host's; `bin/` and `lib/` are below.
        version: As in `3.11.7`.
        program: Its executable, never a link.
    """

    system: System
    prefix: Path
    version: str
    program: Path

    @property
    def minor(self) -> str:
        """As in `3.11`."""
        return ".".join(self.version.split(".")[:2])

    @property
    def stdlib(self) -> Path:
        """The folder of its standard library."""
        return self.prefix / "lib" / f"python{self.minor}"

    @property
    def debian(self) -> bool:
        """Whether Debian laid it out: it then installs into `dist-packages` of `/usr/local`."""
        site = self.stdlib / "site.py"
        return "dist-packages" in site.read_text(encoding="utf-8", errors="replace")


def read_interpreter(
    prefix: Path, *, root: Path = Path("/"), minor: str | None = None
) -> Interpreter:
    """The CPython of a prefix.

    Args:
        prefix: The folder with `bin/python3.N` and `lib/python3.N`, or a Python executable.
        root: The root of the system that it belongs to.
        minor: As in `3.11`, where a prefix has several; the newest where it is None.

    Raises:
        RuntimeArchiveError: There is none, it does not run, or it is not a CPython.
    """
    if prefix.is_file():
        real = prefix.resolve()
        name = re.fullmatch(r"python(\d+\.\d+)t?", real.name)
        prefix, minor = real.parent.parent, minor or (name[1] if name else None)
    prefix = prefix.absolute()
    minors = installed_minors(prefix)
    if (prefix / "pyvenv.cfg").exists() or not minors:
        what = (
            "a virtual environment" if (prefix / "pyvenv.cfg").exists() else "no installed Python"
        )
        raise RuntimeArchiveError(
            f"{prefix} is {what}: it has no bin/python3.N with its own lib/python3.N/os.py",
            hint="give the prefix that `python3 -c 'import sys; print(sys.base_prefix)'` prints",
        )
    chosen = minor or minors[-1]
    if chosen not in minors:
        raise RuntimeArchiveError(
            f"{prefix} has no Python {chosen}",
            hint=f"it has {', '.join(minors)}: choose one of them",
        )
    system = System(root=root)
    program = (prefix / "bin" / f"python{chosen}").resolve()
    done = system.run((str(program), "-I", "-S", "-c", _FACTS), (prefix / "lib",))
    try:
        implementation, version = json.loads(done.stdout)
    except ValueError:
        raise RuntimeArchiveError(
            f"{program} does not run:\n  " + "\n  ".join(done.stderr.splitlines()[-4:]),
            hint="check that it runs by itself, then pack it again",
        ) from None
    if implementation != "CPython":
        raise RuntimeArchiveError(
            f"{program} is {implementation}, not CPython", hint="give the prefix of a CPython"
        )
    return Interpreter(system=system, prefix=prefix, version=version, program=program)


def installed_minors(prefix: Path) -> tuple[str, ...]:
    """The versions, as in `3.11`, that are whole in a prefix; oldest first."""
    found = []
    for stdlib in prefix.glob("lib/python3.*"):
        match = re.fullmatch(r"python(3\.\d+)", stdlib.name)
        if match and (stdlib / "os.py").is_file() and (prefix / "bin" / stdlib.name).is_file():
            found.append(match[1])
    return tuple(sorted(found, key=lambda minor: int(minor.partition(".")[2])))


def host_prefixes() -> tuple[Path, ...]:
    """Prefixes on the host that hold a CPython which can be packed, as suggestions.

    Looked for are this process's own, those of the Pythons on PATH, and those beside one that is
    found: version managers keep them next to each other.
    """
    starts = [Path(sys.base_prefix)]
    names = ("python3", *(f"python3.{minor}" for minor in range(8, 20)))
    for name in names:
        found = shutil.which(name)
        if found:
            starts.append(Path(found).resolve().parent.parent)
    prefixes: dict[Path, None] = {}
    for start in starts:
        prefixes[start.resolve()] = None
        # Only where the folder is named for a version is its parent a collection of Pythons.
        if re.search(r"\d+\.\d+", start.name):
            prefixes.update(dict.fromkeys(sorted(start.resolve().parent.glob("*[0-9].[0-9]*"))))
    return tuple(
        prefix
        for prefix in prefixes
        if installed_minors(prefix) and not (prefix / "pyvenv.cfg").exists()
    )
