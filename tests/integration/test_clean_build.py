"""Clean builds that a scenario has made in their own way, in real builds."""

from pathlib import Path
from typing import Any

import pytest
from planted import buildpack, scenario
from program import EndedRun, Program

pytestmark = [pytest.mark.image, pytest.mark.bubblewrap, pytest.mark.timeout(300)]

# Installs the level that the app names, or else that of the build before, or else the newest.
KEEPS = """\
level=$( (cat "$build/level" "$cache/level" 2>/dev/null || true) | head -n 1)
echo "level = ${level:-9}" >"$packages/module.py"
if [[ -f $3/COLOUR ]]; then cp "$3/COLOUR" "$packages/colour"; fi
mkdir -p "$cache"
echo "${level:-9}" >"$cache/level"
"""
FORGETS = KEEPS.replace(' "$cache/level" 2>', " 2>")
SCENARIO = """\
description = "A level that is named nowhere is kept"

[app]
files = { "requirements.txt" = "", level = "3\\n" }

[[commits]]
message = "Name no level"
edits = [{ do = "delete", path = "level" }]
clean = { files = { level = "3\\n" } }

[[commits]]
message = "Build again"
clean = { files = { level = "3\\n" } }
"""
MODULE = ".heroku/python/lib/python3.11/site-packages/module.py"


def ran(program: Program, folder: Path, script: str, text: str = SCENARIO) -> EndedRun:
    pack = buildpack(folder / "pack", script)
    return program.run(folder / "run", scenario(folder, text), "--buildpack", pack)


def divergences(step: dict[str, Any]) -> list[str]:
    return [f"{one['kind']} {one['path']}" for one in step["divergences"]]


def test_a_buildpack_that_keeps_something_agrees_and_it_is_told(
    program: Program, tmp_path: Path
) -> None:
    found = ran(program, tmp_path, KEEPS)
    assert [step["verdict"] for step in found.steps] == ["agrees"] * 3, found.said
    made = {"files": ["level"], "env": [], "buildpack": None}
    assert [step["clean"] for step in found.steps] == [None, made, made]
    aside = [{"rule": "clean-files", "count": 1}]
    assert [step["set_aside"] for step in found.steps] == [[], aside, aside]
    assert "(clean build with level)" in found.out


def test_a_buildpack_that_forgets_it_diverges(program: Program, tmp_path: Path) -> None:
    found = ran(program, tmp_path, FORGETS)
    assert [step["verdict"] for step in found.steps] == ["agrees", "diverges", "diverges"]
    assert [divergences(step) for step in found.steps[1:]] == [[f"content {MODULE}"]] * 2
    # The control build is made in the same way, or it would differ from the clean one.
    assert [step["noise"] for step in found.steps] == [[], [], []], found.said
    assert "the clean build was made with level" in found.out


def test_without_it_the_two_are_taken_for_each_other(program: Program, tmp_path: Path) -> None:
    text = SCENARIO.replace('clean = { files = { level = "3\\n" } }\n', "")
    kept, forgot = (
        ran(program, tmp_path / name, script, text)
        for name, script in (("keeps", KEEPS), ("forgets", FORGETS))
    )
    assert [step["verdict"] for step in kept.steps] == ["agrees", "diverges", "diverges"]
    assert [step["verdict"] for step in forgot.steps] == ["agrees"] * 3


def test_a_file_that_a_build_changed_is_not_as_it_was_given(
    program: Program, tmp_path: Path
) -> None:
    changes = KEEPS + 'if [[ -f $build/level ]]; then echo read >>"$build/level"; fi\n'
    found = ran(program, tmp_path, changes)
    assert [divergences(step) for step in found.steps] == [[], ["missing level"], ["missing level"]]
    leaves = KEEPS + 'echo 3 >"$build/level"; echo >>"$build/level"\n'
    found = ran(program, tmp_path / "leaves", leaves)
    # Both have the same there, and it is nobody's own.
    assert [divergences(step) for step in found.steps] == [[], [], []], found.said
    assert [step["set_aside"] for step in found.steps] == [[], [], []]


def test_the_first_commit_s_clean_build_may_be_made_in_its_own_way(
    program: Program, tmp_path: Path
) -> None:
    clean = 'clean = { env = { COLOUR = "red" } }\n'
    text = SCENARIO.replace("[[commits]]\n", f"{clean}\n[[commits]]\n", 1)
    found = ran(program, tmp_path, KEEPS, text)
    first = found.steps[0]
    assert divergences(first) == [f"missing {MODULE.replace('module.py', 'colour')}"], found.said
    assert first["clean"] == {"files": [], "env": ["COLOUR"], "buildpack": None}
    assert first["reuse"] == "empty"
    # The commits after it know nothing of that.
    assert [step["verdict"] for step in found.steps] == ["diverges", "agrees", "agrees"]


def test_another_buildpack_may_make_the_clean_build(program: Program, tmp_path: Path) -> None:
    text = (
        'description = "x"\nforks = ["envconfig"]\n[app]\ncopy = "django-app"\n'
        'files = { "requirements.txt" = "envconfig==2.1.0\\n" }\n'
        'releases = [{ fork = "envconfig", revision = "v2.1", do = "publish" }]\n'
        '[[commits]]\nmessage = "Again"\nclean = { buildpack = "every-input" }\n'
    )
    found = program.run(
        tmp_path / "run", scenario(tmp_path, text), "--buildpack", "root-requirements"
    )
    assert [step["verdict"] for step in found.steps] == ["agrees", "agrees"], found.said
    assert found.steps[-1]["clean"] == {"files": [], "env": [], "buildpack": "every-input"}
    assert "(clean build with the buildpack at every-input)" in found.out
