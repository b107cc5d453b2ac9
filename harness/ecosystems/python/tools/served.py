"""What is served of build tools, at the routes of a buildpack's kind."""

from collections.abc import Iterable, Iterator, Mapping

from harness.ecosystems.python.tools.programs import programs_archive
from harness.ecosystems.route import Route
from harness.internet import Download, Release
from harness.storage.store import Store

_PROGRAMS = "programs of "


def tool_downloads(
    route: Route, tools: Iterable[Release], fields: Mapping[str, str], store: Store
) -> Iterator[Download]:
    """The tools' wheels or programs at a route; none where it serves something else.

    Args:
        route: The route.
        tools: What builds are offered.
        fields: What stands in the route's fields, but for versions and wheels.
        store: Where archives of programs are kept.

    Raises:
        ReleaseError: A kept wheel cannot be read, or has no programs.
    """
    if route.serves == "tool":
        for wheel in (file for tool in tools for file in tool.files):
            path = route.path.format(wheel=wheel.name, **fields)
            yield Download(host=route.host, path=path, file=wheel.path, sha256=wheel.sha256)
    elif route.serves.startswith(_PROGRAMS):
        yield from _programs(route, tools, fields, store)


def _programs(
    route: Route, tools: Iterable[Release], fields: Mapping[str, str], store: Store
) -> Iterator[Download]:
    """A tool's programs as their maker publishes them."""
    for tool in tools:
        if tool.project == route.serves.removeprefix(_PROGRAMS):
            path = route.path.format(version=tool.version, **fields)
            folder = path.rpartition("/")[2].removesuffix(".tar.gz")
            (wheel, *_) = tool.files
            file = programs_archive(wheel.path, folder=folder, store=store)
            yield Download(host=route.host, path=path, file=file.path, sha256=file.sha256)
