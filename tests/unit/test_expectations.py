"""What a scenario says of a built tree, checked on trees that do and do not meet it."""

from pathlib import Path
from typing import Any

import pytest

from harness.scenarios.expectation import TreeExpectation
from harness.verdicts.expectations import NamedPlaces, fault


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "build" / "lib"
    folder.mkdir(parents=True)
    (folder / "a.html").write_text("<p>one (1)</p>\n")
    (folder / "b.html").write_text("<p>two</p>\n")
    (folder / "link").symlink_to("a.html")
    (folder / "tool").write_text("#!/bin/sh\n")
    (folder / "tool").chmod(0o755)
    (folder / "raw").write_bytes(b"\xff one")
    return tmp_path / "build"


def said(tree: Path, path: str, **rest: Any) -> str:
    return fault(TreeExpectation(path=path, **rest), {"app": tree})


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        ("lib/a.html", {}),
        ("lib", {}),
        ("lib/link", {}),
        ("lib/*.html", {}),
        ("lib/a.html", {"contains": "one (1)"}),
        ("lib/*.html", {"contains": "<p>"}),
        ("lib/*.html", {"matches": r"<p>(one|two)\b"}),
        ("lib/raw", {"contains": "one"}),
        ("lib/a.html", {"executable": False, "contains": "one"}),
        ("lib/tool", {"executable": True}),
        ("lib/link", {"target": "a.html"}),
        ("lib/c.html", {"absent": True}),
        ("lib/*.css", {"absent": True}),
        ("nowhere/else", {"absent": True}),
    ],
)
def test_met(tree: Path, path: str, rest: dict[str, bool | str]) -> None:
    assert said(tree, path, **rest) == ""


@pytest.mark.parametrize(
    ("path", "rest", "told"),
    [
        ("lib/c.html", {}, "nothing is at lib/c.html"),
        ("lib/a.html", {"executable": True}, "lib/a.html is not executable"),
        ("lib/tool", {"executable": False}, "lib/tool is executable"),
        ("lib", {"executable": True}, "lib is no file"),
        ("lib/link", {"target": "b.html"}, "lib/link points to a.html, not to b.html"),
        ("lib/a.html", {"target": "b.html"}, "lib/a.html is no symbolic link"),
        ("lib/c.html", {"executable": False}, "nothing is at lib/c.html"),
        ("lib/c.html", {"contains": "x"}, "nothing is at lib/c.html"),
        ("lib/a.html", {"absent": True}, "lib/a.html is there, and nothing should be"),
        ("lib/*.html", {"absent": True}, "lib/a.html is there, and nothing should be"),
        ("lib/*.html", {"contains": "one"}, "lib/b.html does not hold 'one'"),
        ("lib/a.html", {"contains": "one .1."}, "lib/a.html does not hold 'one .1.'"),
        ("lib/a.html", {"matches": "^two$"}, "lib/a.html does not hold '^two$'"),
        ("lib", {"contains": "one"}, "no file is at lib"),
        # A link may lead anywhere, so it is not read.
        ("lib/link", {"contains": "one"}, "no file is at lib/link"),
    ],
)
def test_not_met(tree: Path, path: str, rest: dict[str, bool | str], told: str) -> None:
    assert said(tree, path, **rest) == told


def test_a_path_may_be_in_another_tree(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "x").touch()
    trees = {"app": tree, "layers": tmp_path / "layers"}
    assert fault(TreeExpectation(path="x", tree="layers"), trees) == ""
    assert fault(TreeExpectation(path="x"), trees) == "nothing is at x"
    assert fault(TreeExpectation(path="x", tree="deps"), trees) == (
        "there is no tree `deps`; the build leaves `app`, `layers`"
    )


HERE = NamedPlaces(tree="app", paths={"prefix": "lib", "site-packages": "lib"})
THERE = NamedPlaces(tree="layers", paths={"prefix": "python", "scripts": "python/bin"})


def test_a_word_stands_for_a_place_of_the_installation(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "layers" / "python" / "bin").mkdir(parents=True)
    trees = {"app": tree, "layers": tmp_path / "layers"}

    def said(path: str, *places: NamedPlaces, **rest: Any) -> str:
        return fault(TreeExpectation(path=path, **rest), trees, places)

    assert said("${site-packages}/a.html", HERE, contains="one") == ""
    assert said("${site-packages}/c.html", HERE) == "nothing is at lib/c.html"
    # In whichever tree it is that has such a place; with several it has to be in one.
    assert said("${scripts}", HERE, THERE) == ""
    assert said("${prefix}/a.html", HERE, THERE) == ""
    assert said("${prefix}/bin", HERE, THERE) == ""
    assert said("${prefix}/x", HERE, THERE) == "nothing is at lib/x"
    # What must not be there may be in none.
    assert said("${prefix}/bin", HERE, THERE, absent=True) == (
        "python/bin is there, and nothing should be"
    )
    assert said("${prefix}/x", HERE, THERE, absent=True) == ""


def test_a_word_that_stands_for_nothing_is_a_fault(tree: Path) -> None:
    expectation = TreeExpectation(path="${libs}/x")
    assert fault(expectation, {"app": tree}, (HERE,)) == (
        "${libs}/x names no place of this build's; the words are `${prefix}`, `${site-packages}`"
    )
    assert fault(expectation, {"app": tree}).endswith("the words are none")
