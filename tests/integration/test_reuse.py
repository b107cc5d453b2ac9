"""What became of a cache, part by part, in real builds with pip and with faults planted."""

from pathlib import Path
from typing import Any

import pytest
from planted import buildpack, bundled_copy, scenario
from program import EndedRun, Program
from wheels import wheel, wheel_name

pytestmark = [pytest.mark.image, pytest.mark.bubblewrap, pytest.mark.timeout(300)]

RESTORE = '    cp -a "$cache/python" "$home"\n'
EMPTIED = RESTORE + '    rm -rf "$home"/lib/python*/site-packages/*\n'
LOSSY = RESTORE.replace("cp -a", "cp -R")
PIP = '"$(pip_home)/pip" install "${wanted'
QUIET = PIP.replace("install", "install --quiet")

INDEX = """\
description = "Packages of an index are kept"
forks = ["envconfig"]

[app]
copy = "django-app"
files = { "requirements.txt" = "envconfig==2.1.0\\n" }
releases = [{ fork = "envconfig", revision = "v2.1", do = "publish" }]

[[commits]]
message = "Deploy again"
reuse = { runtime = "reused", packages = "reused" }
"""
WHEELS = """\
description = "Packages that the app brings are kept"

[app]
copy = "wheels"

[app.files]
"runtime.txt" = "python-${python@default}\\n"
"requirements.txt" = "./alpha-1.0-py3-none-any.whl\\n"

[[commits]]
message = "Deploy again"
reuse = { runtime = "reused", packages = "reused" }
"""
UNMET = "the cache's packages are fetched again, and should be reused"


def wheels_app(folder: Path) -> Path:
    """A scenario of an app with a wheel among its files."""
    app = folder / "fixtures/repos/wheels"
    app.mkdir(parents=True)
    (app / wheel_name("alpha", "1.0")).write_bytes(wheel("alpha", "1.0", {"alpha.py": "x = 1\n"}))
    return scenario(folder, WHEELS)


def planted(program: Program, folder: Path, file: Path, **changes: str) -> EndedRun:
    """A run of root-requirements in which lines of its scripts are others."""
    pack = bundled_copy("root-requirements", folder / "pack")
    for name, (old, new) in {
        "build.sh": (RESTORE, changes.get("restore", RESTORE)),
        "managers.sh": (PIP, changes.get("pip", PIP)),
    }.items():
        script = pack / "lib" / name
        text = script.read_text()
        assert text.count(old) == 1
        script.write_text(text.replace(old, new))
    return program.run(folder / "run", file, "--buildpack", pack)


def parts(ran: EndedRun) -> dict[str, Any]:
    return {
        name: (part["reuse"], part["basis"])
        for name, part in ran.steps[-1]["reuse_parts"].items()
        if name != "tools"
    }


def test_python_is_restored_and_packages_are_installed_again(
    program: Program, tmp_path: Path
) -> None:
    ran = planted(program, tmp_path, scenario(tmp_path, INDEX), restore=EMPTIED)
    step = ran.steps[-1]
    assert step["verdict"] == "agrees", ran.said
    assert step["reuse"] == "reused"
    assert parts(ran) == {
        "runtime": ("reused", ["requests"]),
        "packages": ("discarded", ["requests"]),
    }
    assert step["reuse_parts"]["packages"]["anew"] == ["envconfig"]
    assert step["unmet"] == [UNMET]
    assert "reused(packages reinstalled)" in ran.out
    assert "packages discarded (by requests): new: envconfig" in ran.out
    assert ran.status == 1


def test_packages_that_are_restored_are_told_by_their_times(
    program: Program, tmp_path: Path
) -> None:
    ran = planted(program, tmp_path, scenario(tmp_path, INDEX))
    assert parts(ran) == {"runtime": ("reused", ["requests"]), "packages": ("reused", ["times"])}
    assert ran.status == 0, ran.said


@pytest.mark.parametrize(
    ("changes", "word", "basis"),
    [
        pytest.param({}, "reused", ["times"], id="kept"),
        pytest.param({"restore": EMPTIED}, "discarded", ["log"], id="emptied"),
        pytest.param(
            {"restore": EMPTIED, "pip": QUIET}, "discarded", ["times"], id="emptied without a word"
        ),
        pytest.param({"restore": LOSSY}, "reused", ["log"], id="kept without times"),
        pytest.param(
            {"restore": LOSSY, "pip": QUIET}, "unknown", [], id="kept without times or a word"
        ),
    ],
)
def test_a_wheel_that_the_app_brings_is_told_without_a_request(
    program: Program, tmp_path: Path, changes: dict[str, str], word: str, basis: list[str]
) -> None:
    ran = planted(program, tmp_path, wheels_app(tmp_path), **changes)
    assert parts(ran) == {"runtime": ("reused", ["requests"]), "packages": (word, basis)}, ran.said
    assert ran.steps[-1]["unmet"] == ([UNMET] if word == "discarded" else [])


def test_a_cache_that_holds_nothing_is_empty_at_any_commit(
    program: Program, tmp_path: Path
) -> None:
    pack = buildpack(tmp_path / "pack", 'touch "$packages/module.py"\n')
    text = (
        'description = "x"\n[app.files]\n"requirements.txt" = ""\n'
        '[[commits]]\nmessage = "Again"\nreuse = { packages = "reused" }\n'
    )
    file = scenario(tmp_path, text)
    ran = program.run(tmp_path / "run", file, "--buildpack", pack)
    assert [step["reuse"] for step in ran.steps] == ["empty", "empty"]
    assert ran.steps[-1]["unmet"] == ["the cache is empty, and its packages should be reused"]


def test_a_build_that_fails_before_it_looks_at_its_cache_did_not_reuse_it(
    program: Program, tmp_path: Path
) -> None:
    pack = bundled_copy("root-requirements", tmp_path / "pack")
    script = pack / "lib/build.sh"
    text = script.read_text()
    first = "compile() {\n"
    assert text.count(first) == 1
    script.write_text(text.replace(first, f"{first}  [[ ! -d $cache/python ]] || exit 1\n"))
    file = scenario(tmp_path, INDEX)
    ran = program.run(tmp_path / "run", file, "--buildpack", pack)
    step = ran.steps[-1]
    assert [one["kind"] for one in step["divergences"]] == ["outcome"], ran.said
    assert (step["reuse"], step["reuse_parts"]) == ("unknown", {})


# --- where the two builds have different Pythons -------------------------------------------------

ASKING = '    chosen_python=$(curl --fail --silent --show-error "$runtimes/default-python")\n'
STICKY = f'    chosen_python=$(cat "$cache/sticky" 2>/dev/null) ||\n{ASKING}'
SAVE = '  save "$(cache_key "$home")"\n'
KEEPS_VERSION = f'{SAVE}  echo "$chosen_python" >"$cache/sticky"\n'
TWO_PYTHONS = """\
description = "A Python that is no longer named is the one of the build before"
forks = ["envconfig"]

[app.files]
".python-version" = "${python@other}\\n"
"requirements.txt" = "envconfig==2.1.0\\n"

[[app.releases]]
fork = "envconfig"
revision = "v2.1"
do = "publish"

[[commits]]
message = "Name none"
edits = [{ do = "delete", path = ".python-version" }]

[[commits]]
message = "Move to another stack"
stack = "heroku-22"
"""


def sticky(program: Program, folder: Path, text: str = TWO_PYTHONS) -> EndedRun:
    """A run of a buildpack that keeps the version of a Python that is named nowhere."""
    pack = bundled_copy("root-requirements", folder / "pack")
    script = pack / "lib/build.sh"
    code = script.read_text()
    for old, new in ((ASKING, STICKY), (SAVE, KEEPS_VERSION)):
        assert code.count(old) == 1
        code = code.replace(old, new)
    script.write_text(code)
    return program.run(folder / "run", scenario(folder, text), "--buildpack", pack)


def test_a_python_is_judged_where_a_clean_build_has_another(
    program: Program, tmp_path: Path
) -> None:
    ran = sticky(program, tmp_path)
    _, kept, discarded = ran.steps
    assert kept["reuse"] == "reused", ran.said
    (own,) = kept["reuse_parts"]["runtime"]["from_cache"]
    assert own.startswith("python3.")
    assert [one[:3] for one in kept["reuse_parts"]["runtime"]["instead"]] == ["pyt"]
    assert {one["origin"] for one in kept["divergences"]} != {None}
    # All is fetched again, and the clean build, which fetches another Python, is no measure of it.
    assert discarded["reuse"] == "discarded"
    assert {part["reuse"] for part in discarded["reuse_parts"].values()} == {"discarded"}
    runtime = discarded["reuse_parts"]["runtime"]
    assert set(runtime["anew"]).isdisjoint(runtime["instead"])
    assert len(runtime["anew"]) == len(runtime["instead"]) == 1
    assert discarded["reasons"] == ["stack changed from heroku-24 to heroku-22"]
    assert discarded["divergences"]
    assert [one["why"] for one in discarded["divergences"] if one["origin"]] == []
    assert f"; a clean build has {runtime['instead'][0]}" in ran.out


def test_the_version_of_a_python_is_no_part_of_a_cache(program: Program, tmp_path: Path) -> None:
    """The clean build asks which Python is the default; the cached one knows, and uses it."""
    text = TWO_PYTHONS.replace('".python-version" = "${python@other}\\n"\n', "").replace(
        'edits = [{ do = "delete", path = ".python-version" }]\n', ""
    )
    ran = sticky(program, tmp_path, text)
    assert [step["reuse"] for step in ran.steps] == ["empty", "reused", "discarded"], ran.said
    assert ran.steps[-1]["reasons"] == ["stack changed from heroku-24 to heroku-22"]


# --- what the cache held that was given ----------------------------------------------------------

HOOKED = "  hook post_compile\n  leave_exports\n"


def test_a_cache_that_a_hook_emptied_is_empty(program: Program, tmp_path: Path) -> None:
    pack = bundled_copy("root-requirements", tmp_path / "pack")
    script = pack / "lib/build.sh"
    text = script.read_text()
    assert text.count(HOOKED) == 1
    script.write_text(text.replace(HOOKED, "  export CACHE_DIR=$cache\n" + HOOKED))
    hook = 'rm -rf "$CACHE_DIR"/*; mkdir "$CACHE_DIR/python"'
    requirements = '"requirements.txt" = "envconfig==2.1.0\\n"'
    assert INDEX.count(requirements) == 1
    text = INDEX.replace(requirements, f"{requirements}, \"bin/post_compile\" = '{hook}'").replace(
        'reuse = { runtime = "reused", packages = "reused" }', 'reuse = "discarded"'
    )
    file = scenario(tmp_path, text)
    ran = program.run(tmp_path / "run", file, "--buildpack", pack)
    assert [step["reuse"] for step in ran.steps] == ["empty", "empty"], ran.said
    assert ran.steps[-1]["unmet"] == ["the cache is empty, and should be discarded"]


FIRST_FAILS = """\
description = "A first build that fails leaves nothing to discard"
forks = ["envconfig"]

[axes]
failed_build_cache = "kept"

[app]
copy = "django-app"
files = { "requirements.txt" = "envconfig==2.1.0\\n" }
build = "fails"

[[commits]]
message = "Deploy after the release"
releases = [{ fork = "envconfig", revision = "v2.1", do = "publish" }]
reuse = "discarded"
"""


@pytest.mark.parametrize(
    "note",
    [
        pytest.param("", id="nothing"),
        pytest.param('  echo "{ \\"failed\\": true }" >"$cache/notes.json"\n', id="a note"),
    ],
)
def test_a_first_build_that_failed_leaves_nothing_to_discard(
    program: Program, tmp_path: Path, note: str
) -> None:
    pack = bundled_copy("root-requirements", tmp_path / "pack")
    script = pack / "lib/build.sh"
    text = script.read_text()
    asked = "  install_requirements\n"
    assert text.count(asked) == 1
    script.write_text(text.replace(asked, note + asked))
    ran = program.run(tmp_path / "run", scenario(tmp_path, FIRST_FAILS), "--buildpack", pack)
    assert [step["reuse"] for step in ran.steps] == ["empty", "empty"], ran.said
    assert ran.steps[-1]["unmet"] == ["the cache is empty, and should be discarded"]


# --- a build that fails ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "unmet"),
    [
        pytest.param("passes", [], id="and should not"),
        pytest.param("fails", ["the cache is discarded, and should be reused"], id="as it should"),
    ],
)
def test_a_build_that_fails_is_only_held_to_its_cache_where_it_should_fail(
    program: Program, tmp_path: Path, build: str, unmet: list[str]
) -> None:
    text = INDEX.replace(
        'reuse = { runtime = "reused", packages = "reused" }',
        f'edits = [{{ do = "append", path = "requirements.txt", text = "gone==1.0\\\\n" }}]\n'
        f'build = "{build}"\nreuse = "reused"',
    )
    ran = planted(program, tmp_path, scenario(tmp_path, text))
    step = ran.steps[-1]
    assert step["reuse"] == "discarded", ran.said
    assert step["reasons"] == ["requirements.txt changed"]
    assert step["unmet"] == unmet
