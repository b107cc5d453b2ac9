"""What a run says of buildpacks with a fault planted."""

import contextlib
import time
from pathlib import Path

import pytest
from planted import ONE_PACKAGE, buildpack, bundled_copy, run_planted, scenario
from program import EndedRun, Program
from traces import below

pytestmark = [pytest.mark.image, pytest.mark.bubblewrap, pytest.mark.timeout(300)]

NOISE = """\
  local packages=("$home"/lib/python*/site-packages)
  [[ -f ${packages[0]}/noise ]] || echo "$RANDOM$RANDOM$RANDOM" >"${packages[0]}/noise"
"""


def noisy(program: Program, folder: Path, noise: str) -> EndedRun:
    """A run of a buildpack that does something else in each build before it saves its cache."""
    pack = bundled_copy("root-requirements", folder / "unstable")
    lib = pack / "lib/build.sh"
    text = lib.read_text()
    saving = '  save "$(cache_key "$home")"\n'
    assert text.count(saving) == 1
    lib.write_text(text.replace(saving, noise + saving))
    file = scenario(folder, ONE_PACKAGE)
    return program.run(folder / "run", file, "--buildpack", pack)


def test_clean_builds_that_differ_from_each_other_are_no_divergence(
    program: Program, tmp_path: Path
) -> None:
    ran = noisy(program, tmp_path, NOISE)
    assert [step["verdict"] for step in ran.steps] == ["agrees", "unstable"], ran.said
    assert ran.steps[-1]["divergences"] == []
    (noise,) = ran.steps[-1]["noise"]
    assert noise["path"].endswith("/site-packages/noise")
    assert "two clean builds" in ran.out
    assert ran.status == 2


def test_cached_builds_that_differ_from_each_other_are_no_divergence(
    program: Program, tmp_path: Path
) -> None:
    """A race that shows with a cache alone, as with an installer that works in parallel."""
    race = (
        '  local packages=("$home"/lib/python*/site-packages) word=still\n'
        "  [[ ! -d ${packages[0]}/noises ]] || word=$RANDOM$RANDOM\n"
        '  echo "$word" >"${packages[0]}/noise"\n'
        '  mkdir -p "${packages[0]}/noises"\n'
    )
    ran = noisy(program, tmp_path, race)
    assert [step["verdict"] for step in ran.steps] == ["agrees", "unstable"], ran.said
    assert ran.steps[-1]["divergences"] == []
    (noise,) = ran.steps[-1]["noise"]
    assert (noise["kind"], noise["path"].rpartition("/")[2]) == ("content", "noise")
    assert "two builds with the same cache, differ" in ran.out
    assert ran.report["builds"] == {"needed": 6, "run": 5, "reused": 1}
    assert ran.status == 2


def test_control_build_that_fails_is_told(program: Program, tmp_path: Path) -> None:
    pack = buildpack(
        tmp_path / "buildpack",
        '[[ -e $cache/seen ]] || touch "$packages/clean"\n'
        'mkdir -p "$cache"\ntouch "$cache/seen" "$packages/module.py"\n'
        "until [[ -s $build/word ]]; do sleep 0.05; done\n"
        'read -r word <"$build/word"\necho "the word is $word"\n[[ $word == pass ]]\n',
    )
    arguments = (scenario(tmp_path), "--buildpack", pack)
    with program.started(tmp_path / "run", *arguments) as started:
        while started.process.poll() is None:
            time.sleep(0.05)
            started.watch()
            folders = program.folders_of(started.id) if started.id else ()
            for build in (path for folder in folders for path in below(folder)):
                if build.parts[-2:] == ("tmp", "build_app"):
                    control = build.parts[-3].endswith("-control")
                    with contextlib.suppress(OSError):
                        (build / "word").write_text("fail\n" if control else "pass\n")
        ran = started.ended()
    assert ran.steps[-1]["verdict"] == "unstable", ran.said
    (failure,) = ran.steps[-1]["failures"]
    assert (failure["arm"], failure["command"]) == ("control", "compile")
    assert failure["log_tail"] == ["the word is fail"]
    assert "the word is fail" in ran.out
    assert ran.status == 2


def test_failure_with_a_cache_alone_is_a_divergence_of_outcome(
    program: Program, tmp_path: Path
) -> None:
    ran = run_planted(
        program,
        tmp_path,
        '[[ ! -e $cache/seen ]] || { echo "a bad cache"; exit 3; }\n'
        'mkdir -p "$cache"\ntouch "$cache/seen" "$packages/module.py"\n',
    )
    first, last = ran.steps
    assert (first["verdict"], last["verdict"]) == ("agrees", "diverges")
    (divergence,) = last["divergences"]
    assert divergence["kind"] == "outcome"
    assert "the cached build fails with exit status 3" in divergence["why"]
    (failure,) = last["failures"]
    assert (failure["arm"], failure["command"]) == ("cached", "compile")
    assert failure["log_tail"] == ["a bad cache"]
    assert "a bad cache" in ran.out
    assert ran.status == 1


def test_what_the_platform_is_told_is_compared(program: Program, tmp_path: Path) -> None:
    """A package that stays in the cache alone brings an add-on."""
    pack = buildpack(
        tmp_path / "buildpack",
        'touch "$packages/module.py"\n'
        'if [[ -e $cache/seen ]]; then touch "$build/seen"; fi\ntouch "$cache/seen"\n'
        'cp "$cache/seen" "$packages/driver.py"\n',
    )
    release = pack / "bin/release"
    release.write_text(
        '#!/bin/sh\n[ ! -e "$1/seen" ] || echo "addons: [database]"\nrm -f "$1/seen"\n'
    )
    release.chmod(0o755)
    known = tmp_path / "known.toml"
    arguments = (scenario(tmp_path), "--buildpack", pack)
    ran = program.run(tmp_path / "run", *arguments, "--write-known", known)
    (divergence,) = ran.steps[-1]["divergences"]
    assert (divergence["kind"], divergence["path"]) == ("release", ""), ran.said
    assert "the cached build addons: [database], the clean build nothing" in ran.out
    assert ran.status == 1
    text = known.read_text().replace('reason = ""', 'reason = "r"')
    known.write_text(text.replace('link = ""', 'link = "https://example.com/1"'))
    assert "release = true" in text
    assert program.run(tmp_path / "known", *arguments, "--known", known).status == 0


def test_nothing_installed_is_an_error_and_no_agreement(program: Program, tmp_path: Path) -> None:
    ran = run_planted(program, tmp_path, 'rm -rf "$build/.heroku"\n')
    assert ran.status == 2
    (result,) = ran.report["results"]
    assert (result["verdict"], result["steps"]) == ("failed", [])
    assert "nothing to compare but the app's own files" in result["error"]


def test_build_that_hangs_is_stopped_and_failed(program: Program, tmp_path: Path) -> None:
    ran = run_planted(program, tmp_path, "echo waiting\nsleep 600\n", "--timeout", "2")
    assert ran.status == 2
    for step in ran.steps:
        assert step["verdict"] == "failed"
        for failure in step["failures"]:
            assert failure["command"] == "compile"
            assert failure["how"] == "is stopped by its timeout limit"
            assert failure["log_tail"] == ["waiting"]
        assert step["seconds"]["clean"] >= 2
    assert "timeout" in ran.out
