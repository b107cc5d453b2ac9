"""The package index: the simple API in HTML (PEP 503) and JSON (PEP 691), whatever the host."""

import hashlib
import html
import json
import tarfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.parser import BytesParser
from functools import lru_cache
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response

from harness.internet import Internet, Release, ReleaseFile
from harness.internet.downloads import StoredFile
from harness.internet.refusal import Refusal

ROOT = "/simple/"
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
LATEST = {
    "application/vnd.pypi.simple.latest+json": JSON,
    "application/vnd.pypi.simple.latest+html": HTML,
}


BROKEN = (zipfile.BadZipFile, tarfile.TarError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a page says of a file beyond its name: its Requires-Python, and its METADATA's bytes.

    `metadata` is None where the file is no wheel: only a wheel's may be trusted (PEP 658).
    """

    requires_python: str | None = None
    metadata: bytes | None = None


def group(internet: Internet) -> dict[str, tuple[Release, ...]]:
    """Returns the releases by normalised project name (PEP 503), oldest version first."""
    projects: dict[str, list[Release]] = {}
    for release in internet.releases:
        projects.setdefault(canonicalize_name(release.project), []).append(release)
    return {
        name: tuple(sorted(releases, key=_order)) for name, releases in sorted(projects.items())
    }


def _order(release: Release) -> tuple[bool, Version, str]:
    try:
        return True, Version(release.version), ""
    except InvalidVersion:
        return False, Version("0"), release.version


def of_host(releases: tuple[Release, ...], host: str) -> tuple[Release, ...]:
    """The releases of a project that a host's index has: its own, else those of every index."""
    own = tuple(release for release in releases if release.host == host)
    return own or tuple(release for release in releases if not release.host)


def respond(
    projects: Mapping[str, tuple[Release, ...]], path: str, headers: Headers, *, host: str, url: str
) -> Response:
    """Answers a GET or HEAD of `/simple/`, a project's page, a file, or a wheel's metadata.

    Args:
        projects: What `group` returned.
        path: The decoded path, which starts with `/simple`.
        headers: The request's, for its Accept.
        host: The host that was asked, whose index it is; files are linked there, as the real index
            has no relative links to them, which Poetry up to 2.2 could not follow.
        url: The URL as the client asked, for the line of a refusal.
    """
    parts = path.removeprefix(ROOT.rstrip("/")).strip("/").split("/")
    if parts == [""]:
        if path != ROOT:
            return RedirectResponse(ROOT, 301)
        return _root([name for name in projects if of_host(projects[name], host)], headers)
    name = canonicalize_name(parts[0])
    releases = of_host(projects.get(name, ()), host)
    if not releases:
        line = f"the sealed internet refuses {url}: no release of {name} in this scenario's index"
        return absent(line, elsewhere=name in projects)
    if len(parts) == 1:
        wanted = f"{ROOT}{name}/"
        if path != wanted:
            return RedirectResponse(wanted, 301)
        return _page(name, releases, headers, base=f"https://{host}{wanted}")
    return _file(releases, parts[1:]) or Refusal(
        f"the sealed internet refuses {url}: no such file of {name} in this scenario's index",
        status=404,
    )


def absent(line: str, *, elsewhere: bool) -> Response:
    """The answer about a project that an index lacks: a refusal, unless another host's has it."""
    if elsewhere:
        return Response("404 Not Found\n", status_code=404, media_type="text/plain")
    return Refusal(line, status=404, lacking=True)


def _file(releases: tuple[Release, ...], parts: list[str]) -> Response | None:
    for release in releases:
        for file in release.files:
            if parts == [file.sha256, file.name]:
                return StoredFile(str(file.path), sha256=file.sha256)
            if parts == [file.sha256, f"{file.name}.metadata"]:
                metadata = read_facts(file.path, file.sha256).metadata
                if metadata is not None:
                    return Response(metadata, media_type="application/octet-stream")
    return None


def _root(projects: Sequence[str], headers: Headers) -> Response:
    kind = negotiate(headers.get("accept", ""))
    if kind == JSON:
        return _json({"projects": [{"name": name} for name in projects]})
    links = "".join(f'<a href="{ROOT}{name}/">{name}</a><br/>\n' for name in projects)
    return _html("Simple index", links, kind)


def _page(name: str, releases: tuple[Release, ...], headers: Headers, *, base: str) -> Response:
    kind = negotiate(headers.get("accept", ""))
    files = [
        _entry(release, file, base)
        for release in releases
        for file in sorted(release.files, key=lambda file: file.name)
    ]
    if kind == JSON:
        versions = list(dict.fromkeys(release.version for release in releases))
        return _json({"name": name, "versions": versions, "files": files})
    return _html(f"Links for {name}", "".join(_link(entry) for entry in files), kind)


def _entry(release: Release, file: ReleaseFile, base: str) -> dict[str, object]:
    facts = read_facts(file.path, file.sha256)
    entry: dict[str, object] = {
        "filename": file.name,
        # The digest is in the path so that a republished file has another URL, as the real index's
        # has: a client that keeps what it fetched by URL must not be fooled more than it would be.
        "url": f"{base}{file.sha256}/{file.name}",
        "hashes": {"sha256": file.sha256},
        "size": file.path.stat().st_size,
        "yanked": False if release.yanked is None else release.yanked or True,
    }
    if facts.requires_python is not None:
        entry["requires-python"] = facts.requires_python
    if facts.metadata is not None:
        entry["core-metadata"] = {"sha256": hashlib.sha256(facts.metadata).hexdigest()}
    return entry


def _link(entry: dict[str, object]) -> str:
    hashes = entry["hashes"]
    digest = hashes["sha256"] if isinstance(hashes, dict) else ""
    attributes = {"href": f"{entry['url']}#sha256={digest}"}
    if "requires-python" in entry:
        attributes["data-requires-python"] = str(entry["requires-python"])
    if isinstance(metadata := entry.get("core-metadata"), dict):
        attributes["data-core-metadata"] = f"sha256={metadata['sha256']}"
    if entry["yanked"] is not False:
        attributes["data-yanked"] = "" if entry["yanked"] is True else str(entry["yanked"])
    written = " ".join(f'{key}="{html.escape(value)}"' for key, value in attributes.items())
    return f"<a {written}>{html.escape(str(entry['filename']))}</a><br/>\n"


def _json(body: dict[str, object]) -> Response:
    return Response(json.dumps({"meta": {"api-version": "1.1"}, **body}), media_type=JSON)


def _html(title: str, body: str, kind: str) -> Response:
    return Response(
        "<!DOCTYPE html>\n<html>\n<head>\n"
        '<meta name="pypi:repository-version" content="1.1">\n'
        f"<title>{html.escape(title)}</title>\n</head>\n<body>\n{body}</body>\n</html>\n",
        media_type=kind,
    )


def negotiate(accept: str) -> str:
    """Returns the content type to answer with: JSON or HTML by the Accept header (PEP 691).

    The type of highest quality wins, the first named on a tie; plain HTML where none is known.
    """
    best, chosen = 0.0, "text/html"
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        kind = LATEST.get(name, name)
        if kind not in {JSON, HTML, "text/html"}:
            continue
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if quality > best:
            best, chosen = quality, kind
    return chosen


@lru_cache(maxsize=1024)
def read_facts(path: Path, sha256: str) -> Facts:  # noqa: ARG001 - the digest is the cache's key
    """Reads a wheel's METADATA or an sdist's PKG-INFO, unrun.

    A file that cannot be read so has no facts: what a client makes of it is the client's affair.
    """
    try:
        if path.name.endswith(".whl"):
            with zipfile.ZipFile(path) as wheel:
                metadata = wheel.read(
                    next(
                        name
                        for name in wheel.namelist()
                        if name.count("/") == 1 and name.endswith(".dist-info/METADATA")
                    )
                )
            return Facts(requires_python=_requires_python(metadata), metadata=metadata)
        if path.name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(path) as sdist:
                for member in sdist:
                    if member.name.count("/") == 1 and member.name.endswith("/PKG-INFO"):
                        stream = sdist.extractfile(member)
                        data = stream.read() if stream else b""
                        return Facts(requires_python=_requires_python(data))
    except (OSError, StopIteration, RuntimeError, EOFError, zlib.error, *BROKEN):
        pass
    return Facts()


def _requires_python(metadata: bytes) -> str | None:
    value = BytesParser().parsebytes(metadata, headersonly=True)["Requires-Python"]
    return None if value is None else str(value)
