import os
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from wheels import wheel, wheel_name

from harness.ecosystems.python.tools.closure import fetch_closure
from harness.ecosystems.python.tools.names import BASE_TOOLS
from harness.ecosystems.python.tools.pip import index_urls
from harness.ecosystems.python.tools.single import fetch_tool
from harness.errors import ReleaseError
from harness.storage.store import Store


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the operator's pip is told to look in, and nowhere else."""
    folder = tmp_path / "links"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    for version in ("1.0", "2.0"):
        (folder / wheel_name("build-tool", version)).write_bytes(
            wheel("build-tool", version, {}, requires=["not-there"])
        )
    return folder


def test_a_tool_is_fetched_once_and_kept(links: Path, tmp_path: Path) -> None:
    store = Store(root=tmp_path / "store")
    first = fetch_tool("Build_Tool==1.0", store=store)
    for each in links.iterdir():
        each.unlink()
    second = fetch_tool("build-tool == 1.0", store=store)
    assert first == second
    assert (first.project, first.version) == ("build-tool", "1.0")
    (file,) = first.files
    assert file.name == "build_tool-1.0-py3-none-any.whl"
    assert store.tools in file.path.parents
    assert [path.name for path in store.tools.iterdir()] == ["build-tool-1.0"]


class Box:
    """Has what it is given, and remembers what it is told of."""

    def __init__(self, **sets: Path) -> None:
        self.sets = sets
        self.told: dict[str, Path] = {}

    def tools(self, name: str) -> Path | None:
        return self.sets.get(name)

    def offered(self, name: str, folder: Path) -> None:
        self.told[name] = folder


def test_a_toolbox_comes_before_the_store_and_the_index(links: Path, tmp_path: Path) -> None:
    store = Store(root=tmp_path / "store")
    empty = Box()
    kept = fetch_tool("build-tool==1.0", store=store, toolbox=empty)
    assert empty.told == {"build-tool-1.0": store.tools / "build-tool-1.0"}
    other = tmp_path / "other"
    other.mkdir()
    (other / kept.files[0].name).write_bytes(b"another wheel")
    full = Box(**{"build-tool-1.0": other})
    found = fetch_tool("build-tool==1.0", store=store, toolbox=full)
    assert found.files[0].path == other / kept.files[0].name
    assert found.files[0].sha256 != kept.files[0].sha256
    assert full.told == {}


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        ({}, None),
        ({"PIP_INDEX_URL": "https://me:word@mirror.example.com/root/+simple"},
         "https://me:word@mirror.example.com/root/+simple/"),
        ({"PIP_CONFIG_FILE": "[global]\nindex-url = https://global.example.com/simple/\n"},
         "https://global.example.com/simple/"),
        ({"PIP_CONFIG_FILE": "[global]\nindex-url = https://g.example.com/\n"
          "[install]\nindex-url = https://i.example.com/simple\n"},
         "https://i.example.com/simple/"),
        ({"PIP_CONFIG_FILE": "[global]\nindex-url = https://g.example.com/\n",
          "PIP_INDEX_URL": "https://e.example.com/simple"}, "https://e.example.com/simple/"),
    ],
)  # fmt: skip
def test_the_index_that_the_operator_s_pip_asks(
    links: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    own: str | None,
) -> None:
    for name, value in settings.items():
        configuration = tmp_path / name
        configuration.write_text(value)
        monkeypatch.setenv(name, str(configuration) if name == "PIP_CONFIG_FILE" else value)
    found = index_urls()
    assert found is not None
    assert found.default.startswith("https://")
    assert found.default.endswith("/simple/")
    assert found.own == (own or found.default)


PYTHONS = ("3.11.2", "3.13.5")


def offer(links: Path, name: str, version: str, *, tag: str = "py3", needs: str = "") -> None:
    """Puts a wheel where pip looks."""
    data = wheel(name, version, {}, requires=[needs] if needs else [])
    file = wheel_name(name, version).replace("py3-", f"{tag}-")
    (links / file).write_bytes(data)


def test_what_is_named_comes_with_what_it_needs(links: Path, tmp_path: Path) -> None:
    offer(links, "whole", "1.0", needs="part>=2")
    offer(links, "part", "2.0")
    offer(links, "part", "2.1")
    found = fetch_closure("whole==1.0", PYTHONS, store=Store(root=tmp_path / "store"))
    assert {(one.project, one.version) for one in found} == {("whole", "1.0"), ("part", "2.1")}


def test_some_pythons_are_enough_where_that_is_asked_for(links: Path, tmp_path: Path) -> None:
    store = Store(root=tmp_path / "store")
    offer(links, "newer", "1.0", tag="cp313")
    found = fetch_closure("newer==1.0", PYTHONS, some=True, store=store)
    assert [file.name for one in found for file in one.files] == ["newer-1.0-cp313-none-any.whl"]
    with pytest.raises(ReleaseError, match=r"newer==1\.0"):
        fetch_closure("newer==1.0", PYTHONS, store=store)
    with pytest.raises(ReleaseError, match=r"none==1\.0"):
        fetch_closure("none==1.0", PYTHONS, some=True, store=store)
    assert [path.name for path in store.tools.iterdir()] == ["newer-1.0-for-some-of-3.11-3.13"]


def test_two_versions_are_kept_apart(links: Path, tmp_path: Path) -> None:
    store = Store(root=tmp_path / "store")
    releases = [fetch_tool(f"build-tool=={version}", store=store) for version in ("1.0", "2.0")]
    assert [release.version for release in releases] == ["1.0", "2.0"]


def test_what_pip_cannot_fetch(links: Path, tmp_path: Path) -> None:
    store = Store(root=tmp_path / "store")
    with pytest.raises(
        ReleaseError, match=r"(?s)build-tool==3\.0; pip says:.*No matching"
    ) as raised:
        fetch_tool("build-tool==3.0", store=store)
    assert "pip config list" in raised.value.hint
    assert list(store.tools.iterdir()) == []


@pytest.mark.parametrize(
    "requirement",
    [
        *(
            "pip",
            "pip>=1",
            "pip==1.*",
            "pip==1,==1",
            "pip===1",
            "pip[x]==1",
            "pip==1; sys_platform",
        ),
        *("pip @ https://example.com/pip.whl", "", "--index-url=x", "pip==1\n--pre"),
        "pip==1; python_version > '3'",
    ],
)
def test_only_exact_pins(requirement: str, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="write name==version"):
        fetch_tool(requirement, store=Store(root=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_several_at_once(links: Path, tmp_path: Path) -> None:
    store = Store(root=tmp_path / "store")
    barrier = threading.Barrier(3)

    def fetch(_: int) -> object:
        barrier.wait(10)
        return fetch_tool("build-tool==1.0", store=store)

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(fetch, range(3)))
    assert found[0] == found[1] == found[2]
    assert [path.name for path in store.tools.iterdir()] == ["build-tool-1.0"]


def test_a_broken_store_is_told(links: Path, tmp_path: Path) -> None:
    store = Store(root=tmp_path / "store")
    release = fetch_tool("build-tool==1.0", store=store)
    release.files[0].path.unlink()
    with pytest.raises(ReleaseError, match="holds 0") as raised:
        fetch_tool("build-tool==1.0", store=store)
    assert str(store.tools / "build-tool-1.0") in raised.value.hint


def test_without_pip_another_on_path_serves(
    links: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    python = sys.executable
    without = tmp_path / "python-without-pip"
    without.write_text("#!/bin/sh\nexit 1\n")
    programs = tmp_path / "programs"
    programs.mkdir()
    pip = programs / "pip3"
    pip.write_text(f'#!/bin/sh\nexec "{python}" -m pip "$@"\n')
    for program in (without, pip):
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(without))
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    assert fetch_tool("build-tool==1.0", store=Store(root=tmp_path / "one"))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(ReleaseError, match="no pip") as raised:
        fetch_tool("build-tool==1.0", store=Store(root=tmp_path / "two"))
    assert "ensurepip" in raised.value.hint


def test_the_base_tools_are_pins() -> None:
    names = [Requirement(tool).name for tool in BASE_TOOLS]
    assert names == sorted(set(names))
    assert {"pip", "setuptools", "wheel", "flit-core"} <= set(names)


def test_fetching_ends_when_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    slow = tmp_path / "python"
    slow.write_text('#!/bin/sh\n[ "$3" = --version ] || exec sleep 60\n')
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(ReleaseError, match="stopped"):
        fetch_tool("build-tool==1.0", store=Store(root=tmp_path / "store"), stop=stop)
    assert time.monotonic() - begun < 30
    assert list((tmp_path / "store" / "tools").iterdir()) == []
