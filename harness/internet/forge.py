"""The forge: git over smart HTTP, read-only, and archives of any revision."""

import asyncio
import hashlib
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from harness.errors import HarnessError
from harness.internet import Internet, Repository
from harness.internet.archives import stored_gzip
from harness.internet.refusal import Refusal

HOSTS = frozenset({"github.com", "www.github.com"})
ARCHIVES = {".tar.gz": "application/x-gzip", ".zip": "application/zip"}
CHUNK = 256 * 1024

CONFIG = """\
[core]
\trepositoryformatversion = 0
\tbare = true
[http]
\treceivepack = false
\tgetanyfile = false
[uploadpack]
\tallowAnySHA1InWant = true
\tallowFilter = true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one build sees of a repository: a bare one with its references and borrowed objects."""

    repository: Repository
    folder: Path


def make_views(internet: Internet, folder: Path) -> dict[tuple[str, str], View]:
    """Writes a view of each repository below `folder`.

    Returns:
        The views by owner and name in lower case, as the real forge ignores case.

    Raises:
        HarnessError: A repository's objects are not there, or git is not.
    """
    if internet.repositories and not shutil.which("git"):
        raise HarnessError("git is not on PATH", hint="install git")
    views = {}
    for number, repository in enumerate(internet.repositories):
        objects = repository.objects.resolve() / "objects"
        if not objects.is_dir():
            raise HarnessError(
                f"{repository.objects} is not a bare git repository"
                f" (wanted for {repository.owner}/{repository.name})",
                hint="give the folder that holds its `objects` and `refs`",
            )
        view = folder / f"{number}.git"
        (view / "objects" / "info").mkdir(parents=True)
        (view / "refs").mkdir()
        (view / "objects" / "info" / "alternates").write_text(f"{objects}\n")
        (view / "packed-refs").write_text(
            "".join(f"{sha} {name}\n" for name, sha in sorted(repository.refs))
        )
        (view / "HEAD").write_text(f"ref: {repository.head}\n")
        (view / "config").write_text(CONFIG)
        key = (repository.owner.lower(), repository.name.lower())
        views[key] = View(repository=repository, folder=view)
    return views


async def respond(
    views: Mapping[tuple[str, str], View], request: Request, path: str, url: str
) -> Response:
    """Answers a request of the forge's.

    Args:
        views: What `make_views` returned.
        request: Its body is read as git takes it, never held whole.
        path: The decoded path.
        url: The URL as the client asked, for the line of a refusal.

    Raises:
        HarnessError: git itself failed.
    """
    owner, name, rest = _split(path)
    view = views.get((owner.lower(), name.lower()))
    if view is None:
        return Refusal(
            f"the sealed internet refuses {url}: no repository {owner}/{name} in this scenario",
            status=404,
            lacking=True,
        )
    service = request.query_params.get("service", "")
    if rest == "info/refs" and request.method == "GET" and service == "git-upload-pack":
        return GitResponse(view, request, rest)
    if rest == "git-upload-pack" and request.method == "POST":
        return GitResponse(view, request, rest)
    if rest == "git-receive-pack" or service == "git-receive-pack":
        return Refusal(f"the sealed internet refuses {url}: the forge is read-only")
    if rest.startswith("archive/") and request.method in {"GET", "HEAD"}:
        return await _archive(view, rest.removeprefix("archive/"), url)
    return Refusal(
        f"the sealed internet refuses {url}: the forge answers git and archive/<revision>.tar.gz"
    )


def _split(path: str) -> tuple[str, str, str]:
    owner, _, below = path.lstrip("/").partition("/")
    name, _, rest = below.partition("/")
    return owner, name.removesuffix(".git"), rest


def environment(home: Path) -> dict[str, str]:
    """Returns an environment in which git heeds nobody's configuration, and writes times in UTC."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return kept | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "LC_ALL": "C",
        "TZ": "UTC",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        # The objects may be another user's: whoever runs the harness chose to serve them.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


@asynccontextmanager
async def _git(
    *arguments: str, env: Mapping[str, str], stdin: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs git; on leaving, it and all that it started are gone."""
    spawning = asyncio.create_task(
        asyncio.create_subprocess_exec(
            "git",
            *arguments,
            env=dict(env),
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    )
    try:
        # A start that is broken off half-way would leave what git has started by then.
        yield await asyncio.shield(spawning)
    finally:
        await _end(await spawning)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.stdin:
        process.stdin.close()
    if process.stdout:
        # asyncio says that a process has ended only when its pipes have been read to the end.
        while await process.stdout.read(CHUNK):
            pass
    await process.wait()


class GitResponse(Response):
    """What git's CGI program (`git http-backend`) answers, passed on as it comes.

    Not a StreamingResponse: that one listens for the client's going away while it sends, and would
    take parts of a request's body that git has not been fed yet.
    """

    def __init__(self, view: View, request: Request, path: str) -> None:
        super().__init__()
        headers = request.headers
        self._env = environment(view.folder) | {
            "GIT_PROJECT_ROOT": str(view.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{path}",
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": bytes(request.scope["query_string"]).decode("ascii", "replace"),
            "CONTENT_TYPE": headers.get("content-type", ""),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_PROTOCOL": "HTTP/1.1",
        }
        if "content-length" in headers:
            self._env["CONTENT_LENGTH"] = headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs git until it has said all, or the client has gone.

        Raises:
            HarnessError: git gave no answer though it had the whole request.
        """
        async with _git("http-backend", env=self._env, stdin=True) as process:
            stdin, stdout = process.stdin, process.stdout
            if stdin is None or stdout is None:
                raise RuntimeError("pipes were requested")
            feeder = asyncio.create_task(_feed(Request(scope, receive), stdin))
            try:
                head = await stdout.readuntil(b"\r\n\r\n")
                status, headers = parse_cgi(head)
                await send({"type": "http.response.start", "status": status, "headers": headers})
                while chunk := await stdout.read(CHUNK):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            except asyncio.IncompleteReadError as error:
                with suppress(ClientDisconnect):
                    await feeder
                    raise HarnessError(
                        "git http-backend ended without an answer",
                        hint="run `git http-backend`; some packages of git leave it out",
                    ) from error
            finally:
                feeder.cancel()
                await asyncio.gather(feeder, return_exceptions=True)


async def _feed(request: Request, stdin: asyncio.StreamWriter) -> None:
    try:
        async for chunk in request.stream():
            stdin.write(chunk)
            await stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        pass  # git has heard enough, and says why in its answer
    finally:
        stdin.close()


def parse_cgi(head: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Returns the status and the headers of a CGI response (RFC 3875, 6.3)."""
    status, headers = 200, []
    for line in head.strip().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"status":
            status = int(value.split()[0])
        else:
            headers.append((name.strip().lower(), value.strip()))
    return status, headers


async def _archive(view: View, wanted: str, url: str) -> Response:
    suffix = next((suffix for suffix in ARCHIVES if wanted.endswith(suffix)), None)
    if suffix is None:
        return Refusal(f"the sealed internet refuses {url}: archives are .tar.gz or .zip")
    revision = wanted.removesuffix(suffix)
    if {f"refs/tags/{revision}", f"refs/heads/{revision}"} <= dict(view.repository.refs).keys():
        return Refusal(
            f"the sealed internet refuses {url}: {revision} is a branch and a tag, and the forge"
            " does not choose; ask for refs/heads/ or refs/tags/",
            status=300,
        )
    found = await _resolve(view, revision)
    if found is None:
        repository = view.repository
        return Refusal(
            f"the sealed internet refuses {url}:"
            f" no revision {revision} in {repository.owner}/{repository.name}",
            status=404,
        )
    sha, label = found
    stem = f"{view.repository.name}-{label}"
    kind = "zip" if suffix == ".zip" else "tar"
    level = ["-0"] if kind == "zip" else []  # stored: the same bytes whatever the zlib
    data = await _capture(view, "archive", f"--format={kind}", *level, f"--prefix={stem}/", sha)
    if data is None:
        raise HarnessError(
            f"git archive of {view.repository.objects} at {sha} failed",
            hint=f"run `git -C {view.repository.objects} fsck`",
        )
    if kind == "tar":
        data = stored_gzip(data)
    digest = hashlib.sha256(data).hexdigest()
    return Response(
        data,
        media_type=ARCHIVES[suffix],
        headers={
            "content-disposition": f"attachment; filename={stem}{suffix}",
            "etag": f'"{digest}"',
        },
    )


async def _resolve(view: View, revision: str) -> tuple[str, str] | None:
    """Returns a revision's full SHA, and how the real forge names it in an archive's folder."""
    refs = dict(view.repository.refs)
    if revision == "HEAD":
        revision = view.repository.head
    for name in (revision, f"refs/tags/{revision}", f"refs/heads/{revision}"):
        if name in refs:
            short = re.sub(r"^refs/(tags|heads)/", "", name)
            if name.startswith("refs/tags/"):
                short = re.sub(r"^v(?=\d)", "", short)
            return refs[name], short.replace("/", "-")
    if re.fullmatch(r"[0-9a-fA-F]{4,40}", revision):
        commit = f"{revision}^{{commit}}"
        found = await _capture(view, "rev-parse", "--verify", "--quiet", commit)
        if found:
            sha = found.decode().strip()
            return sha, sha
    return None


async def _capture(view: View, *arguments: str) -> bytes | None:
    """Returns what git prints, or None where it fails."""
    env = environment(view.folder)
    async with _git("--git-dir", str(view.folder), *arguments, env=env) as process:
        output, _ = await process.communicate()
        return output if process.returncode == 0 else None
