"""The Python package index as the sealed internet and its tapes know it."""

import html
import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from starlette.responses import Response

from harness.ecosystems.python.index import project_json, simple
from harness.ecosystems.python.index.projects import group
from harness.ecosystems.python.tools import pip
from harness.internet import Internet
from harness.internet.package_index import IndexUrls, Read, Responder

_NEGOTIATED = "application/vnd.pypi.simple"
_PAGES = ("text/html", f"{_NEGOTIATED}.")
_HREF = re.compile(r"""href\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)


class PythonIndex:
    """An index of the simple API and of the JSON interface beside it; see `PackageIndex`."""

    companion = ".metadata"  # PEP 658

    def __init__(self, urls: Callable[[], IndexUrls | None] = pip.index_urls) -> None:
        """Args: what says at which URLs the index is asked; it may take a second."""
        self._urls = urls

    def urls(self) -> IndexUrls | None:
        """The index that pip asks unless configured, and the one that the operator's pip asks."""
        return self._urls()

    def responder(self, internet: Internet) -> Responder:
        """What answers below `/simple/` and `/pypi/`, whatever the host, for an internet."""
        projects = group(internet)

        def respond(read: Read) -> Response | None:
            if read.path == "/simple" or read.path.startswith(simple.ROOT):
                return simple.respond(projects, read)
            if project_json.asks_for_project(read.path):
                return project_json.respond(projects, read)
            return None

        return respond

    def negotiated(self, accept: str) -> str:
        """The format of the simple API that an Accept header asks for (PEP 691), or empty.

        Only a client of a package index negotiates; what others accept selects nothing.
        """
        return simple.negotiate(accept) if _NEGOTIATED in accept.lower() else ""

    def is_page(self, url: str, *, negotiated: str, content_type: str) -> bool:
        """Whether an answer is a page of the simple API."""
        indexed = bool(negotiated) or simple.ROOT in urlsplit(url).path
        return indexed and content_type.lower().startswith(_PAGES)

    def links(self, page: str) -> Iterator[str]:
        """The URLs that a page in HTML or JSON links; none where it cannot be read."""
        if not page.lstrip().startswith("{"):
            yield from (html.unescape(double or single) for double, single in _HREF.findall(page))
            return
        try:
            files = json.loads(page).get("files", [])
            yield from (str(file["url"]) for file in files)
        except (ValueError, TypeError, KeyError, AttributeError):
            return
