"""Answers from beyond a scenario, as responses."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from harness.errors import TapeError
from harness.internet.downloads import StoredFile
from harness.internet.exchange import Answer, Begun, question
from harness.internet.refusal import Refusal
from harness.internet.tape import FallbackResponder

LARGEST_BODY = 64 * 1024 * 1024  # bytes that a build may post; git's requests are far smaller

PATIENCE = 5.0  # seconds that a client is let wait for a first byte: installers wait for 15 or more
_LOOK = 0.05  # seconds between looks at a file that grows
_CHUNK = 256 * 1024

_T = TypeVar("_T")
_Found = tuple[Answer, Path]


class TapedFile(StoredFile):
    """A recorded answer: its status, its headers, and its body, or the part that is asked for."""

    def __init__(self, answer: Answer, body: Path) -> None:
        super().__init__(str(body), sha256=answer.sha256)
        self.status_code = answer.status
        for name, value in answer.headers:
            self.headers[name] = value

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it; only what was found has parts."""
        if self.status_code != 200:
            kept = [each for each in scope["headers"] if each[0] != b"range"]
            scope = {**scope, "headers": kept}
        await super().__call__(scope, receive, send)


class GrowingFile(Response):
    """An answer that is still being fetched, passed on as it comes."""

    def __init__(self, begun: Begun, found: asyncio.Future[_Found | None]) -> None:
        super().__init__(headers={"content-length": str(begun.size), **dict(begun.headers)})
        self._begun = begun
        self._found = found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it.

        Raises:
            HarnessError: The rest is unavailable.
        """
        _ = scope, receive
        size, sent = self._begun.size, 0
        with self._begun.path.open("rb") as file:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while sent < size:
                # Where the fetch broke off the file grows again, and has to pass this place again.
                file.seek(sent)
                ended = self._found.done()
                chunk = file.read(_CHUNK)
                if chunk:
                    sent += len(chunk)
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                elif ended:
                    break
                else:
                    await asyncio.sleep(_LOOK)
        found = await self._found
        if found is None or found[0].size != size:
            raise TapeError("it changed while it was fetched", hint="record again")
        await send({"type": "http.response.body", "body": b""})


async def respond(
    beyond: FallbackResponder,
    request: Request,
    url: str,
    *,
    negotiated: Callable[[str], str],
    refusal: Refusal,
) -> Response:
    """Answers a request that a scenario has nothing for.

    Args:
        beyond: What may have an answer.
        request: Its body is read.
        url: The URL as the client asked, secrets and all.
        negotiated: See `question`.
        refusal: What is answered where there is none.

    Raises:
        HarnessError: There should be one, and it is unavailable.
    """
    body = await _body(request) if request.method == "POST" else b""
    if body is None:
        return refusal
    headers = request.headers.items()
    asked = question(request.method, url, headers, body, negotiated=negotiated)
    if asked is None:
        return refusal

    def look() -> _Found | None:
        answer = beyond.answer(asked)
        return (answer, beyond.body(answer.sha256)) if answer else None

    looking = in_thread(look)
    if request.method != "HEAD" and "range" not in request.headers:
        await asyncio.wait({looking}, timeout=PATIENCE)
        # The host may begin only now.
        while not looking.done():
            begun = beyond.begun(asked.asked)
            if begun is not None:
                return GrowingFile(begun, looking)
            await asyncio.wait({looking}, timeout=_LOOK)
    found = await looking
    if found is None:
        line = refusal.line + beyond.unknown()
        return Refusal(line, status=refusal.status_code)
    return TapedFile(*found)


async def _body(request: Request) -> bytes | None:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                return None
    except ClientDisconnect:
        return None
    return bytes(body)


def in_thread(work: Callable[[], _T]) -> asyncio.Future[_T]:
    """Does something slow in a thread of its own.

    Not in the loop's own threads, for whose end the loop waits when it is closed: a host that does
    not answer must not hold up the end of a build that has given up on it.
    """
    done: Future[_T] = Future()

    def run() -> None:
        if done.set_running_or_notify_cancel():
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                done.set_exception(error)

    Thread(target=run, name="beyond the scenario", daemon=True).start()
    return asyncio.wrap_future(done)
