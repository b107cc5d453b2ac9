"""The package index's other interface, which Poetry asks: a project and its releases as JSON.

Source: https://warehouse.pypa.io/api-reference/json.html
"""

import json
import re
from email.message import Message
from email.parser import BytesParser

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from starlette.responses import Response

from harness.ecosystems.python.index.metadata import read_metadata
from harness.ecosystems.python.index.projects import Projects, absent, of_host
from harness.ecosystems.python.index.simple import ROOT
from harness.internet import Release, ReleaseFile
from harness.internet.package_index import Read
from harness.internet.refusal import Refusal

_PATH = re.compile(r"/pypi/(?P<project>[^/]+)(?:/(?P<version>[^/]+))?/json/?")


def asks_for_project(path: str) -> bool:
    """Whether a decoded path is one of this interface's."""
    return _PATH.fullmatch(path) is not None


def respond(projects: Projects, read: Read) -> Response:
    """Answers for `/pypi/<project>/json` or `/pypi/<project>/<version>/json`.

    Args:
        projects: What the internet's index has.
        read: What is asked, of a path for which `asks_for_project`. Its host is the one whose index
            it is; files are linked there, as this interface has no relative links.
    """
    match = _PATH.fullmatch(read.path)
    name = canonicalize_name(match["project"]) if match else ""
    releases = of_host(projects.get(name, ()), read.host)
    wanted = match["version"] if match else None
    chosen = next((one for one in reversed(releases) if _is(one.version, wanted)), None)
    if chosen is None:
        which = f"{name} {wanted}" if wanted else name
        line = (
            f"the sealed internet refuses {read.url}: no release {which} in this scenario's index"
        )
        if releases:
            return Refusal(line, status=404)
        return absent(line, elsewhere=name in projects)
    base = f"https://{read.host}{ROOT}{name}"
    body: dict[str, object] = {
        "info": _info(name, chosen),
        "urls": [_file(chosen, file, base) for file in chosen.files],
    }
    if wanted is None:
        body["releases"] = {
            one.version: [_file(one, file, base) for file in one.files] for one in releases
        }
    return Response(json.dumps(body), media_type="application/json")


def _is(version: str, wanted: str | None) -> bool:
    try:
        return wanted is None or Version(version) == Version(wanted)
    except InvalidVersion:
        return version == wanted


def _info(name: str, release: Release) -> dict[str, object]:
    metadata = _metadata(release)
    needs = metadata.get_all("Requires-Dist")
    return {
        "name": metadata["Name"] or name,
        "version": release.version,
        "summary": metadata["Summary"] or "",
        "requires_dist": None if needs is None else [str(line) for line in needs],
        "requires_python": metadata["Requires-Python"],
        "yanked": release.yanked is not None,
        "yanked_reason": release.yanked or None,
    }


def _metadata(release: Release) -> Message:
    """A wheel's metadata; what an sdist says is not to be trusted (PEP 643), and is left out."""
    found = (read_metadata(file.path, file.sha256).metadata for file in release.files)
    return BytesParser().parsebytes(next(filter(None, found), b""), headersonly=True)


def _file(release: Release, file: ReleaseFile, base: str) -> dict[str, object]:
    return {
        "filename": file.name,
        "url": f"{base}/{file.sha256}/{file.name}",
        "digests": {"sha256": file.sha256},
        "packagetype": "bdist_wheel" if file.name.endswith(".whl") else "sdist",
        "size": file.path.stat().st_size,
        "requires_python": read_metadata(file.path, file.sha256).requires_python,
        "yanked": release.yanked is not None,
        "yanked_reason": release.yanked or None,
    }
