"""The package index: the simple API in HTML (PEP 503) and JSON (PEP 691), whatever the host."""

import hashlib
import html
import json
from collections.abc import Sequence

from packaging.utils import canonicalize_name
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response

from harness.ecosystems.python.index.metadata import read_metadata
from harness.ecosystems.python.index.projects import Projects, absent, of_host
from harness.internet import Release, ReleaseFile
from harness.internet.downloads import StoredFile
from harness.internet.package_index import Read
from harness.internet.refusal import Refusal

ROOT = "/simple/"
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
LATEST = {
    "application/vnd.pypi.simple.latest+json": JSON,
    "application/vnd.pypi.simple.latest+html": HTML,
}


def respond(projects: Projects, read: Read) -> Response:
    """Answers for `/simple/`, a project's page, a file, or a wheel's metadata.

    Args:
        projects: What the internet's index has.
        read: What is asked, of a path that starts with `/simple`. Its host is the one whose index
            it is; files are linked there, as the real index has no relative links to them, which
            Poetry up to 2.2 could not follow.
    """
    host, headers = read.host, read.headers
    parts = read.path.removeprefix(ROOT.rstrip("/")).strip("/").split("/")
    if parts == [""]:
        if read.path != ROOT:
            return RedirectResponse(ROOT, 301)
        return _root([name for name in projects if of_host(projects[name], host)], headers)
    name = canonicalize_name(parts[0])
    releases = of_host(projects.get(name, ()), host)
    if not releases:
        line = (
            f"the sealed internet refuses {read.url}: no release of {name} in this scenario's index"
            f" (`--tool {name}==VERSION` serves one, `--tape` what was recorded)"
        )
        return absent(line, elsewhere=name in projects)
    if len(parts) == 1:
        wanted = f"{ROOT}{name}/"
        if read.path != wanted:
            return RedirectResponse(wanted, 301)
        return _page(name, releases, headers, base=f"https://{host}{wanted}")
    return _file(releases, parts[1:]) or Refusal(
        f"the sealed internet refuses {read.url}: no such file of {name} in this scenario's index",
        status=404,
    )


def _file(releases: tuple[Release, ...], parts: list[str]) -> Response | None:
    for release in releases:
        for file in release.files:
            if parts == [file.sha256, file.name]:
                return StoredFile(str(file.path), sha256=file.sha256)
            if parts == [file.sha256, f"{file.name}.metadata"]:
                metadata = read_metadata(file.path, file.sha256).metadata
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
    found = read_metadata(file.path, file.sha256)
    entry: dict[str, object] = {
        "filename": file.name,
        # The digest is in the path so that a republished file has another URL, as the real index's
        # has: a client that keeps what it fetched by URL must not be fooled more than it would be.
        "url": f"{base}{file.sha256}/{file.name}",
        "hashes": {"sha256": file.sha256},
        "size": file.path.stat().st_size,
        "yanked": False if release.yanked is None else release.yanked or True,
    }
    if found.requires_python is not None:
        entry["requires-python"] = found.requires_python
    if found.metadata is not None:
        entry["core-metadata"] = {"sha256": hashlib.sha256(found.metadata).hexdigest()}
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
