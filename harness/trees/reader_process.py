"""Has the files of a large tree read by a second process too, so that two cores work."""

import os
import resource
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import blake3

import harness
from harness.trees import file_reader as contents
from harness.trees.directory import Directory
from harness.trees.file_reader import READY, request

WORTH_A_PROCESS: Final = 2000
"""So many files are read before a process is started, which takes about as long as they do."""

_BATCH = 64
_BATCH_FOLDERS = 16
# So many batches lie ready for the process while this one reads a batch or a large file itself.
_AHEAD = 8

# No start-up files of the site, which may do anything.
_SERVE = "import sys; sys.path += sys.argv[1:]; from harness.trees.file_reader import main; main()"
_PACKAGES = tuple({str(Path(m.__file__).parents[1]) for m in (harness, blake3) if m.__file__})

# For all that are read at once: each holds up to 160 open folders, or 320 of two trees.
_PROCESSES = threading.BoundedSemaphore(min(len(os.sched_getaffinity(0)) - 1, 4))
_OPEN_FILES = 1024

Directories = tuple[Directory, ...]
"""The folders that names stand in: one, or one of each tree."""


class Work(Protocol):
    """What is to be done with files.

    Attributes:
        task: What the process calls it.
        answer_size: How many bytes the process's answer has for each name.
    """

    task: str
    answer_size: int

    def read(self, folders: Directories, names: Sequence[str]) -> None:
        """Reads these files here."""

    def take(self, folders: Directories, names: Sequence[str], answer: bytes) -> None:
        """Takes the process's answer about these files; what it could not read is read here."""


class Readers:
    """Has files read here, and by a second process once there are many, while its block lasts.

    Where the process cannot be started or fails, files are read here instead. It does nothing but
    read, and it ends when this process does, however that ends.

    Args:
        work: What is to be done with the files.
        worth: So many files are read here first.
    """

    def __init__(self, work: Work, *, worth: int = WORTH_A_PROCESS) -> None:
        self._work = work
        self._worth = worth
        self._alone = worth
        self._process: _Process | None = None
        self._batch = _Batch()
        self._handed: deque[_Batch] = deque()

    def add(self, folders: Directories, names: list[str]) -> None:
        """Has files read, now or before the block ends; until then their folders are held.

        Raises:
            ManifestError: One of the files given so far cannot be read.
        """
        if self._process is None:
            self._work.read(folders, names)
            self._alone -= len(names)
            if self._alone <= 0:
                self._start()
            return
        for start in range(0, len(names), _BATCH):
            self._batch.add(folders, names[start : start + _BATCH])
            if self._batch.full:
                batch, self._batch = self._batch, _Batch()
                self._share(batch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                batch, self._batch = self._batch, _Batch()
                self._read(batch)
                while self._handed:
                    self._take(wait=True)
        finally:
            self._end()
            for batch in (self._batch, *self._handed):
                batch.let_go()

    def _start(self) -> None:
        # Where there is none to spare now, there may be later.
        self._alone = self._worth
        few_files = 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] < _OPEN_FILES
        if few_files or not _PROCESSES.acquire(blocking=False):
            return
        try:
            self._process = _Process()
        except OSError:
            self._alone = sys.maxsize
        finally:
            if self._process is None:
                _PROCESSES.release()

    def _share(self, batch: "_Batch") -> None:
        while self._take(wait=False):
            pass
        if not self._hand(batch):
            self._read(batch)

    def _hand(self, batch: "_Batch") -> bool:
        """Hands a batch to the process, unless it has enough or is unavailable."""
        if self._process is None or not self._process.ready() or len(self._handed) >= _AHEAD:
            return False
        if not self._process.send(batch.request(self._work.task), batch.descriptors()):
            return False
        self._handed.append(batch)
        return True

    def _read(self, batch: "_Batch") -> None:
        try:
            for folders, names in batch.parts:
                self._work.read(folders, names)
        finally:
            batch.let_go()

    def _take(self, *, wait: bool) -> bool:
        """Takes the oldest answer that is owed; False where there is none (yet)."""
        if self._process is None or not self._handed:
            return False
        answer = self._process.receive(wait=wait)
        if answer is None:
            return False
        size = self._work.answer_size
        if len(answer) != self._handed[0].count * size:
            self._do_without()
            return False
        batch = self._handed.popleft()
        try:
            start = 0
            for folders, names in batch.parts:
                end = start + len(names) * size
                self._work.take(folders, names, answer[start:end])
                start = end
        finally:
            batch.let_go()
        return True

    def _do_without(self) -> None:
        self._end()
        self._alone = sys.maxsize
        while self._handed:
            self._read(self._handed.popleft())

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            try:
                process.end()
            finally:
                _PROCESSES.release()


class _Batch:
    """Names in folders that it holds."""

    def __init__(self) -> None:
        self.parts: list[tuple[Directories, list[str]]] = []
        self.count = 0

    def add(self, folders: Directories, names: list[str]) -> None:
        for folder in folders:
            folder.hold()
        self.parts.append((folders, names))
        self.count += len(names)

    @property
    def full(self) -> bool:
        return self.count >= _BATCH or len(self.parts) >= _BATCH_FOLDERS

    def request(self, task: str) -> bytes:
        return request(task, [names for _, names in self.parts])

    def descriptors(self) -> list[int]:
        return [folder.fd for folders, _ in self.parts for folder in folders]

    def let_go(self) -> None:
        for folders, _ in self.parts:
            for folder in folders:
                folder.close()
        self.parts = []


class _Process:
    """The other process, and the channel to it."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _SERVE, *_PACKAGES],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    # Whoever interrupts this process by its terminal interrupts only this one.
                    start_new_session=True,
                )
            except BaseException:
                self._channel.close()
                raise
        self._ready = False

    def ready(self) -> bool:
        """Whether it has started."""
        if not self._ready:
            self._ready = self.receive(wait=False) == READY
        return self._ready

    def send(self, message: bytes, descriptors: list[int]) -> bool:
        """Hands it a request; False where it is unavailable."""
        try:
            socket.send_fds(self._channel, [message], descriptors)
        except OSError:
            return False
        return True

    def receive(self, *, wait: bool) -> bytes | None:
        """The next answer; None where there is none yet, and nothing where none will come."""
        try:
            return self._channel.recv(contents.LONGEST, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def end(self) -> None:
        """Ends it; nothing is lost by that, whatever it is at."""
        self._channel.close()
        self._process.kill()
        self._process.wait()
