"""The projects of a scenario's index, and which of their releases the index of a host has."""

from collections.abc import Mapping

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from starlette.responses import Response

from harness.internet import Internet, Release
from harness.internet.refusal import Refusal

Projects = Mapping[str, tuple[Release, ...]]
"""Releases by normalised project name (PEP 503), oldest version first."""


def group(internet: Internet) -> Projects:
    """The projects of all releases, by name."""
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


def absent(line: str, *, elsewhere: bool) -> Response:
    """The answer about a project that an index lacks: a refusal, unless another host's has it."""
    if elsewhere:
        return Response("404 Not Found\n", status_code=404, media_type="text/plain")
    return Refusal(line, status=404, lacking=True)
