"""The sealed internet of a commit: forks, what is published of them, and what ecosystems serve."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_ecosystems import FakeServing
from fake_sandboxes import nowhere

from harness.bundled import bundled_repositories
from harness.ecosystems.serving import Served, Serving, Workshop
from harness.errors import ReleaseError
from harness.internet import Download, Internet, Release, ReleaseFile
from harness.runs.buildpacks import Buildpacks
from harness.runs.internet import (
    BuiltReleases,
    CommitInternet,
    PlayedForks,
    assemble,
    identity,
)
from harness.runs.serving import CommitServing
from harness.scenarios.fork import Fork, load_fork
from harness.scenarios.scenario import load_scenario
from harness.scenarios.tree import File, Tree
from harness.scenarios.world import BranchTip, PublishedRelease, Tag, World, first_world
from harness.storage.store import Store

SHA = "1" * 40
TOOL = Release(project="tool", version="1", files=())
FILE = Download(host="a.example.com", path="/x", file=Path("/x"), sha256="x")


def fork(name: str) -> Fork:
    return load_fork(bundled_repositories() / name)


FORMS = fork("forms")
PUBLISHED = PublishedRelease(fork="forms", revision="v1", sha=FORMS.sha("v1"))


def assembled(world: World, *served: Served) -> Internet:
    return assemble(
        [FORMS],
        world,
        objects=lambda one: Path("/objects") / one.name,
        release=lambda one, published: Release(
            project=one.name, version=published.revision, files=()
        ),
        served=served,
    )


def test_the_forge_shows_the_branches_and_tags_of_the_commit() -> None:
    branches = (BranchTip(fork="forms", branch="next", revision="v1", sha=SHA),)
    tags = (Tag(fork="forms", tag="v1.0", revision="v1", sha=SHA),)
    world = first_world({"forms": FORMS})
    (first,) = assembled(world).repositories
    (changed,) = assembled(replace(world, branches=branches, tags=tags)).repositories
    assert (first.owner, first.name, first.objects) == ("acme", "forms", Path("/objects/forms"))
    assert [name for name, _ in first.refs] == ["refs/heads/main"]
    assert first.head == "refs/heads/main"
    assert changed.refs == (("refs/heads/next", SHA), ("refs/tags/v1.0", SHA))
    assert changed.head == "refs/heads/next"


def test_what_is_published_comes_before_what_ecosystems_serve() -> None:
    world = replace(first_world({"forms": FORMS}), releases=(PUBLISHED,))
    other = replace(TOOL, version="2")
    found = assembled(world, Served(releases=(TOOL,)), Served(releases=(other,), downloads=(FILE,)))
    assert [(one.project, one.version) for one in found.releases] == [
        ("forms", "v1"), ("tool", "1"), ("tool", "2"),
    ]  # fmt: skip
    assert found.downloads == (FILE,)


@pytest.fixture
def releases(tmp_path: Path) -> BuiltReleases:
    return BuiltReleases(Workshop(sandbox=nowhere(tmp_path), scratch=tmp_path))


def test_a_release_is_built_once_and_served_as_the_scenario_says(releases: BuiltReleases) -> None:
    python = FakeServing()
    first = releases.release(FORMS, PUBLISHED, servings=[python])
    yanked = replace(PUBLISHED, yanked="bad", host="index.example.com")
    again = releases.release(FORMS, yanked, servings=[python])
    assert (first.project, first.yanked, first.host) == ("forms@v1", None, "")
    assert again == replace(first, yanked="bad", host="index.example.com")
    assert python.built == ["forms@v1"]


def test_a_release_is_built_of_the_fork_s_files_and_its_submodules(releases: BuiltReleases) -> None:
    invoices = fork("invoices")
    trees: list[Tree] = []

    class Notes(FakeServing):
        def build_release(self, project: Tree, workshop: Workshop, *, label: str) -> Release:
            trees.append(project)
            return super().build_release(project, workshop, label=label)

    published = PublishedRelease(fork="invoices", revision="v1", sha=invoices.sha("v1"))
    releases.release(invoices, published, servings=[Notes(mark="pyproject.toml")])
    assert "invoices/currencies/countries/currency.txt" in trees[0].entries


def test_the_first_ecosystem_whose_project_it_is_builds_it(releases: BuiltReleases) -> None:
    others, python = FakeServing(mark="Gemfile"), FakeServing()
    releases.release(FORMS, PUBLISHED, servings=[others, python, FakeServing()])
    assert (others.built, python.built) == ([], ["forms@v1"])


@pytest.mark.parametrize("servings", [[], [FakeServing(mark="Gemfile")]])
def test_a_project_of_no_ecosystem_is_said_to_be_one(
    releases: BuiltReleases, servings: list[Serving]
) -> None:
    with pytest.raises(ReleaseError, match="no release of forms@v1 can be built"):
        releases.release(FORMS, PUBLISHED, servings=servings)


def test_a_fork_is_played_once(tmp_path: Path) -> None:
    forks = PlayedForks(tmp_path / "forks")
    objects = forks.objects(FORMS)
    assert (objects / "objects").is_dir()
    assert forks.objects(FORMS) == objects
    assert forks.objects(fork("invoices")) != objects


WORLD = World(
    branches=(BranchTip(fork="forms", branch="main", revision="v1", sha=SHA),),
    tags=(Tag(fork="forms", tag="v1.0", revision="v1", sha=SHA),),
    releases=(PUBLISHED,),
)


def tool(name: str, content: str) -> Release:
    return replace(TOOL, files=(ReleaseFile(name=name, path=Path("/a"), sha256=content * 64),))


SERVED = Served(releases=(tool("tool.whl", "a"),), downloads=(FILE,))


def known(
    forks: tuple[Fork, ...] = (FORMS,),
    world: World = WORLD,
    served: tuple[Served, ...] = (SERVED,),
    beyond: str = "",
) -> str:
    return repr(identity(forks, world, served=served, beyond=beyond))


CHANGES: dict[str, dict[str, Any]] = {
    "a fork less": {"forks": ()},
    "a revision less": {"forks": (replace(FORMS, revisions=FORMS.revisions[:-1]),)},
    "the owner": {"forks": (replace(FORMS, owner="other"),)},
    "a branch": {"world": replace(WORLD, branches=())},
    "a tag": {"world": replace(WORLD, tags=())},
    "a release": {"world": replace(WORLD, releases=())},
    "a release's source": {"world": replace(WORLD, releases=(replace(PUBLISHED, sha=SHA),))},
    "a yanked release": {"world": replace(WORLD, releases=(replace(PUBLISHED, yanked=""),))},
    "a release's host": {"world": replace(WORLD, releases=(replace(PUBLISHED, host="a"),))},
    "nothing served": {"served": ()},
    "a tool's content": {"served": (replace(SERVED, releases=(tool("tool.whl", "b"),)),)},
    "a tool's name": {"served": (replace(SERVED, releases=(tool("t.whl", "a"),)),)},
    "a download's content": {"served": (
        replace(SERVED, downloads=(replace(FILE, sha256="y"),)),)},
    "a download's host": {"served": (replace(SERVED, downloads=(replace(FILE, host="b"),)),)},
    "a download's path": {"served": (replace(SERVED, downloads=(replace(FILE, path="/y"),)),)},
    "a tape": {"beyond": "tape"},
}  # fmt: skip


def test_all_that_could_be_answered_is_in_its_identity() -> None:
    assert len({known(), *(known(**change) for change in CHANGES.values())}) == 1 + len(CHANGES)


def test_where_files_are_is_not_in_its_identity() -> None:
    moved = (replace(FILE, file=Path("/elsewhere")),)
    assert known(served=(replace(SERVED, downloads=moved),)) == known()


LOCKED = """\
description = "A lock with the digest of a release"
forks = ["forms"]
app = { files = { lock = "${forms@v1:sha256}" } }
commits = [{ message = "Deploy again" }]
"""


def test_references_to_files_stand_for_what_is_built_of_the_revision(tmp_path: Path) -> None:
    folder = tmp_path / "scenarios"
    folder.mkdir()
    file = folder / "x.toml"
    file.write_text(LOCKED)
    scenario, python = load_scenario(file), FakeServing()
    workshop = Workshop(sandbox=nowhere(tmp_path), scratch=tmp_path)
    serving = CommitServing({}, Buildpacks(Store(root=tmp_path), tmp_path))
    commits = CommitInternet(serving, workshop, folder=tmp_path)
    files = commits.files(scenario, [python])
    assert files == {("forms", "v1"): {"sha256": "digest of forms@v1"}}
    (first, _) = scenario.stages({}, files)
    assert first.tree.entries["lock"] == File(data=b"digest of forms@v1")
    assert python.built == ["forms@v1"]
