"""Every error a person can cause, each with what to try next."""

import errno
import os
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What the command's exit status says."""

    EXPECTED = 0
    FINDING = 1
    UNKNOWN = 2
    INTERRUPTED = 130


_ANOTHER = "name another, or let this user read and write it"
_REFUSALS = {
    errno.EACCES: _ANOTHER,
    errno.EPERM: _ANOTHER,
    errno.EROFS: _ANOTHER,
    errno.ENAMETOOLONG: "name a shorter path",
    errno.ELOOP: "name one whose symlinks lead somewhere",
    errno.ENOSPC: "free some room",
    errno.EDQUOT: "free some room",
}


class HarnessError(Exception):
    """The harness could not decide: says what happened and what to try next.

    Args:
        message: What is wrong, naming the file and line, the key or the command.
        hint: What to try next, as an imperative sentence.
    """

    exit_code = ExitCode.UNKNOWN

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  try: {self.hint}" if self.hint else self.message


def refusal(error: OSError) -> HarnessError | None:
    """What the system refused to do with a path that a person gave.

    Returns:
        The person's error; None where it may as well be a fault of the harness's own.
    """
    if error.filename is None or error.errno not in _REFUSALS:
        return None
    path = os.fsdecode(error.filename)
    return HarnessError(f"{path}: {error.strerror}", hint=_REFUSALS[error.errno])


class SandboxError(HarnessError):
    """A sandbox could not be made: the engine, the image or a tool is not there."""


class BuildpackError(HarnessError):
    """A buildpack cannot be found, read or recognised."""


class NoSuchRevisionError(BuildpackError):
    """A buildpack's repository has no revision of that name."""


class EcosystemError(HarnessError):
    """A language's ecosystem cannot be imported, or none is installed."""


class ImageError(HarnessError):
    """A stack image cannot be built or read."""


class RuntimeArchiveError(HarnessError):
    """A Python runtime cannot be packed or is unavailable."""


class ReleaseError(HarnessError):
    """A release for the index cannot be built or fetched."""


class TapeError(HarnessError):
    """A tape cannot be read, or a recording cannot be completed."""


class ManifestError(HarnessError):
    """A built tree cannot be read, changed while it was read, or was stored damaged."""


class StoreError(HarnessError):
    """The store cannot be read or written."""


class CacheError(HarnessError):
    """A cache that a build left cannot be saved or restored; others can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault in a file that a person wrote.

    Attributes:
        file: The file, as the person would name it.
        line: 1-based line, or 0 where the fault is the file's as a whole.
        message: What is there, naming the key.
        expected: What was expected instead.
    """

    file: str
    line: int
    message: str
    expected: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}" + (f"; expected {self.expected}" if self.expected else "")


class InputError(HarnessError):
    """Faults in files that a person wrote, all of them at once."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.message)))
        super().__init__("\n".join(str(problem) for problem in self.problems))
