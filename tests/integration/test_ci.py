"""Builds as a platform's CI makes them."""

from pathlib import Path

import pytest
from planted import buildpack, scenario
from program import EndedRun, Program

pytestmark = [pytest.mark.image, pytest.mark.bubblewrap, pytest.mark.timeout(300)]

SCENARIO = """\
description = "d"

[axes]
build = "ci"
cache_path = "new"

[app]
files = { "requirements.txt" = "", "word" = "first" }
env = { VAR = "config", CI = "the app's own" }

[[commits]]
message = "Second"
edits = [{ do = "write", path = "word", text = "second" }]
expect = [{ path = "said", contains = "/app /tmp/cache_" }]
run = [
  { command = "cat said", matches = "^first\\nsecond\\n" },
  { command = "cat tested", matches = "^/app /tmp/env /app config true profile /app/word$" },
]
"""
# What it was called with and the cache are said in the app; a cache that moves would differ.
COMPILE = """
echo "$(cat "$1/word")" >>"$2/words"
{ cat "$2/words"; echo "$1 $2 $3"; cat "$3/CI"; } >"$1/said"
mkdir -p "$1/.profile.d" "$1/.cache"
echo 'export FROM_PROFILE=profile' >"$1/.profile.d/x.sh"
cp "$2/words" "$HOME/.cache/words"
"""
TEST = 'echo "$1 $2 $PWD $VAR $CI $FROM_PROFILE $(ls $PWD/word)" >"$1/tested"\n'


def ran_of(program: Program, folder: Path, **programs: str) -> EndedRun:
    pack, file = buildpack(folder / "pack", "echo compiled; exit 1\n"), scenario(folder, SCENARIO)
    for name, script in programs.items():
        path = pack / "bin" / name.replace("_", "-")
        path.write_text("#!/usr/bin/env bash\nset -euo pipefail\n" + script)
        path.chmod(0o755)
    return program.run(folder / "run", file, "--buildpack", pack)


def test_an_app_is_built_where_it_runs_and_then_tested(program: Program, tmp_path: Path) -> None:
    ran = ran_of(program, tmp_path, test_compile=COMPILE, test=TEST)
    assert ran.steps[0]["verdict"] == "agrees", ran.said
    # The words in the cache cross from run to run, wherever it lies.
    last = ran.steps[1]
    assert {(one["kind"], one["path"]) for one in last["divergences"]} == {
        ("content", "said"),
        ("run", "cat said"),
    }, ran.said
    (unmet,) = last["unmet"]
    assert unmet.startswith("in the clean build `cat said` prints no match")


def test_tests_that_fail_fail_the_build(program: Program, tmp_path: Path) -> None:
    ran = ran_of(program, tmp_path, test_compile="touch $1/made\n", test="echo broken; exit 3\n")
    assert ran.verdicts == {"planted": "failed"}
    assert {one["command"] for one in ran.steps[0]["failures"]} == {"test"}
    assert ran.status == 2


def test_a_buildpack_that_builds_nothing_for_tests_is_skipped(
    program: Program, tmp_path: Path
) -> None:
    ran = ran_of(program, tmp_path)
    assert ran.verdicts == {"planted": "skipped"}
    assert "it needs `ci`" in ran.said
