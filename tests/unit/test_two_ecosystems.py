"""A build whose trees hold two languages is judged by both, from what is stored to the report."""

import importlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from ecosystem_benches import BENCHES, SITE, Package, write
from rich.console import Console
from traces import OUTSIDE

from harness.buildpacks.classic import ClassicKind
from harness.buildpacks.preparation import Prefix, Preparation
from harness.builds.result import Build, BuildRecord
from harness.ecosystems import Ecosystem
from harness.ecosystems.registry import ecosystems, explainers
from harness.ecosystems.reuse import Part, Reuse
from harness.internet import Request
from harness.reports import console as console_report
from harness.runs.keeping import named_places, to_keep
from harness.sandboxes import End, Outcome
from harness.scenarios.scenario import Stage
from harness.scenarios.scenario_file import BuildExpectation
from harness.scenarios.tree import File, Tree
from harness.scenarios.world import World
from harness.storage.builds import BuildStore
from harness.storage.store import Store
from harness.trees.explainer import content_policy
from harness.trees.named import CacheTree, ResultTree
from harness.verdicts.arms import Arms, Stored
from harness.verdicts.divergence import SetAside
from harness.verdicts.judge import Context, SecondRuns, compare_arms, judge
from harness.verdicts.result import Builds, Result, Run, Step, Verdict

OLD, NEW, THEME, FONTS = ("forms", "1.0"), ("forms", "1.1"), ("theme", "2.0"), ("fonts", "3.0")
PREPARATION = Preparation(
    mounts=("/app", "/layer", "/cache"),
    places=(),
    commands=(),
    env=(),
    cwd="/app",
    results=(ResultTree(path="/app"), ResultTree(name="layer", path="/layer")),
    caches=(CacheTree(name="cache", path="/cache"),),
)
BEGAN = 1_700_000_000.0


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> tuple[Ecosystem, ...]:
    """Python, and the ecosystem of another distribution."""
    monkeypatch.syspath_prepend(OUTSIDE)
    importlib.invalidate_caches()
    return ecosystems()


class BuildKeeper:
    """Keeps builds as a run does, whose trees a test lays out."""

    def __init__(self, store: Store, folder: Path, ecosystems: tuple[Ecosystem, ...]) -> None:
        policy = content_policy(explainers(ecosystems))
        self.builds = BuildStore(store, BuildRecord, policy=policy)
        self._ecosystems = ecosystems
        self._folder = folder
        self._count = 0

    def built(
        self,
        *installed: tuple[str, str, Package],
        lock: str = "",
        urls: tuple[str, ...] = (),
        restored: str = "",
    ) -> Stored:
        """A build with packages in its trees: the tree, the ecosystem, name and version of each.

        The files of the tree `restored` are older than the build.
        """
        self._count += 1
        folder = self._folder / str(self._count)
        for name in ("app", "layer", "cache"):
            write(folder / name / "a.txt", b"an app's own\n")
        for tree, ecosystem, package in installed:
            BENCHES[ecosystem].install(folder / tree, package)
        if lock:
            write(folder / "app" / "vendor" / "lock", lock.encode())
        for path in (folder / restored).rglob("*") if restored else ():
            os.utime(path, (BEGAN - 60, BEGAN - 60))
        write(folder / "log", b"a line\n")
        build = Build(
            outcome=Outcome(end=End.EXITED, status=0, seconds=1.0),
            failed="",
            log=folder / "log",
            trees={"app": folder / "app", "layer": folder / "layer"},
            caches={"cache": folder / "cache"},
            requests=tuple(Request(method="GET", url=url, status=200) for url in urls),
            began=BEGAN,
        )
        new = to_keep(
            build,
            PREPARATION,
            self._ecosystems,
            expected={},
            in_memory=False,
            with_caches=True,
        )
        return self.builds.keep(f"{self._count:064x}", new, parent=None)


def stage(index: int) -> Stage:
    return Stage(
        index=index,
        message=f"Commit {index + 1}",
        time=1_700_000_000 + index,
        tree=Tree(entries={"a.txt": File(data=b"an app's own\n")}),
        world=World(),
        build=BuildExpectation.PASSES,
        reuse=None,
        expect=(),
    )


@pytest.fixture
def step(store: Store, tmp_path: Path, both: tuple[Ecosystem, ...]) -> Step:
    """A commit at which a cache left over a package of each language.

    Python is in a tree of its own, and the vendored files are in the app's.
    """
    bench = BuildKeeper(store, tmp_path / "builds", both)
    urls = {one: BENCHES["acme"].url(one) for one in (THEME, FONTS)}
    urls |= {one: BENCHES["python"].url(one) for one in (OLD, NEW)}
    first = bench.built(("layer", "python", OLD), ("app", "acme", THEME))
    cached = bench.built(
        ("layer", "python", OLD), ("app", "acme", THEME), ("app", "acme", FONTS),
        lock="at 1\nfonts 3.0\ntheme 2.0\n", urls=(urls[FONTS],), restored="layer",
    )  # fmt: skip
    clean = bench.built(
        ("layer", "python", NEW), ("app", "acme", FONTS),
        lock="at 2\nfonts 3.0\ntheme 2.0\n",
        urls=(urls[FONTS], urls[NEW], urls[THEME], "https://data.example/words.zip"),
    )  # fmt: skip
    file = tmp_path / "s.toml"
    earlier = [Arms(stage=stage(0), file=file, cached=first, clean=first)]
    arms = Arms(stage=stage(1), file=file, cached=cached, clean=clean)
    context = Context(
        earlier=earlier,
        shas=("a" * 40, "b" * 40),
        kind=ClassicKind(),
        tools=frozenset(),
        ecosystems=both,
    )
    second = SecondRuns(control=clean, repeated=cached)
    return judge(arms, compare_arms(arms, both, earlier), second, context)


def owners(step: Step) -> Mapping[tuple[str, str], str | None]:
    return {(one.tree, one.path): one.distribution for one in step.divergences}


def test_each_path_has_the_owner_that_its_own_ecosystem_names(step: Step) -> None:
    found = owners(step)
    assert step.verdict is Verdict.DIVERGES
    assert found["app", "vendor/theme/2.0"] == "theme 2.0"
    assert found["layer", f"{SITE}/forms/m.py"] == "forms 1.0"
    assert found["layer", f"{SITE}/forms-1.1.dist-info/METADATA"] == "forms 1.1"
    assert ("app", "vendor/lock") not in found


def test_what_differs_is_said_ecosystem_by_ecosystem_and_tree_by_tree(step: Step) -> None:
    assert step.findings == (
        "`theme 2.0` is vendored, and not in a clean build",
        "`forms 1.0` is installed; a clean build installs 1.1",
    )
    assert step.set_aside == (SetAside(rule="lock-time", count=1),)


def test_what_became_of_the_cache_is_put_together(step: Step) -> None:
    parts = {one.part: one for one in step.reuse_parts}
    assert parts.keys() == {Part.PACKAGES, Part.DOWNLOADS}
    packages = parts[Part.PACKAGES]
    assert (packages.restored, packages.anew) == (("theme", "forms"), ("fonts",))
    # What is vendored is no download to Python, and its wheels are none to the other.
    assert parts[Part.DOWNLOADS].restored == ("words.zip",)
    assert step.reuse is Reuse.REUSED


def shown(step: Step) -> Iterator[str]:
    result = Result(
        scenario="s", file="s.toml", buildpack="b", sandbox="docker", image="i", steps=(step,)
    )
    console = Console(file=io.StringIO(), width=200, soft_wrap=True)
    run = Run(results=(result,), builds=Builds(needed=2, run=2, reused=0))
    console.print(console_report.render(run))
    assert isinstance(console.file, io.StringIO)
    yield from console.file.getvalue().splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "    `theme 2.0` is vendored, and not in a clean build",
        "    `forms 1.0` is installed; a clean build installs 1.1",
        "    set aside by rule lock-time: 1",
        "    leftover   vendor/theme",
        f"    leftover   layer: {SITE}/forms-1.0.dist-info",
        "    packages reused (by requests, times): from the cache: theme, forms; new: fonts",
    ],
)
def test_the_console_report_has_both(step: Step, line: str) -> None:
    assert line in [each.rstrip() for each in shown(step)]


def test_the_owner_of_what_a_third_party_s_language_left_is_shown(step: Step) -> None:
    lines = list(shown(step))
    where = next(index for index, line in enumerate(lines) if "vendor/theme" in line)
    assert "theme 2.0; a clean build has nothing here" in lines[where + 1]


def test_a_word_of_a_scenario_is_a_place_of_the_language_that_is_installed_there(
    both: tuple[Ecosystem, ...],
) -> None:
    prefixes = (
        Prefix(ecosystem="acme", path="a"),
        Prefix(ecosystem="python", path="b", tree="layer"),
        Prefix(ecosystem="elsewhere", path="c"),
    )
    acme, python, other = named_places(replace(PREPARATION, prefixes=prefixes), both)
    assert (acme.tree, acme.paths) == ("app", {"prefix": "a", "vendored": "a/vendor"})
    assert python.tree == "layer"
    assert python.paths["scripts"] == "b/bin"
    assert "vendored" not in python.paths
    assert other.paths == {"prefix": "c"}
