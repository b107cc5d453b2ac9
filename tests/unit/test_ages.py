"""Which files that tell of an installation are older than the build, on real trees."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.ecosystems.installed import built_tree
from harness.ecosystems.python.ages import Ages, read_ages
from harness.ecosystems.python.installation import read_installation
from harness.errors import ManifestError
from harness.trees.scan import scan

SITE = "py/lib/python3.11/site-packages"
BEGAN = 1_700_000_000.5


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Any]:
    """A tree of files by path, each with its time relative to the build's beginning."""

    def make(files: dict[str, float], links: dict[str, str] | None = None) -> Path:
        for path, offset in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("Name: a\nVersion: 1.0\n")
            os.utime(file, (0, BEGAN + offset))
        for path, target in (links or {}).items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).symlink_to(target)
        return tmp_path

    return make


def ages(folder: Path) -> Ages:
    return read_installation(built_tree(scan(folder, (".",)), folder, began=BEGAN)).ages


def test_metadata_is_told_by_its_times_to_a_fraction_of_a_second(tree: Callable[..., Any]) -> None:
    info = f"{SITE}/a-1.0.dist-info"
    found = ages(tree({f"{info}/METADATA": -0.25, f"{info}/RECORD": 0, f"{info}/WHEEL": 7}))
    assert found == Ages(old=(f"{info}/METADATA",), new=(f"{info}/RECORD", f"{info}/WHEEL"))


def test_modules_are_not_looked_at_and_what_every_python_has_is(tree: Callable[..., Any]) -> None:
    found = ages(
        tree(
            {
                f"{SITE}/a/__init__.py": -9,
                "py/bin/python3.11": -9,
                "py/lib/python3.11/os.py": 9,
                "py/lib/python3.11/json/decoder.py": -9,
                "py/pyvenv.cfg": -9,
                "app.py": -9,
            }
        )
    )
    assert found.old == ("py/bin/python3.11", "py/pyvenv.cfg")
    assert found.new == ("py/lib/python3.11/os.py",)


def test_other_forms_of_metadata(tree: Callable[..., Any]) -> None:
    found = ages(
        tree(
            {
                f"{SITE}/a.egg-info": -1,
                f"{SITE}/b.egg-link": -1,
                f"{SITE}/c.egg-info/PKG-INFO": -1,
            }
        )
    )
    assert found.old == (
        f"{SITE}/a.egg-info",
        f"{SITE}/b.egg-link",
        f"{SITE}/c.egg-info/PKG-INFO",
    )


def test_links_have_no_time_of_their_own(tree: Callable[..., Any]) -> None:
    folder = tree({"elsewhere": -9}, links={"py/bin/python3.11": "../../elsewhere"})
    assert ages(folder) == Ages()


def test_a_tree_without_python_has_none(tree: Callable[..., Any]) -> None:
    assert ages(tree({"app.py": 0})) == Ages()


def test_what_changed_meanwhile_is_an_error(tree: Callable[..., Any]) -> None:
    folder = tree({"py/pyvenv.cfg": 0})
    manifest = scan(folder, (".",))
    (folder / "py/pyvenv.cfg").unlink()
    with pytest.raises(ManifestError, match=r"cannot read py/pyvenv\.cfg"):
        read_ages(built_tree(manifest, folder, began=BEGAN), ())
