"""The tape: one file with what real hosts answered once, and what answers from it."""

import contextlib
import hashlib
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from harness.errors import TapeError
from harness.internet.exchange import Answer, Asked, Begun, Question
from harness.internet.tape_index import TapeIndex, from_json, to_json
from harness.storage.staging import staged_file, staged_folder

INDEX = "index.json"
BODIES = "bodies/"
_TIME = (2020, 1, 1, 0, 0, 0)
_RECORD_ANEW = "`cache-harness record` makes another; --anew replaces this one"


class FallbackResponder(Protocol):
    """What answers where a scenario has nothing; safe to use from several threads."""

    def answer(self, question: Question) -> Answer | None:
        """The answer to a question, or None where there is none.

        Raises:
            HarnessError: There should be one, and it is unavailable.
        """

    def begun(self, asked: Asked) -> Begun | None:
        """The answer that somebody waits for, where its body can be passed on as it comes."""

    def body(self, sha256: str) -> Path:
        """A file with an answer's body, there until the run ends.

        Raises:
            HarnessError: It is damaged.
        """

    def unknown(self) -> str:
        """How the line of a refusal ends where this had no answer either."""

    @property
    def identity(self) -> str:
        """What a build's key says of it: the same only where the same is answered."""


class Toolbox(Protocol):
    """What has build tools before the operator's index is asked for them."""

    def tools(self, name: str) -> Path | None:
        """A folder with the files of a set of build tools, or None where they are not kept."""

    def offered(self, name: str, folder: Path) -> None:
        """Takes note of the files of a set that builds are offered."""


class Tape:
    """A recorded tape that is open for reading; safe to use from several threads."""

    def __init__(
        self, path: Path, index: TapeIndex, archive: zipfile.ZipFile, folder: Path
    ) -> None:
        """Used by `open`."""
        self.path = path
        self.index = index
        self._archive = archive
        self._folder = folder
        self._lock = threading.RLock()
        self._file = _identity_of(path)

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path, folder: Path) -> Iterator["Tape"]:
        """Yields the tape in a file.

        Args:
            path: The file. It may be replaced meanwhile: what was opened is read on.
            folder: A new folder for what is unpacked.

        Raises:
            TapeError: It is not there, is not a tape, or is damaged.
        """
        folder.mkdir(parents=True)
        with contextlib.ExitStack() as stack:
            try:
                archive = stack.enter_context(zipfile.ZipFile(path))
                index = _index(archive)
            except (OSError, EOFError, zipfile.BadZipFile, KeyError, ValueError) as error:
                raise _damaged(path, _why(error)) from error
            yield cls(path, index, archive, folder)

    @property
    def identity(self) -> str:
        """What a build's key says of it."""
        return f"tape {self.index.digest}"

    def is_current(self) -> bool:
        """Whether the file is still the one that was opened."""
        return _identity_of(self.path) == self._file

    def answer(self, question: Question) -> Answer | None:
        """The recorded answer to a question, or None."""
        return self.index.answers.get(question.asked)

    def begun(self, asked: Asked) -> Begun | None:  # noqa: ARG002 - as FallbackResponder has it
        """None: what is on a tape is there at once."""
        return None

    def body(self, sha256: str) -> Path:
        """A file with a body, which was checked as it was unpacked.

        Raises:
            TapeError: It is damaged.
        """
        unpacked = self._folder / sha256
        with self._lock:
            if not unpacked.exists():
                self._unpack(sha256, unpacked)
        return unpacked

    def _unpack(self, sha256: str, unpacked: Path) -> None:
        with staged_file(unpacked) as staged:
            try:
                with self._archive.open(f"{BODIES}{sha256}") as source, staged.open("wb") as target:
                    shutil.copyfileobj(source, target, 1024 * 1024)
            except (OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
                raise _damaged(self.path, f"{BODIES}{sha256}: {_why(error)}") from error
            with staged.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                raise _damaged(self.path, f"{BODIES}{sha256} has other content")

    def unknown(self) -> str:
        """How the line of a refusal ends where the tape had no answer either."""
        return f", and not on the tape {self.path.name}"

    def tools(self, name: str) -> Path | None:
        """A folder with the files of a set of build tools, or None where it is not on the tape.

        Raises:
            TapeError: One is damaged.
        """
        files = [file for file in self.index.tools if file.set == name]
        if not files:
            return None
        laid_out = self._folder / "tools" / name
        with self._lock:
            if not laid_out.is_dir():
                with staged_folder(laid_out) as staged:
                    for file in files:
                        shutil.copyfile(self.body(file.sha256), staged / file.name)
        return laid_out

    def offered(self, name: str, folder: Path) -> None:
        """A tape that is only read keeps nothing."""


def write_tape(path: Path, index: TapeIndex, body: Callable[[str], Path]) -> None:
    """Writes a tape in place of what is at `path`: it is whole, or the file is as it was.

    The same index gives the same bytes, whoever writes it and when. Nothing is compressed: how well
    that is done differs between zlib's versions, and most of what is kept is packed already.

    Args:
        path: The file.
        index: What the tape holds.
        body: Gives a file with a content by its sha256.

    Raises:
        TapeError: The file cannot be written.
    """
    try:
        with (
            staged_file(path) as staged,
            zipfile.ZipFile(staged, "w", zipfile.ZIP_STORED) as archive,
        ):
            archive.writestr(_member(INDEX), to_json(index))
            for sha256, size in index.bodies.items():
                member = _member(f"{BODIES}{sha256}")
                member.file_size = size  # whether the member needs zip's larger numbers
                with body(sha256).open("rb") as source, archive.open(member, "w") as target:
                    shutil.copyfileobj(source, target, 1024 * 1024)
    except OSError as error:
        raise TapeError(
            f"the tape {path} cannot be written: {error.strerror}",
            hint="free some room, or name another file with --tape FILE",
        ) from error


def _identity_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, date_time=_TIME)
    member.create_system = 3  # Unix, so that modes are read
    member.external_attr = 0o100644 << 16
    return member


def _index(archive: zipfile.ZipFile) -> TapeIndex:
    index = from_json(archive.read(INDEX))
    sizes = {member.filename: member.file_size for member in archive.infolist()}
    for sha256, size in index.bodies.items():
        if sizes.get(f"{BODIES}{sha256}") != size:
            raise ValueError(f"{BODIES}{sha256} is missing or incomplete")
    return index


def read_index(path: Path) -> TapeIndex:
    """What a tape holds.

    Raises:
        TapeError: It is not there, is not a tape, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _index(archive)
    except (OSError, EOFError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise _damaged(path, _why(error)) from error


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error.args[0]) if isinstance(error, KeyError) else str(error)


def _damaged(path: Path, why: str) -> TapeError:
    if not path.exists():
        return TapeError(
            f"no tape is at {path}",
            hint=f"`cache-harness record … --tape {path}` records one",
        )
    return TapeError(f"{path} is not a complete tape: {why}", hint=_RECORD_ANEW)
