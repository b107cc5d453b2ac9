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
PIP = '"$(pip_home)/pip" install --requirement'
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
