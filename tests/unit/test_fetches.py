"""What a request fetched: of which part, and which project."""

from dataclasses import replace

import pytest

from harness.buildpacks.classic import ClassicKind
from harness.ecosystems.python.distributions import Distribution, Source
from harness.ecosystems.python.fetches import Fetch, Sorter, origins
from harness.ecosystems.reuse import Part
from harness.internet import Request

BUCKET = "https://heroku-buildpack-python.s3.dualstack.us-east-1.amazonaws.com"
UV = "releases/download/0.12.5/uv-x86_64-unknown-linux-gnu.tar.gz"
DIGEST = "0" * 64
TOOLS = frozenset({"pip", "uv", "poetry"})
SORTER = Sorter(routes=ClassicKind().routes, tools=TOOLS, origins={})


def fetched(url: str, method: str = "GET", sorter: Sorter = SORTER) -> list[Fetch]:
    return list(sorter.fetches([Request(method=method, url=url, status=200)]))


@pytest.mark.parametrize(
    ("url", "part", "name", "version"),
    [
        (f"{BUCKET}/python-3.11.2-ubuntu-24.04-amd64.tar.zst", Part.RUNTIME,
         "python-3.11.2-ubuntu-24.04-amd64.tar.zst", ""),
        (f"{BUCKET}/heroku-22/runtimes/python-3.9.2.tar.gz", Part.RUNTIME,
         "python-3.9.2.tar.gz", ""),
        ("https://runtimes.cache-harness.invalid/python-3.11.2.tar.zst", Part.RUNTIME,
         "python-3.11.2.tar.zst", ""),
        ("https://runtimes.cache-harness.invalid/pip-for-3.11.2.tar.zst", Part.TOOLS, "pip", ""),
        (f"{BUCKET}/common/pip-22.0.4-py3-none-any.whl", Part.TOOLS, "pip", "22.0.4"),
        (f"https://releases.astral.sh/github/uv/{UV}", Part.TOOLS, "uv", ""),
        (f"https://github.com/astral-sh/uv/{UV}", Part.TOOLS, "uv", ""),
        (f"https://x.example/simple/pip/{DIGEST}/pip-25.0.1-py3-none-any.whl", Part.TOOLS,
         "pip", "25.0.1"),
        (f"https://x.example/simple/a-b/{DIGEST}/A_b-1.0.0-py3-none-any.whl", Part.PACKAGES,
         "a-b", "1"),
        (f"https://x.example/simple/a-b/{DIGEST}/a_b-1.0.tar.gz", Part.PACKAGES, "a-b", "1"),
        ("https://files.example/packages/ab/cd/ef/a_b-1.0.zip", Part.PACKAGES, "a-b", "1"),
        ("https://elsewhere.example/odd-name.whl", Part.PACKAGES, "odd", ""),
        ("https://elsewhere.example/a_b-1.0-py3-none-any.whl?token=x", Part.PACKAGES, "a-b", "1"),
        ("https://github.com/Acme/Forms/archive/main.tar.gz", Part.PACKAGES, "forms", ""),
        ("https://codeload.github.com/acme/forms/tar.gz/refs/heads/main", Part.PACKAGES,
         "forms", ""),
        ("https://gitlab.example/acme/forms/-/archive/v1/forms-v1.tar.gz", Part.PACKAGES,
         "forms", ""),
    ],
)  # fmt: skip
def test_a_url_says_what_it_is_of(url: str, part: Part, name: str, version: str) -> None:
    (found,) = fetched(url)
    assert (found.part, found.name, found.version) == (part, name, version)


@pytest.mark.parametrize(
    "url",
    [
        "https://data.example/stopwords.zip",
        "https://data.example/node-v20.tar.gz",
        "https://github.com/acme/theme/archive/main.tar.gz",
    ],
)
def test_what_may_be_anything_is_not_python_s(url: str) -> None:
    sorter = replace(SORTER, installed=frozenset({"forms"}))
    assert fetched(url, sorter=sorter) == []
    assert sorter.claimed([Request(method="GET", url=url, status=200)]) == frozenset()


@pytest.mark.parametrize(
    ("url", "method"),
    [
        ("https://x.example/simple/a/", "GET"),
        (f"https://x.example/simple/a/{DIGEST}/a-1.0-py3-none-any.whl.metadata", "GET"),
        ("https://x.example/pypi/a/json", "GET"),
        ("https://files.example/packages/ab/cd/ef/a_b-1.0.zip", "GET"),
        ("https://github.com/acme/forms.git/git-upload-pack", "POST"),
    ],
)
def test_what_is_python_s_is_claimed_whether_or_not_it_brings_anything(
    url: str, method: str
) -> None:
    assert SORTER.claimed([Request(method=method, url=url, status=200)]) == {url}


@pytest.mark.parametrize(
    "url",
    [
        "https://x.example/simple/",
        "https://x.example/simple/a/",
        "https://x.example/simple/a",
        f"https://x.example/simple/a/{DIGEST}/a-1.0-py3-none-any.whl.metadata",
        "https://x.example/pypi/a/json",
        "https://github.com/acme/forms.git/info/refs?service=git-upload-pack",
        "https://x.example/",
    ],
)
def test_a_page_is_nothing_that_is_installed(url: str) -> None:
    assert fetched(url) == []
    assert fetched(url, "POST") == []


def test_what_git_asks_is_of_its_repository() -> None:
    (found,) = fetched("https://github.com/acme/forms.git/git-upload-pack", "POST")
    assert (found.part, found.name, found.git) == (Part.PACKAGES, "forms", True)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 404), ("GET", 304)])
def test_only_what_was_answered_was_fetched(method: str, status: int) -> None:
    url = "https://data.example/stopwords.zip"
    assert list(SORTER.fetches([Request(method=method, url=url, status=status)])) == []


def installed(name: str, url: str) -> Distribution:
    return Distribution(
        name=name, version="1", location="s", metadata=f"s/{name}.dist-info", source=Source(url=url)
    )


def test_a_repository_is_known_by_what_is_installed_from_it() -> None:
    known = origins(
        [
            installed("Django_Forms", "https://github.com/acme/forms.git"),
            installed("b", "file:///b"),
        ],
        [installed("more", "https://github.com/acme/Forms/archive/main.tar.gz")],
    )
    assert known == {"acme/forms": frozenset({"django-forms", "more"})}
    sorter = Sorter(routes=(), tools=TOOLS, origins=known)
    found = fetched("https://github.com/acme/forms/archive/v1.zip", sorter=sorter)
    assert [one.name for one in found] == ["django-forms", "more"]
