"""What scenarios expect of logs, caches and failures, of builds that do and do not meet it."""

from pathlib import Path

import pytest
from planted import ONE_PACKAGE, buildpack, bundled_copy, scenario
from program import Program

pytestmark = [pytest.mark.image, pytest.mark.bubblewrap, pytest.mark.timeout(300)]

PRINTS = """\
printf -- '\\033[1;35m-----> Word is %s\\033[0m\\r\\n' "$(cat "$build/word")"
if [[ -e $cache/word ]]; then
  printf -- '-----> Restoring\\n       from the cache\\n'
  cmp -s "$cache/word" "$build/word" || echo "cache: discarded: the word changed"
fi
mkdir -p "$cache"
cp "$build/word" "$cache/word"
echo made >"$packages/module.py"
if grep -q bad "$build/word"; then echo ' !     A bad word'; exit 1; fi
"""
WORDS = """\
description = "Words come and go"

[app]
files = { word = "good\\n" }
expect = [
  { log = { contains = "-----> Word is good\\n" } },
  { log = { contains = "Restoring", absent = true }, in = "clean" },
  %s
]

[[commits]]
message = "Another word"
edits = [{ do = "write", path = "word", text = "better\\n" }]
expect = [
  { log = { contains = '''-----> Restoring
       from the cache''' }, in = "cached" },
  { log = { contains = "Restoring", absent = true }, in = "clean" },
  { reasons = ["word"] },
  { path = "word", contains = "better" },
  %s
]

[[commits]]
message = "A bad word"
build = "fails"
edits = [{ do = "write", path = "word", text = "bad\\n" }]
expect = [
  { log = { matches = '^ !     A bad word$' } },
  { reasons = ["The word"] },
  %s
]
"""


def test_what_builds_print_is_as_expected(program: Program, tmp_path: Path) -> None:
    pack = buildpack(tmp_path / "buildpack", PRINTS)
    file = scenario(tmp_path, WORDS % ("", "", ""))
    ran = program.run(tmp_path / "run", file, "--buildpack", pack)
    assert [(step["verdict"], step["unmet"]) for step in ran.steps] == [("agrees", [])] * 3, (
        ran.said
    )
    assert ran.status == 0


def test_what_builds_print_is_not_as_expected(program: Program, tmp_path: Path) -> None:
    pack = buildpack(tmp_path / "buildpack", PRINTS)
    wrong = (
        '{ log = { contains = "Restoring" }, in = "cached" },',
        """{ log = { contains = "Restoring" } }, { reasons = [] }, { path = "x", in = "clean" },
        { log = { matches = "^-----> Word (was|is) best" } },""",
        '{ log = { contains = "A good word" } }, { reasons = ["stack"] },',
    )
    ran = program.run(tmp_path / "run", scenario(tmp_path, WORDS % wrong), "--buildpack", pack)
    assert [step["verdict"] for step in ran.steps] == ["agrees"] * 3
    first, second, third = (step["found_instead"] for step in ran.steps)
    assert first == {
        "in the cached build the log does not have 'Restoring'": ["no line is like 'Restoring'"]
    }
    assert ran.steps[1]["unmet"] == [
        "in the cached build a reason is given for dropping the cache, and none should be",
        "in both builds the log does not have a match of '^-----> Word (was|is) best'",
        "in the clean build the log does not have 'Restoring'",
        "in the clean build nothing is at x",
    ]
    assert second == {
        "in the cached build a reason is given for dropping the cache, and none should be": [
            "the word changed"
        ],
        "in both builds the log does not have a match of '^-----> Word (was|is) best'": [
            "line 1: -----> Word is better"
        ],
        "in the clean build the log does not have 'Restoring'": ["no line is like 'Restoring'"],
    }
    assert third == {
        "in both builds the log does not have 'A good word'": [
            "cached, line 5:  !     A bad word",
            "clean, line 2:  !     A bad word",
        ],
        "in the cached build no reason for dropping the cache has 'stack'": ["the word changed"],
    }
    assert "not as expected: in the clean build nothing is at x" in ran.out
    assert "      | line 1: -----> Word is better" in ran.out
    assert ran.status == 1


REUSE = (
    ONE_PACKAGE
    + """\
expect = [{ reused = ["python", "EnvConfig"] }, { anew = ["pip"] }, { reasons = [] }]

[[commits]]
message = "Another Python"
edits = [{ do = "write", path = ".python-version", text = "${python@other}\\n" }]
expect = [
  { anew = ["python", "pip", "envconfig"] },
  { reasons = ["from ${python@default} to ${python@other}"] },
]
"""
)


def test_what_is_taken_from_the_cache(program: Program, tmp_path: Path) -> None:
    file = scenario(tmp_path, REUSE)
    ran = program.run(tmp_path / "kept", file)
    assert [step["unmet"] for step in ran.steps] == [[], [], []], ran.said
    assert ran.status == 0
    # The same of a buildpack that installs Python and packages every time.
    pack = bundled_copy("root-requirements", tmp_path / "forgetful")
    lib = pack / "lib/build.sh"
    text = lib.read_text()
    saving = '  save "$(cache_key "$home")"\n'
    assert text.count(saving) == 1
    lib.write_text(text.replace(saving, '  mkdir -p "$cache"\n  seq 5000 >"$cache/x"\n'))
    ran = program.run(tmp_path / "dropped", file, "--buildpack", pack)
    found = ran.steps[1]["found_instead"]
    assert [*found] == [
        "in the cached build `python` does not come from the cache",
        "in the cached build `EnvConfig` does not come from the cache",
    ], ran.said
    assert [*found.values()] == [
        ["`python` was fetched or made again"],
        ["`EnvConfig` was fetched or made again"],
    ]
    assert ran.status == 1
