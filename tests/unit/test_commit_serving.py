"""What ecosystems serve, asked by commit and buildpack."""

from dataclasses import replace
from pathlib import Path

import pytest
from fake_ecosystems import FakeEcosystem, FakeServing
from git_repositories import git

from harness.buildpacks import Buildpack
from harness.buildpacks.classic import ClassicKind
from harness.ecosystems.serving import Served, Supplies
from harness.errors import BuildpackError, RuntimeArchiveError
from harness.internet import Release, Request
from harness.runs.buildpacks import Buildpacks
from harness.runs.plan import Commit, plan
from harness.runs.serving import CommitServing, ecosystems_of, open_suppliers
from harness.scenarios.scenario import Scenario, load_scenario
from harness.storage.store import Store

SCENARIO = """
description = "d"
[app]
message = "First"
files = { "app.txt" = "x\\n" }
[[commits]]
message = "Second"
buildpack = "v2"
stack = "heroku-22"
[[commits.edits]]
do = "write"
path = "other.txt"
text = "x\\n"
"""


class TwoTongued(ClassicKind):
    name = "two-tongued"
    ecosystems = ("python", "toys")


class Mute(ClassicKind):
    name = "mute"
    ecosystems: tuple[str, ...] = ()


class Given(Buildpacks):
    """Every spec is a buildpack's; `kind` is the kind of them all."""

    kind: ClassicKind = TwoTongued()

    def get(self, spec: str) -> Buildpack:
        folder = self._folder / spec.replace("/", "_")
        return Buildpack(spec=spec, folder=folder, revision="", kind=self.kind, digest=spec)


@pytest.fixture
def buildpacks(tmp_path: Path) -> Given:
    return Given(Store(root=tmp_path / "store"), tmp_path)


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    file = tmp_path / "scenarios" / "s.toml"
    file.parent.mkdir()
    file.write_text(SCENARIO)
    return load_scenario(file)


@pytest.fixture
def commits(scenario: Scenario) -> list[Commit]:
    pairs = plan(
        scenario, scenario.stages({}), buildpack=lambda at: f"/bp@{at or 'v1'}", digest=lambda _: ""
    )
    return [pair.commit for pair in pairs]


def test_each_ecosystem_of_the_buildpack_s_kind_is_asked_in_its_order(
    buildpacks: Given, commits: list[Commit]
) -> None:
    python, toys = (
        FakeServing(Served(releases=(Release(project=name, version="1", files=()),)))
        for name in ("python", "toys")
    )
    serving = CommitServing({"toys": toys, "other": FakeServing(), "python": python}, buildpacks)
    assert serving.served(commits[0]) == (python.all, toys.all)
    assert serving.at(commits[0]) == (python, toys)
    asked = [Request(method="GET", url="u", status=200)]
    stand_ins = serving.stand_ins(commits[1], iter(asked))
    assert [(one.asked, one.served) for one in stand_ins] == [("u", "heroku-22")] * 2
    assert serving.tools(commits[1]) == {"tool-for-2"}
    assert serving.tools(commits[0]) == {"tool-for-1"}


def test_a_commit_demands_by_the_commits_before_it_as_well(
    buildpacks: Given, scenario: Scenario
) -> None:
    python, toys = FakeServing(), FakeServing()
    serving = CommitServing({"python": python, "toys": toys}, buildpacks)
    serving.begin("/bp@v1", scenario.stages({}))
    assert python.begun == toys.begun
    first, second = python.begun
    assert [one.buildpack.digest for one in second.history] == ["/bp@v1", "/bp@v2"]
    assert (second.buildpack.digest, second.stack) == ("/bp@v2", "heroku-22")
    assert second.buildpack.routes == buildpacks.kind.routes
    assert "other.txt" in second.app.entries
    assert second.history[:1] == first.history


def test_a_run_begins_with_what_failed_in_none(buildpacks: Given) -> None:
    python = FakeServing()
    CommitServing({"python": python}, buildpacks).begin_run()
    assert python.forgotten == 1


def test_pythons_are_python_s_to_choose(buildpacks: Given) -> None:
    serving = CommitServing({"python": FakeServing(), "toys": FakeServing()}, buildpacks)
    assert serving.pythons(frozenset({"default"}), "/bp") == {"default": "1.0 of _bp"}


def test_a_buildpack_without_python_has_no_python_to_choose(buildpacks: Given) -> None:
    buildpacks.kind = Mute()
    serving = CommitServing({}, buildpacks)
    assert serving.pythons(frozenset(), "/bp") == {}
    with pytest.raises(RuntimeArchiveError, match=r"\$\{python@default\} has no value: /bp"):
        serving.pythons(frozenset({"default", "other"}), "/bp")


def test_an_ecosystem_that_is_not_there_is_named(buildpacks: Given, commits: list[Commit]) -> None:
    serving = CommitServing({"python": FakeServing()}, buildpacks)
    with pytest.raises(BuildpackError, match="two-tongued kind, whose ecosystem 'toys'"):
        serving.served(commits[0])
    installed = [FakeEcosystem("python")]
    with pytest.raises(BuildpackError, match="'toys'"):
        ecosystems_of([buildpacks.get("/bp")], installed)


def test_only_the_ecosystems_that_are_needed_are_opened(buildpacks: Given, tmp_path: Path) -> None:
    installed = [FakeEcosystem(name) for name in ("python", "ruby", "toys")]
    mute = replace(buildpacks.get("/mute"), kind=Mute())
    assert ecosystems_of([mute], installed) == ()
    needed = ecosystems_of([buildpacks.get("/bp"), mute], installed)
    assert needed == (installed[0], installed[2])
    supplies = Supplies(store=Store(root=tmp_path), folder=tmp_path / "served")
    with open_suppliers(needed, supplies) as suppliers:
        suppliers.begin()
        assert [one.begun for one in installed] == [1, 0, 1]
        assert suppliers.servings(None).keys() == {"python", "toys"}
        assert installed[0].supplies.folder == tmp_path / "served" / "python"
        assert [one.open for one in installed] == [True, False, True]
    assert not any(one.open for one in installed)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A buildpack with a tag of an old release and one of a newer."""
    folder = tmp_path / "repository"
    (folder / "bin").mkdir(parents=True)
    for name in ("detect", "compile"):
        program = folder / "bin" / name
        program.write_text("#!/bin/sh\n# .heroku\n")
        program.chmod(0o755)
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "One")
    git(folder, "tag", "archive/v1")
    git(folder, "tag", "v2")
    return folder


def missing(spec: str, folder: Path, *revisions: str) -> tuple[str, ...]:
    buildpacks = Buildpacks(Store(root=folder / "store"), folder / "buildpacks")
    serving = CommitServing({"python": FakeServing()}, buildpacks)
    return serving.missing(frozenset({"revisions"}), spec, revisions)


def test_a_revision_that_a_buildpack_has_not_is_missing(repository: Path, tmp_path: Path) -> None:
    spec = f"{repository}@v2"
    assert missing(spec, tmp_path, "v1", "v2") == ()
    assert missing(spec, tmp_path, "v3", "v1") == ("revision v3",)


def test_a_bundled_buildpack_has_the_others_for_revisions(tmp_path: Path) -> None:
    assert missing("every-input", tmp_path, "never-reuses") == ()
    assert missing("every-input", tmp_path, "v1") == ("revision v1",)


def test_a_folder_has_no_revisions(repository: Path, tmp_path: Path) -> None:
    assert missing(str(repository), tmp_path, "v1") == ("revisions",)
