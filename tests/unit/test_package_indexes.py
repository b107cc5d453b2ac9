"""Package indexes of several ecosystems side by side, in the sealed internet and on tapes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from internet_client import online
from starlette.responses import PlainTextResponse

from harness.ecosystems.python.index.package_index import PythonIndex
from harness.internet import Internet, Release
from harness.internet.exchange import Asked
from harness.internet.package_index import IndexUrls
from harness.internet.routes import Routes

OTHER = "https://reader:secret@mirror.example.net/toys/"


class ToyIndex:
    """Projects below `/toys/`; its pages have one link a line."""

    companion = ".sig"

    def __init__(self) -> None:
        self.seen: list[Internet] = []

    def urls(self) -> IndexUrls:
        return IndexUrls(default="https://toys.example.com/all/", own=OTHER)

    def responder(self, internet: Internet) -> Callable[..., Any]:
        self.seen.append(internet)
        return lambda read: (
            PlainTextResponse(f"toys of {read.host}") if read.path.startswith("/toys/") else None
        )

    def negotiated(self, accept: str) -> str:
        return "toy" if "toy" in accept else ""

    def is_page(self, url: str, *, negotiated: str, content_type: str) -> bool:
        return content_type == "text/toys" and not negotiated and url.startswith("https://toys.")

    def links(self, page: str) -> list[str]:
        return page.splitlines()


def test_each_answers_at_its_own_paths(tmp_path: Path) -> None:
    internet = Internet(releases=(Release(project="block", version="1", files=()),))
    toys = ToyIndex()
    with online(internet, tmp_path, indexes=[PythonIndex(), toys]) as client:
        assert client.get("https://a.example.com/toys/block").text == "toys of a.example.com"
        assert "block" in client.get("https://a.example.com/simple/").text
        assert client.get("https://a.example.com/other").status == 403
    assert toys.seen == [internet]


def test_without_any_nothing_answers(tmp_path: Path) -> None:
    with online(Internet(), tmp_path, indexes=[]) as client:
        assert client.get("https://a.example.com/simple/").status == 403


ROUTES = {
    "https://toys.example.com/all/block/": f"{OTHER}block/",
    "https://pages.example.com/simple/forms/": "https://own.example.net/simple/forms/",
    "https://elsewhere.example.com/x": "https://elsewhere.example.com/x",
    # What the operator's own index is asked for is asked with its password.
    "https://mirror.example.net/other": "https://reader:secret@mirror.example.net/other",
}


@pytest.mark.parametrize(("asked", "real"), ROUTES.items())
def test_each_has_a_mirror_of_its_own(asked: str, real: str) -> None:
    python = IndexUrls(
        default="https://pages.example.com/simple/", own="https://own.example.net/simple/"
    )
    assert Routes([PythonIndex(lambda: python), ToyIndex()]).real(asked) == real


def test_links_are_read_as_the_index_of_the_page_writes_them() -> None:
    routes = Routes([PythonIndex(lambda: None), ToyIndex()])
    page = Asked(url="https://toys.example.com/all/block/", method="GET")
    assert not routes.is_page(page, "text/plain")
    assert routes.is_page(page, "text/toys")
    routes.learn_links(
        page, "text/toys", f"{OTHER}block/", "https://files.example.net/b?token=0123"
    )
    shown = "https://files.example.net/b?token=REDACTED"
    assert routes.real(shown) == "https://files.example.net/b?token=0123"
    assert routes.real(f"{shown}.sig") == "https://files.example.net/b?token=0123.sig"
