"""The bundled buildpacks, whose policies are known, on scenarios that ship."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from program import REPOSITORY, SCENARIOS, EndedRun, Program
from traces import need

pytestmark = [pytest.mark.image, pytest.mark.bubblewrap, pytest.mark.timeout(900)]

AGREEING = {
    "requirements/root-package-dropped",
    "reuse/unchanged-rebuild",
    "toolchain/python-version-changed",
}
DIVERGING = {
    "editables/editable-to-archive",
    "forks/nested-fork-bumped",
    "forks/nested-fork-html-only",
    "package-data/data-file-removed",
    "requirements/nested-package-dropped",
}
UNCHANGED = "reuse/unchanged-rebuild"
ROOT_DROPPED = "requirements/root-package-dropped"
NESTED_DROPPED = "requirements/nested-package-dropped"


def file_of(name: str) -> Path:
    return SCENARIOS / f"{name}.toml"


def divergences(ran: EndedRun, name: str) -> dict[str, dict[str, Any]]:
    """The last commit's, by path in the build's folder."""
    step = ran.by_scenario[name]["steps"][-1]
    assert {each["tree"] for each in step["divergences"]} == {"app"}
    return {each["path"]: each for each in step["divergences"]}


@pytest.fixture(scope="module")
def root_requirements(program: Program, tmp_path_factory: pytest.TempPathFactory) -> EndedRun:
    folder = tmp_path_factory.mktemp("root-requirements") / "run"
    files = [file_of(name) for name in sorted(AGREEING | DIVERGING)]
    # Fresh, so that what it counts as run is the same whatever other tests built before.
    return program.run(folder, *files, "--buildpack", "root-requirements", "--fresh")


class TestRootRequirements:
    """The policy of the issue: it misses what nested files say."""

    def test_diverges_where_a_nested_file_matters_and_nowhere_else(
        self, root_requirements: EndedRun
    ) -> None:
        ran = root_requirements
        found = {name for name, verdict in ran.verdicts.items() if verdict == "diverges"}
        assert found == DIVERGING, ran.said
        agreed = {name for name, verdict in ran.verdicts.items() if verdict == "agrees"}
        assert agreed == AGREEING
        assert ran.status == 1

    def test_each_scenario_is_as_expected_but_for_its_divergence(
        self, root_requirements: EndedRun
    ) -> None:
        for result in root_requirements.report["results"]:
            for step in result["steps"]:
                assert (step["failures"], step["noise"]) == ([], []), result
                assert step["compared"] > 0
                # What is stale is told of the cached build alone.
                for sentence in step["unmet"]:
                    assert step["verdict"] == "diverges"
                    assert sentence.startswith("in the cached build ")
            assert all(step["verdict"] == "agrees" for step in result["steps"][:-1])

    def test_names_the_fork_s_commit_and_the_template(self, root_requirements: EndedRun) -> None:
        name = "forks/nested-fork-html-only"
        found = divergences(root_requirements, name)
        (template,) = (each for path, each in found.items() if path.endswith("/field.html"))
        assert template["kind"] == "content"
        assert template["distribution"] == "forms 1.0"
        assert template["cached"]["digest"] != template["clean"]["digest"]
        first, last = root_requirements.by_scenario[name]["steps"]
        assert template["origin"] == first["commit"]
        assert not [path for path in found if path.endswith((".py", ".pyc"))]
        (finding,) = last["findings"]
        assert re.fullmatch(
            r"`forms 1\.0` is installed at \w{7}; a clean build installs it at \w{7}", finding
        )

    def test_names_the_package_that_nothing_asks_for(self, root_requirements: EndedRun) -> None:
        found = divergences(root_requirements, NESTED_DROPPED)
        assert {each["kind"] for each in found.values()} == {"leftover"}
        assert {each["distribution"] for each in found.values()} == {"staticfiles 6.0.0"}
        assert {each["clean"] for each in found.values()} == {None}
        assert any(path.endswith("/site-packages/staticfiles/serving.py") for path in found)
        first, last = root_requirements.by_scenario[NESTED_DROPPED]["steps"]
        assert {each["origin"] for each in found.values()} == {first["commit"]}
        assert last["findings"] == ["`staticfiles 6.0.0` is installed and nothing asks for it"]

    def test_names_the_data_file_that_stays(self, root_requirements: EndedRun) -> None:
        found = divergences(root_requirements, "package-data/data-file-removed")
        (kept,) = (each for path, each in found.items() if path.endswith("/countries.json"))
        assert (kept["kind"], kept["clean"]) == ("leftover", None)
        assert kept["distribution"] == "forms 1.0"

    def test_names_the_checkout_that_stays(self, root_requirements: EndedRun) -> None:
        found = divergences(root_requirements, "editables/editable-to-archive")
        assert found[".heroku/python/src/forms"]["kind"] == "leftover"

    def test_reuses_or_drops_its_cache_as_the_scenarios_say(
        self, root_requirements: EndedRun
    ) -> None:
        reuse = {
            name: [step["reuse"] for step in result["steps"]]
            for name, result in root_requirements.by_scenario.items()
        }
        assert reuse[UNCHANGED] == ["empty", "reused", "reused"]
        assert reuse["toolchain/python-version-changed"] == ["empty", "discarded"]
        assert reuse[ROOT_DROPPED] == ["empty", "discarded"]
        assert all(reuse[name] == ["empty", "reused"] for name in DIVERGING)
        reasons = root_requirements.by_scenario[ROOT_DROPPED]["steps"][-1]["reasons"]
        assert len(reasons) == 1

    def test_runs_no_build_twice(self, root_requirements: EndedRun) -> None:
        # Two builds a commit, and each once more where they differ; the first commit has but one,
        # and four scenarios begin as another one does.
        assert root_requirements.report["builds"] == {"needed": 44, "run": 32, "reused": 12}

    def test_tells_a_person_the_same(self, root_requirements: EndedRun) -> None:
        out = root_requirements.out
        for line in root_requirements.by_scenario[NESTED_DROPPED]["steps"][-1]["findings"]:
            assert line in out
        for name in AGREEING | DIVERGING:
            assert re.search(rf"^{name} +{root_requirements.verdicts[name]}\b", out, re.MULTILINE)


def test_never_reuses_is_equal_and_reported_for_lost_reuse(
    program: Program, tmp_path: Path
) -> None:
    files = [file_of(name) for name in (UNCHANGED, NESTED_DROPPED)]
    ran = program.run(tmp_path / "run", *files, "--buildpack", "never-reuses")
    assert set(ran.verdicts.values()) == {"agrees"}, ran.said
    _, *later = next(r for n, r in ran.by_scenario.items() if n.endswith("rebuild"))["steps"]
    for step in later:
        assert step["reuse"] == "discarded"
        lost = {
            f"the cache's {part} fetched again, and should be reused"
            for part in ("runtime is", "packages are")
        }
        assert lost <= {*step["unmet"]}
        assert step["reasons"] == ["this buildpack never reuses it"]
    assert ran.status == 1


def told(step: dict[str, Any]) -> tuple[Any, ...]:
    """A step without what two runs may differ in: bytecode holds the time of its installation."""
    keys = ("commit", "verdict", "reuse", "reasons", "compared", "findings", "unmet", "failures")
    facts = ("tree", "path", "kind", "distribution", "origin", "why")
    found = [[each[fact] for fact in facts] for each in step["divergences"]]
    return [step[key] for key in keys], found, step["noise"], step["refused"]


@pytest.mark.docker
def test_docker_says_what_bubblewrap_says(
    program: Program, tmp_path: Path, root_requirements: EndedRun
) -> None:
    folder = tmp_path / "run"
    names = (NESTED_DROPPED, "forks/nested-fork-html-only")
    ran = program.run(folder, *(file_of(name) for name in names), sandbox="docker")
    assert ran.status == 1
    for name, here in zip(names, ran.report["results"], strict=True):
        there = root_requirements.by_scenario[name]
        assert here["sandbox"] == "docker"
        for one, other in zip(here["steps"], there["steps"], strict=True):
            assert told(one) == told(other)


def test_what_a_list_covers_hides_no_stale_file_that_the_scenario_names(
    program: Program, tmp_path: Path
) -> None:
    """The list covers every difference; what the commit was to bring is missing all the same."""
    name = "package-data/data-file-removed"
    arguments = (file_of(name), "--buildpack", "root-requirements")
    known = tmp_path / "known.toml"
    first = program.run(tmp_path / "first", *arguments, "--write-known", known)
    (sentence,) = first.by_scenario[name]["steps"][-1]["unmet"]
    assert sentence.startswith("in the cached build "), first.said
    text = known.read_text().replace('link = ""', 'link = "https://example.com/1"')
    head, found, _ = text.partition("unmet = [")
    assert found
    known.write_text(head)
    second = program.run(tmp_path / "second", *arguments, "--known", known, "--fresh")
    step = second.by_scenario[name]["steps"][-1]
    assert (step["divergences"], step["unmet"]) == ([], [sentence]), second.said
    assert second.status == 1
    # What is known is not run a second time.
    assert (first.by_scenario[name]["steps"][-1]["repeated"], step["repeated"]) == (True, False)
    known.write_text(text)
    third = program.run(tmp_path / "third", *arguments, "--known", known)
    assert third.status == 0, third.said


# --- under pytest ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def under_pytest(program: Program) -> subprocess.CompletedProcess[str]:
    need("bubblewrap")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [
        # -P, so that the harness that is installed is imported, and not this checkout's.
        *(sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", "-v"),
        *(str(file_of(name)) for name in (NESTED_DROPPED, ROOT_DROPPED)),
        *("--buildpack", "root-requirements", "--sandbox", "bubblewrap"),
        *("--store", str(program.store.root)),
    ]
    return subprocess.run(
        command, env=env, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=600
    )


class TestUnderPytest:
    def test_each_file_is_an_item(self, under_pytest: subprocess.CompletedProcess[str]) -> None:
        out = under_pytest.stdout
        assert "1 failed, 1 passed" in out, out + under_pytest.stderr
        assert under_pytest.returncode == 1
        assert re.search(r"PASSED \S*root-package-dropped\.toml::root-package-dropped", out)
        assert re.search(r"FAILED \S*nested-package-dropped\.toml::nested-package-dropped", out)

    def test_failure_is_the_report_and_no_traceback(
        self, under_pytest: subprocess.CompletedProcess[str]
    ) -> None:
        out = under_pytest.stdout
        assert "`staticfiles 6.0.0` is installed and nothing asks for it" in out
        assert "a clean build has nothing here; left over from commit 1" in out
        assert "commit 2: diverges, cache reused" in out
        assert "Traceback" not in out + under_pytest.stderr
        assert "runner.py" not in out
