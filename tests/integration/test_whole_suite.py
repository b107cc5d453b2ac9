"""The suite that ships, whole, with the bundled buildpack that has no fault."""

from pathlib import Path

import pytest
from planted import scenario
from program import SCENARIOS, Program

pytestmark = [pytest.mark.image, pytest.mark.bubblewrap, pytest.mark.timeout(1800)]

SHIPPED = {str(file.relative_to(SCENARIOS).with_suffix("")) for file in SCENARIOS.glob("*/*.toml")}
# No bundled buildpack fetches corpora, collects static files, keeps a Python that is not named, or
# has releases.
NOT_OFFERED = (
    "apps/collectstatic-writes-beside-package",
    "apps/corpus-dropped",
    "managers/pipenv-after-older-release",
    "managers/poetry-after-older-release",
    "managers/uv-after-older-release",
    "stack/upgraded-with-the-buildpack",
    "toolchain/python-kept-by-upgrade",
    "toolchain/python-kept-minor-version",
    "toolchain/python-kept-past-its-end",
    "toolchain/python-kept-version",
)
UNCHANGED = "reuse/unchanged-rebuild"


def test_every_input_diverges_nowhere(program: Program, tmp_path: Path) -> None:
    # Builds wait for the server now and then: three keep two cores busy.
    ran = program.run(tmp_path / "run", "--buildpack", "every-input", "--jobs", "3")
    skipped = dict.fromkeys(NOT_OFFERED, "skipped")
    assert ran.verdicts == {**dict.fromkeys(SHIPPED, "agrees"), **skipped}, ran.said
    assert ran.status == 0, ran.said
    steps = ran.by_scenario[UNCHANGED]["steps"]
    assert [step["reuse"] for step in steps] == ["empty", "reused", "reused"]


AXES = """\
description = "A rebuild in another folder, with the cache on a mount of its own"
forks = ["envconfig", "staticfiles"]

[axes]
build_path = "new"
cache_mount = "other"

[app]
copy = "django-app"
releases = [
  { fork = "envconfig", revision = "v2.1", do = "publish" },
  { fork = "staticfiles", revision = "v6.0", do = "publish" },
]

[[commits]]
message = "Deploy again"
reuse = "reused"
expect = [{ path = ".heroku/python/lib/python*/site-packages/staticfiles/serving.py" }]
"""


def test_build_in_a_new_folder_with_its_cache_on_another_mount(
    program: Program, tmp_path: Path
) -> None:
    file = scenario(tmp_path, AXES)
    ran = program.run(tmp_path / "run", file, "--buildpack", "every-input", "--jobs", "3")
    assert ran.status == 0, ran.said
    assert [(step["verdict"], step["reuse"]) for step in ran.steps] == [
        ("agrees", "empty"),
        ("agrees", "reused"),
    ]
