"""The sealed internet's server: names, HTTP and HTTPS on sockets bound inside a sandbox."""

import asyncio
import socket
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext, suppress
from email.utils import formatdate
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from harness.errors import HarnessError
from harness.internet import Internet, Request, forge, taped
from harness.internet.downloads import StoredFile, find_download
from harness.internet.name_server import NameServer
from harness.internet.package_index import PackageIndex, Read
from harness.internet.redaction import redact
from harness.internet.refusal import Refusal
from harness.internet.tape import FallbackResponder
from harness.internet.trust import Authority
from harness.sandboxes import RESOLVER_PATIENCE, WEB_SERVER, Listeners, Serve

OnRequest = Callable[[Request], None]

KEEP_ALIVE = 3600  # seconds: a client's connection is closed by it or by the end, never between
MOST_REQUESTS = 10_000
"""More a build is not answered, as each is kept with its result; the largest make hundreds."""
_MOST_FORGE_REQUESTS = 32
_LONGEST_URL = 2_000
GRACE = 5  # seconds for what is under way to end once it was cut off


class InternetServer:
    """Serves `Internet`s; safe to use from several threads, several at once."""

    __slots__ = ("_authority", "_beyond", "_indexes", "_scratch")

    def __init__(
        self,
        authority: Authority,
        *,
        scratch: Path,
        indexes: Sequence[PackageIndex] = (),
        beyond: FallbackResponder | None = None,
    ) -> None:
        """Makes a server.

        Args:
            authority: Signs its certificates.
            scratch: An existing folder for what is served from disk.
            indexes: The package indexes of all ecosystems: the first that has an answer gives it.
            beyond: What answers where an internet has nothing.
        """
        self._authority = authority
        self._scratch = scratch
        self._indexes = tuple(indexes)
        self._beyond = beyond

    def serving(self, internet: Internet, on_request: OnRequest) -> Serve:
        """Returns what a sandbox enters with its sockets, and leaves when the job has ended.

        The sockets are closed on leaving.

        Args:
            internet: What is answered.
            on_request: Called once for each request, in the server's thread; a list's `append` will
                do.

        Raises (the returned context, on entering):
            HarnessError: A file or repository that is to be served is not there.
        Raises (on leaving):
            HarnessError: The server failed a request that it should have answered, or the real host
                that a recording asked: what the job saw is not what the scenario says.
        """

        @contextmanager
        def serve(listeners: Listeners) -> Iterator[None]:
            with (
                listeners.dns,
                listeners.http,
                listeners.https,
                tempfile.TemporaryDirectory(prefix="internet-", dir=self._scratch) as folder,
            ):
                answers = _Answers(internet, self._indexes, self._beyond, Path(folder), on_request)
                with (
                    NameServer(listeners.dns) as name_server,
                    _running(answers, self._authority, listeners),
                ):
                    yield
                if answers.failures:
                    raise answers.failures[0]
                _check(name_server)

        return serve


@contextmanager
def _running(answers: "_Answers", authority: Authority, listeners: Listeners) -> Iterator[None]:
    """Runs the server in a thread and an event loop of its own."""
    started: Future[Callable[[], object]] = Future()

    def work() -> None:
        try:
            asyncio.run(_serve(answers, authority, listeners, started))
        except BaseException as error:  # noqa: BLE001 - shown by the thread that waits for it
            if not started.done():
                started.set_exception(error)
            else:
                answers.failures.append(HarnessError(f"the sealed internet failed: {error!r}"))

    thread = Thread(target=work, name="sealed-internet", daemon=True)
    thread.start()
    stop = started.result()
    try:
        yield
    finally:
        stop()
        thread.join()


async def _serve(
    answers: "_Answers",
    authority: Authority,
    listeners: Listeners,
    started: "Future[Callable[[], object]]",
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(answers.note_failure)
    stopped = asyncio.Event()
    state = ServerState()
    config = uvicorn.Config(
        answers,
        log_config=None,
        log_level="critical",  # a client's garbage is its own affair
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
    )
    config.load()

    def connection() -> H11Protocol:
        return H11Protocol(config=config, server_state=state, app_state={}, _loop=loop)

    tracked = [_Tracked.copy(listeners.http), _Tracked.copy(listeners.https)]
    servers = [
        await loop.create_server(connection, sock=tracked[0]),
        await loop.create_server(connection, sock=tracked[1], ssl=authority.context()),
    ]
    started.set_result(lambda: loop.call_soon_threadsafe(stopped.set))
    try:
        await stopped.wait()
    finally:
        for server in servers:
            server.close()
        await _cut_off(state, tracked)


async def _cut_off(state: ServerState, tracked: list["_Tracked"]) -> None:
    """Ends every connection: whoever made one has ended, or does not deserve to be waited for.

    Again and again until none is left: one whose TLS handshake is under way is known to no one but
    its socket, and may become a connection, with a request and a task, even while it is cut off.
    """
    cancelled: set[asyncio.Task[None]] = set()
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            # No event tells that a socket was closed.
            while state.tasks or any(listener.connections() for listener in tracked):
                for listener in tracked:
                    listener.cut_off()
                # Once each: a second time would break off what a task does to end well.
                fresh = state.tasks - cancelled
                for task in fresh:
                    task.cancel()
                cancelled |= fresh
                await asyncio.sleep(0.001)


class _Tracked(socket.socket):
    """A listening socket that knows the connections accepted from it."""

    __slots__ = ("_accepted",)

    _accepted: "weakref.WeakSet[socket.socket]"

    @classmethod
    def copy(cls, listener: socket.socket) -> "_Tracked":
        with listener.dup() as copy:
            tracked = cls(fileno=copy.detach())
        tracked._accepted = weakref.WeakSet()
        return tracked

    def accept(self) -> tuple[socket.socket, object]:
        connection, address = super().accept()
        self._accepted.add(connection)
        return connection, address

    def connections(self) -> list[socket.socket]:
        return [connection for connection in self._accepted if connection.fileno() >= 0]

    def cut_off(self) -> None:
        for connection in self.connections():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Answers:
    """The application: one internet's answers, each reported."""

    __slots__ = (
        *("_asked", "_beyond", "_forge_turns", "_indexes", "_internet"),
        *("_on_request", "_responders", "_views", "failures"),
    )

    def __init__(
        self,
        internet: Internet,
        indexes: Sequence[PackageIndex],
        beyond: FallbackResponder | None,
        folder: Path,
        on_request: OnRequest,
    ) -> None:
        released = [file.path for release in internet.releases for file in release.files]
        for path in (*released, *(download.file for download in internet.downloads)):
            if not path.is_file():
                raise HarnessError(
                    f"{path} should be served in the sealed internet and is missing",
                    hint="check whether something cleans the store while the harness runs",
                )
        self._internet = internet
        self._beyond = beyond
        self._on_request = on_request
        self._indexes = indexes
        self._responders = [index.responder(internet) for index in indexes]
        self._views = forge.make_views(internet, folder)
        self._asked = 0
        # Each turn is a git of this machine's, which no limit of the build's counts.
        self._forge_turns = asyncio.Semaphore(_MOST_FORGE_REQUESTS)
        self.failures: list[HarnessError] = []

    def note_failure(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Takes note of what failed outside a request.

        Nothing is said of what a client sent or broke off: asyncio has closed its connection.
        """
        if "protocol" not in context and "transport" not in context:
            error = context.get("exception", context["message"])
            self.failures.append(_failure("a connection", error))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HttpRequest(scope, receive)
        asked = _url(request)
        url = redact(asked)
        url = url if len(url) <= _LONGEST_URL else f"{url[:_LONGEST_URL]}…"
        self._asked += 1
        number = self._asked
        status, refused = 0, ""

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                date = (b"date", formatdate(usegmt=True).encode())
                message = {**message, "headers": [*message["headers"], date]}
            await send(message)

        turn = self._forge_turns if _host(request) in forge.HOSTS else nullcontext()
        try:
            async with turn:
                response = await self._answer(request, url, number)
                if self._beyond and isinstance(response, Refusal) and response.lacking:
                    response = await taped.respond(
                        self._beyond,
                        request,
                        asked,
                        negotiated=self._negotiated,
                        refusal=response,
                    )
                refused = response.line if isinstance(response, Refusal) else ""
                await response(scope, receive, note_status)
        except Exception as error:  # whatever it is, the job must not be judged by it
            status, refused = 500, f"the sealed internet failed at {url}"
            self.failures.append(_failure(url, error))
            raise
        finally:
            if number <= MOST_REQUESTS + 1:
                self._on_request(
                    Request(method=request.method, url=url, status=status, refused=refused)
                )

    async def _answer(self, request: HttpRequest, url: str, number: int) -> Response:
        if number > MOST_REQUESTS:
            return Refusal(
                f"the sealed internet answers at most {MOST_REQUESTS} requests of a build"
            )
        host, path = _host(request), str(request.scope["path"])
        reads = request.method in {"GET", "HEAD"}
        if reads and (download := find_download(self._internet.downloads, host, path)):
            return StoredFile(str(download.file), sha256=download.sha256)
        if host in forge.HOSTS:
            return await forge.respond(self._views, request, path, url)
        if reads:
            read = Read(host=host, path=path, url=url, headers=request.headers)
            for respond in self._responders:
                if (response := respond(read)) is not None:
                    return response
        return Refusal(
            f"the sealed internet refuses {request.method} {url}:"
            " it is not a fork, release or download of this scenario",
            lacking=True,
        )

    def _negotiated(self, accept: str) -> str:
        found = (index.negotiated(accept) for index in self._indexes)
        return next(filter(None, found), "")


def _check(name_server: NameServer) -> None:
    """Raises HarnessError where a client may have given up on a name that it should have got."""
    if name_server.failure is not None:
        raise HarnessError(
            f"the sealed internet's name server failed: {name_server.failure}",
            hint="report this as a defect of the harness",
        )
    if name_server.slowest > RESOLVER_PATIENCE:
        raise HarnessError(
            f"the sealed internet answered a name only after {name_server.slowest:.0f} s,"
            " when the build may already have given up",
            hint="run fewer builds at once (--jobs), or on a machine with less to do",
        )


def _failure(url: str, error: object) -> HarnessError:
    if isinstance(error, HarnessError):
        return HarnessError(f"at {url}: {error.message}", hint=error.hint)
    return HarnessError(
        f"the sealed internet failed at {url}: {error!r}",
        hint="report this as a defect of the harness",
    )


def _host(request: HttpRequest) -> str:
    host = request.headers.get("host", WEB_SERVER).lower()
    name, _, port = host.rpartition(":")
    return name.rstrip(".") if port.isdigit() else host.rstrip(".")


def _url(request: HttpRequest) -> str:
    """Returns the URL as the client asked for it, escapes and all."""
    scope = request.scope
    path = bytes(scope["raw_path"]).decode("ascii", "backslashreplace")
    query = bytes(scope["query_string"]).decode("ascii", "backslashreplace")
    host = request.headers.get("host", WEB_SERVER)
    target = f"{path}?{query}" if query else path
    return f"{scope['scheme']}://{host}{target}" if path.startswith("/") else target
