"""What scenarios need, what buildpacks offer, and apps in a buildpack's own words."""

from pathlib import Path

import pytest

from harness.bundled import bundled_buildpacks, bundled_scenarios
from harness.ecosystems.python.app_pythons import with_runtime_file
from harness.ecosystems.python.buildpack_scripts import offered_features, reads_version_file
from harness.scenarios.scenario import Scenario, load_scenarios
from harness.scenarios.tree import File, Tree

SCENARIO = """
description = "d"
{head}
[app]
files = {{ "requirements.txt" = "" }}
{app}
[[commits]]
message = "Second"
{commit}
"""


@pytest.mark.parametrize(
    ("parts", "needs"),
    [
        ({}, set()),
        ({"head": 'needs = ["poetry", "hooks"]'}, {"poetry", "hooks"}),
        ({"head": 'axes = { build_path = "new" }'}, {"new-build-path"}),
        ({"head": 'axes = { cache_mount = "other" }'}, {"cache-mount"}),
        ({"head": 'axes = { failed_build_cache = "kept" }'}, {"failed-build-cache"}),
        ({"app": 'run = [{ command = "true" }]'}, {"run"}),
        ({"head": 'axes = { build = "ci" }'}, {"ci"}),
        ({"head": 'axes = { cache_path = "new" }'}, {"new-cache-path"}),
        ({"commit": 'buildpack = "v2"'}, {"revisions"}),
        ({"app": 'buildpacks = ["pack", "subject"]'}, {"sequence"}),
    ],
)
def test_what_a_scenario_needs(tmp_path: Path, parts: dict[str, str], needs: set[str]) -> None:
    pack = tmp_path / "fixtures" / "repos" / "pack" / "bin"
    pack.mkdir(parents=True)
    (pack / "compile").write_text("")
    file = tmp_path / "scenarios" / "s.toml"
    file.parent.mkdir()
    file.write_text(SCENARIO.format(**{"head": "", "app": "", "commit": "", **parts}))
    (scenario,) = load_scenarios((file,))
    assert scenario.all_needs() == needs


def files_of(scenario: Scenario) -> set[str]:
    pythons = {"default": "3.11.2", "other": "3.10.1", "sibling": "3.11.1", "newest": "3.14.1"}
    stages = scenario.stages(pythons)
    return {path for stage in stages for path in stage.tree.entries}


TELLING = {
    "Pipfile": "pipenv", "poetry.lock": "poetry", "uv.lock": "uv",
    "bin/pre_compile": "hooks", "bin/post_compile": "hooks", "manage.py": "collectstatic",
}  # fmt: skip
SHIPPED = load_scenarios((bundled_scenarios(),))


@pytest.mark.parametrize("scenario", SHIPPED, ids=lambda one: one.name)
def test_what_ships_says_what_it_needs(scenario: Scenario) -> None:
    files = files_of(scenario)
    needed = {need for path, need in TELLING.items() if path in files}
    assert needed <= set(scenario.needs), scenario.file


def test_what_ships_names_no_platform_s_folder_of_python() -> None:
    for scenario in SHIPPED:
        assert ".heroku/python" not in scenario.file.read_text(), scenario.file


def test_apps_that_ship_name_their_python_in_one_file() -> None:
    for scenario in SHIPPED:
        assert "runtime.txt" not in files_of(scenario), scenario.file


def scripts(folder: Path, text: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "compile").write_text(text)
    return folder


def test_what_a_buildpack_offers_is_told_by_its_scripts(tmp_path: Path) -> None:
    text = "PIPENV_VERSION=2024.1\nUV_VERSION=0.5\ncat Pipfile.lock\n"
    assert offered_features(scripts(tmp_path / "1", text)) == {"pip", "pipenv", "default-python"}
    text = "sub_env bin/pre_compile\nif [[ -f nltk.txt ]]; then manage.py collectstatic; fi\n"
    offered = {"pip", "hooks", "nltk", "collectstatic", "default-python"}
    assert offered_features(scripts(tmp_path / "2", text)) == offered
    bundled = bundled_buildpacks() / "every-input"
    assert offered_features(bundled) == {
        *("pip", "pipenv", "poetry", "uv", "hooks", "default-python")
    }
    for kept, feature in (("same", "sticky-python"), ("same major", "sticky-minor-python")):
        text = f'echo "Using the {kept} version as the last build: $version"\n'
        assert offered_features(scripts(tmp_path / feature, text)) == {"pip", feature}


def test_whether_a_buildpack_reads_the_version_file(tmp_path: Path) -> None:
    assert reads_version_file(scripts(tmp_path / "1", "cat .python-version"))
    assert not reads_version_file(scripts(tmp_path / "2", "cat runtime.txt"))


def test_an_app_says_its_python_in_the_older_file_too() -> None:
    app = Tree(entries={".python-version": File(data=b"# ours\n3.11.2\n")})
    adapted = with_runtime_file(app)
    assert adapted.entries["runtime.txt"] == File(data=b"python-3.11.2\n")
    assert adapted.entries[".python-version"] == app.entries[".python-version"]


@pytest.mark.parametrize(
    "files",
    [{}, {".python-version": b"3.11\n"}, {".python-version": b"pypy\n"},
     {".python-version": b"3.11.2\n", "runtime.txt": b"python-3.10.1\n"}],
)  # fmt: skip
def test_where_there_is_nothing_to_say_the_app_stays_as_it_is(files: dict[str, bytes]) -> None:
    app = Tree(entries={path: File(data=data) for path, data in files.items()})
    assert with_runtime_file(app) == app
