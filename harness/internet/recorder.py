"""Answers from a tape, and what it lacks from the real hosts, which is kept for the tape."""

import hashlib
import secrets
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness.errors import TapeError
from harness.internet.exchange import Answer, Asked, Begun, Question
from harness.internet.redaction import redact, secrets_of
from harness.internet.routes import Routes, same_host
from harness.internet.tape import Tape, write_tape
from harness.internet.tape_index import TapeIndex, ToolFile
from harness.internet.upstream import Upstream

_CREDENTIALS = frozenset({"authorization", "cookie"})
_CHUNK = 1024 * 1024

Headers = tuple[tuple[str, str], ...]


class Recorder:
    """A recording under way; safe to use from several threads.

    Each thing is asked for once, so that all builds of a recording see the same.
    """

    def __init__(
        self, tape: Tape | None, *, folder: Path, upstream: Upstream, routes: Routes
    ) -> None:
        """Args: the tape that is added to, a new folder, the real hosts, and how they are found."""
        folder.mkdir(parents=True)
        self._tape = tape
        self._folder = folder
        self._upstream = upstream
        self._routes = routes
        self._lock = threading.Lock()
        self._futures: dict[Asked, Future[Answer]] = {}
        self._begun: dict[Asked, Begun] = {}
        self._fetched: dict[Asked, Answer] = {}
        self._tools: dict[str, tuple[ToolFile, ...]] = {}
        self._places: dict[str, Path] = {}
        self._secrets: set[str] = set()
        self.identity = f"recording {secrets.token_hex(16)}"

    # --- answering -----------------------------------------------------------------------------

    def answer(self, question: Question) -> Answer:
        """The answer to a question.

        Raises:
            HarnessError: The tape has none, and no real host gave one; it is
                not asked again.
        """
        with self._lock:
            future = self._futures.get(question.asked)
            first = future is None
            if future is None:
                future = self._futures[question.asked] = Future()
        if first:
            try:
                future.set_result(self._answer(question))
            except BaseException as error:  # noqa: BLE001 - raised to all who wait
                future.set_exception(error)
        return future.result()

    def _answer(self, question: Question) -> Answer:
        with self._lock:
            self._secrets.update(secrets_of(question.url, question.headers))
        known = self._tape.answer(question) if self._tape else None
        if known is not None:
            if self._is_page(question.asked, known.status, known.headers):
                page = self.body(known.sha256).read_text("utf-8", "replace")
                with suppress(TapeError):  # where it really is, is not on the tape: nor is it asked
                    real = self._routes.real(question.url)
                    self._learn_links(question.asked, known.headers, real, page)
            return known
        answer = self._fetch(question)
        with self._lock:
            self._fetched[question.asked] = answer
        return answer

    def _fetch(self, question: Question) -> Answer:
        asked, real = question.asked, self._routes.real(question.url)
        with self._lock:
            self._secrets.update(secrets_of(real, ()))
        headers = question.headers
        if not same_host(real, question.url):
            headers = tuple(each for each in headers if each[0] not in _CREDENTIALS)
        staged = self._folder / f".{secrets.token_hex(8)}"

        def begin(kept: tuple[tuple[str, str], ...], size: int) -> None:
            if not self._is_page(asked, 200, kept):  # those are shown otherwise than they come
                shown = tuple((name, redact(value)) for name, value in kept)
                self._begun[asked] = Begun(headers=shown, size=size, path=staged)

        try:
            answer = self._upstream.fetch(
                asked.method,
                real,
                headers=headers,
                body=question.body,
                into=staged,
                on_begin=begin,
            )
            return self._keep(asked, real, answer, staged)
        finally:
            self._begun.pop(asked, None)
            staged.unlink(missing_ok=True)

    def begun(self, asked: Asked) -> Begun | None:
        """The answer that is just being fetched, where its body can be passed on as it comes."""
        return self._begun.get(asked)

    def _keep(self, asked: Asked, real: str, answer: Answer, staged: Path) -> Answer:
        """Keeps an answer as builds are shown it."""
        headers = dict(answer.headers)
        if "location" in headers:
            headers["location"] = self._routes.shown(asked.url, real, headers["location"])
        sha256, size = answer.sha256, answer.size
        if self._is_page(asked, answer.status, answer.headers):
            page = staged.read_bytes().decode("utf-8", "surrogateescape")
            self._learn_links(asked, answer.headers, real, page)
            data = redact(page).encode("utf-8", "surrogateescape")
            staged.write_bytes(data)
            sha256, size = hashlib.sha256(data).hexdigest(), len(data)
        staged.replace(self._folder / sha256)
        kept = tuple(sorted((name, redact(value)) for name, value in headers.items()))
        return replace(answer, headers=kept, sha256=sha256, size=size)

    def _is_page(self, asked: Asked, status: int, headers: Headers) -> bool:
        """Whether an answer is a package index's page, whose links are rewritten."""
        return status == 200 and self._routes.is_page(asked, _content_type(headers))

    def _learn_links(self, asked: Asked, headers: Headers, real: str, page: str) -> None:
        self._routes.learn_links(asked, _content_type(headers), real, page)

    def body(self, sha256: str) -> Path:
        """A file with an answer's body, or a build tool's file.

        Raises:
            TapeError: It is damaged.
        """
        own = self._places.get(sha256, self._folder / sha256)
        if self._tape is None or own.exists():
            return own
        return self._tape.body(sha256)

    def unknown(self) -> str:
        """Nothing: a recording has an answer to everything, or fails."""
        return ""

    # --- build tools ---------------------------------------------------------------------------

    def tools(self, name: str) -> Path | None:
        """A folder with the files of a set of build tools, or None where the tape has none."""
        return self._tape.tools(name) if self._tape else None

    def offered(self, name: str, folder: Path) -> None:
        """Keeps the files of a set for the tape."""
        files = []
        for path in sorted(folder.iterdir()):
            with path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            files.append(
                ToolFile(set=name, name=path.name, sha256=sha256, size=path.stat().st_size)
            )
            with self._lock:
                self._places[sha256] = path
        with self._lock:
            self._tools[name] = tuple(files)

    # --- keeping -------------------------------------------------------------------------------

    @property
    def index(self) -> TapeIndex:
        """What the tape would hold if the recording ended now."""
        before = self._tape.index if self._tape else TapeIndex()
        with self._lock:
            new = [file for files in self._tools.values() for file in files]
            return TapeIndex(
                answers={**before.answers, **self._fetched},
                tools=tuple(sorted({*before.tools, *new})),
            )

    @property
    def added(self) -> int:
        """How many answers the tape did not have."""
        return len(self._fetched)

    def save(self, path: Path) -> TapeIndex:
        """Writes the tape.

        Raises:
            TapeError: It cannot be written, somebody else wrote it meanwhile, or an answer repeats
                a secret; the file is as it was.
        """
        index = self.index
        with self._lock:
            fetched, known = dict(self._fetched), frozenset(self._secrets)
        for asked, answer in sorted(fetched.items(), key=lambda item: item[0]):
            if _told(asked, answer, known) or _holds(self.body(answer.sha256), known):
                raise TapeError(
                    f"the answer of {asked.url} repeats a password or a token that it was asked"
                    " with, so it is not written to a tape",
                    hint="record with credentials that may be known, or without",
                )
        if self._tape is not None and not self._tape.is_current():
            raise TapeError(
                f"{path} was written by another process meanwhile", hint="record again to add to it"
            )
        write_tape(path, index, self.body)
        return index


def _content_type(headers: Headers) -> str:
    return dict(headers).get("content-type", "")


def _told(asked: Asked, answer: Answer, secrets_known: Iterable[str]) -> bool:
    """Whether the index would say a secret."""
    said = (asked.url, asked.git_protocol, *(value for _, value in answer.headers))
    return any(secret in each for secret in secrets_known for each in said)


def _holds(path: Path, secrets_known: Iterable[str]) -> bool:
    wanted = [secret.encode("utf-8", "surrogateescape") for secret in secrets_known]
    if not wanted:
        return False
    longest = max(map(len, wanted))
    with path.open("rb") as file:
        before = b""
        while chunk := file.read(_CHUNK):
            window = before + chunk
            if any(secret in window for secret in wanted):
                return True
            before = window[-longest:]
    return False
