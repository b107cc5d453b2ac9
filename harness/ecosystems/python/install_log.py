"""What installers say in a build's log: which distributions they found there, which were new."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from packaging.utils import canonicalize_name

_ESCAPES: Final = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST: Final = 64 * 1024
_NAME: Final = r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)"

# pip, and Pipenv by way of it.
_SATISFIED: Final = re.compile(rf"Requirement already satisfied: {_NAME}")
_COLLECTED: Final = "Installing collected packages: "
# Poetry: "  - Installing forms (1.0 02deeb3)".
_OPERATION: Final = re.compile(
    rf"[-•] (?P<what>Installing|Updating|Downgrading) {_NAME} \([^()]*\)(?P<more>.*)"
)
_SKIPPED: Final = "Skipped"
# uv: " + forms==1.0 (from git+https://…)", " ~ forms==1.0" where it is installed again.
_ADDED: Final = re.compile(rf"[+~] {_NAME}==\S+(?: \(from \S+\))?")
_NOTHING: Final = re.compile(r"(?:Audited|Checked) \d+ packages? in .*")
_NO_OPERATIONS: Final = "No dependencies to install or update"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallLog:
    """What a log says, by normalised names.

    Attributes:
        satisfied: Distributions that were there and stayed.
        installed: Those that were installed.
        complete: Whether all that is not said to be installed was there already.
    """

    satisfied: frozenset[str] = frozenset()
    installed: frozenset[str] = frozenset()
    complete: bool = False

    def says_restored(self, name: str) -> bool | None:
        """Whether a distribution was there before it was asked for; None where nothing is said."""
        if name in self.installed:
            return False
        return True if name in self.satisfied or self.complete else None


def read_install_log(log: str) -> InstallLog:
    """Reads the lines of pip, uv and Poetry in a build's whole log."""
    satisfied: set[str] = set()
    installed: set[str] = set()
    complete = False
    for line in _lines(log):
        if match := _SATISFIED.match(line):
            satisfied.add(_normal(match["name"]))
        elif line.startswith(_COLLECTED):
            names = line.removeprefix(_COLLECTED).split(",")
            installed |= {_normal(name.strip()) for name in names if name.strip()}
        elif match := _OPERATION.match(line):
            said = satisfied if _SKIPPED in match["more"] else installed
            said.add(_normal(match["name"]))
        elif match := _ADDED.fullmatch(line):
            installed.add(_normal(match["name"]))
        elif _NOTHING.fullmatch(line) or line == _NO_OPERATIONS:
            complete = True
    return InstallLog(
        satisfied=frozenset(satisfied), installed=frozenset(installed), complete=complete
    )


def _lines(log: str) -> Iterator[str]:
    """Lines without colours and indentation; no line that an installer writes is very long."""
    for line in log.split("\n"):
        if len(line) <= _LONGEST:
            yield _ESCAPES.sub("", line).strip()


def _normal(name: str) -> str:
    return str(canonicalize_name(name.rstrip("._-")))
