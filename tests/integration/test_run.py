"""The main job on real input: buildpacks whose policy is known, and runs that come to grief."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from runs import (
    REPOSITORY,
    SCENARIOS,
    EndedRun,
    buildpack,
    bundled_copy,
    folders_of,
    going,
    left_of,
    nothing_left_of,
    run,
    scenario,
    store,
)
from traces import SANDBOXES, below, need

from harness.runs.workspace import sweep

pytestmark = [pytest.mark.image, pytest.mark.timeout(900)]

SHIPPED = {str(file.relative_to(SCENARIOS).with_suffix("")) for file in SCENARIOS.glob("*/*.toml")}
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


@pytest.fixture(params=SANDBOXES)
def kind(request: pytest.FixtureRequest) -> str:
    need(request.param)
    return str(request.param)


def file_of(name: str) -> Path:
    return SCENARIOS / f"{name}.toml"


def divergences(ran: EndedRun, name: str) -> dict[str, dict[str, Any]]:
    """The last commit's, by path in the build's folder."""
    step = ran.by_scenario[name]["steps"][-1]
    assert {each["root"] for each in step["divergences"]} == {"."}
    return {each["path"]: each for each in step["divergences"]}


# --- buildpacks whose policy is known ----------------------------------------------------------


@pytest.fixture(scope="module")
def root_requirements(tmp_path_factory: pytest.TempPathFactory) -> EndedRun:
    need("bubblewrap")
    folder = tmp_path_factory.mktemp("root-requirements") / "run"
    files = [file_of(name) for name in sorted(AGREEING | DIVERGING)]
    return run(folder, *files, "--sandbox", "bubblewrap", "--buildpack", "root-requirements")


@pytest.mark.bubblewrap
class TestRootRequirements:
    """The policy of the issue: it misses what nested files say."""

    def test_diverges_where_a_nested_file_matters_and_nowhere_else(self, root_requirements):
        ran = root_requirements
        found = {name for name, verdict in ran.verdicts.items() if verdict == "diverges"}
        assert found == DIVERGING, ran.said
        agreed = {name for name, verdict in ran.verdicts.items() if verdict == "agrees"}
        assert agreed == AGREEING
        assert ran.status == 1

    def test_each_scenario_is_as_expected_but_for_its_divergence(self, root_requirements):
        for result in root_requirements.report["results"]:
            for step in result["steps"]:
                assert (step["failures"], step["noise"]) == ([], []), result
                assert step["compared"] > 0
                # What is stale is told of the cached build alone.
                for sentence in step["unmet"]:
                    assert step["verdict"] == "diverges"
                    assert sentence.startswith("in the cached build ")
            assert all(step["verdict"] == "agrees" for step in result["steps"][:-1])

    def test_names_the_fork_s_commit_and_the_template(self, root_requirements):
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

    def test_names_the_package_that_nothing_asks_for(self, root_requirements):
        found = divergences(root_requirements, NESTED_DROPPED)
        assert {each["kind"] for each in found.values()} == {"leftover"}
        assert {each["distribution"] for each in found.values()} == {"staticfiles 6.0.0"}
        assert {each["clean"] for each in found.values()} == {None}
        assert any(path.endswith("/site-packages/staticfiles/serving.py") for path in found)
        first, last = root_requirements.by_scenario[NESTED_DROPPED]["steps"]
        assert {each["origin"] for each in found.values()} == {first["commit"]}
        assert last["findings"] == ["`staticfiles 6.0.0` is installed and nothing asks for it"]

    def test_names_the_data_file_that_stays(self, root_requirements):
        found = divergences(root_requirements, "package-data/data-file-removed")
        (kept,) = (each for path, each in found.items() if path.endswith("/countries.json"))
        assert (kept["kind"], kept["clean"]) == ("leftover", None)
        assert kept["distribution"] == "forms 1.0"

    def test_names_the_checkout_that_stays(self, root_requirements):
        found = divergences(root_requirements, "editables/editable-to-archive")
        assert found[".heroku/python/src/forms"]["kind"] == "leftover"

    def test_reuses_or_drops_its_cache_as_the_scenarios_say(self, root_requirements):
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

    def test_runs_no_build_twice(self, root_requirements):
        # Two builds a commit, and each once more where they differ; the first commit has but one,
        # and four scenarios begin as another one does.
        assert root_requirements.report["builds"] == {"needed": 44, "run": 32, "reused": 12}

    def test_tells_a_person_the_same(self, root_requirements):
        out = root_requirements.out
        for line in root_requirements.by_scenario[NESTED_DROPPED]["steps"][-1]["findings"]:
            assert line in out
        for name in AGREEING | DIVERGING:
            assert re.search(rf"^{name} +{root_requirements.verdicts[name]}\b", out, re.MULTILINE)


@pytest.mark.bubblewrap
def test_every_input_diverges_nowhere(tmp_path):
    need("bubblewrap")
    ran = run(tmp_path / "run", "--sandbox", "bubblewrap", "--buildpack", "every-input")
    assert ran.verdicts == dict.fromkeys(SHIPPED, "agrees"), ran.said
    assert ran.status == 0, ran.said
    steps = ran.by_scenario[UNCHANGED]["steps"]
    assert [step["reuse"] for step in steps] == ["empty", "reused", "reused"]


@pytest.mark.bubblewrap
def test_never_reuses_is_equal_and_reported_for_lost_reuse(tmp_path):
    need("bubblewrap")
    names = (UNCHANGED, NESTED_DROPPED)
    ran = run(
        tmp_path / "run",
        *(file_of(name) for name in names),
        *("--sandbox", "bubblewrap", "--buildpack", "never-reuses"),
    )
    assert set(ran.verdicts.values()) == {"agrees"}, ran.said
    _, *later = next(r for n, r in ran.by_scenario.items() if n.endswith("rebuild"))["steps"]
    for step in later:
        assert step["reuse"] == "discarded"
        assert step["unmet"] == [
            f"the cache's {part} fetched again, and should be reused"
            for part in ("runtime is", "packages are")
        ]
        assert step["reasons"] == ["this buildpack never reuses it"]
    assert ran.status == 1


def told(step: dict[str, Any]) -> tuple[Any, ...]:
    """A step without what two runs may differ in: bytecode holds the time of its installation."""
    keys = ("commit", "verdict", "reuse", "reasons", "compared", "findings", "unmet", "failures")
    facts = ("root", "path", "kind", "distribution", "origin", "why")
    found = [[each[fact] for fact in facts] for each in step["divergences"]]
    return [step[key] for key in keys], found, step["noise"], step["refused"]


@pytest.mark.docker
@pytest.mark.bubblewrap
def test_docker_says_what_bubblewrap_says(tmp_path, root_requirements):
    need("docker")
    folder = tmp_path / "run"
    names = (NESTED_DROPPED, "forks/nested-fork-html-only")
    ran = run(folder, *(file_of(name) for name in names), "--sandbox", "docker")
    assert ran.status == 1
    for name, here in zip(names, ran.report["results"], strict=True):
        there = root_requirements.by_scenario[name]
        assert here["sandbox"] == "docker"
        for one, other in zip(here["steps"], there["steps"], strict=True):
            assert told(one) == told(other)


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


@pytest.mark.bubblewrap
def test_build_in_a_new_folder_with_its_cache_on_another_mount(tmp_path):
    need("bubblewrap")
    file = scenario(tmp_path, AXES)
    ran = run(tmp_path / "run", file, "--sandbox", "bubblewrap", "--buildpack", "every-input")
    assert ran.status == 0, ran.said
    assert [(step["verdict"], step["reuse"]) for step in ran.steps] == [
        ("agrees", "empty"),
        ("agrees", "reused"),
    ]


# --- buildpacks with a fault planted -----------------------------------------------------------

NOISE = """\
  local packages=("$home"/lib/python*/site-packages)
  [[ -f ${packages[0]}/noise ]] || echo "$RANDOM$RANDOM$RANDOM" >"${packages[0]}/noise"
"""
ONE_PACKAGE = """\
description = "A page is added"
forks = ["envconfig"]

[app]
copy = "django-app"
releases = [{ fork = "envconfig", revision = "v2.1", do = "publish" }]

[app.files]
"requirements.txt" = "envconfig==2.1.0\\n"

[[commits]]
message = "Add a page"
edits = [{ do = "write", path = "page.html", text = "<h1>Hello</h1>" }]
"""


def planted(folder: Path, script: str, *arguments: str, kind: str = "bubblewrap") -> EndedRun:
    need(kind)
    return run(
        folder / "run",
        scenario(folder),
        *("--buildpack", buildpack(folder / "buildpack", script)),
        *("--sandbox", kind, *arguments),
    )


def noisy(folder: Path, noise: str) -> EndedRun:
    """A run of a buildpack that does something else in each build before it saves its cache."""
    need("bubblewrap")
    pack = bundled_copy("root-requirements", folder / "unstable")
    lib = pack / "lib/build.sh"
    text = lib.read_text()
    saving = '  save "$(cache_key "$home")"\n'
    assert text.count(saving) == 1
    lib.write_text(text.replace(saving, noise + saving))
    file = scenario(folder, ONE_PACKAGE)
    return run(folder / "run", file, "--sandbox", "bubblewrap", "--buildpack", pack)


@pytest.mark.bubblewrap
def test_clean_builds_that_differ_from_each_other_are_no_divergence(tmp_path):
    need("bubblewrap")
    ran = noisy(tmp_path, NOISE)
    assert [step["verdict"] for step in ran.steps] == ["agrees", "unstable"], ran.said
    assert ran.steps[-1]["divergences"] == []
    (noise,) = ran.steps[-1]["noise"]
    assert noise["path"].endswith("/site-packages/noise")
    assert "two clean builds" in ran.out
    assert ran.status == 2


@pytest.mark.bubblewrap
def test_cached_builds_that_differ_from_each_other_are_no_divergence(tmp_path):
    """A race that shows with a cache alone, as with an installer that works in parallel."""
    race = (
        '  local packages=("$home"/lib/python*/site-packages) word=still\n'
        "  [[ ! -d ${packages[0]}/noises ]] || word=$RANDOM$RANDOM\n"
        '  echo "$word" >"${packages[0]}/noise"\n'
        '  mkdir -p "${packages[0]}/noises"\n'
    )
    ran = noisy(tmp_path, race)
    assert [step["verdict"] for step in ran.steps] == ["agrees", "unstable"], ran.said
    assert ran.steps[-1]["divergences"] == []
    (noise,) = ran.steps[-1]["noise"]
    assert (noise["kind"], noise["path"].rpartition("/")[2]) == ("content", "noise")
    assert "two builds with the same cache, differ" in ran.out
    assert ran.report["builds"] == {"needed": 6, "run": 5, "reused": 1}
    assert ran.status == 2


@pytest.mark.bubblewrap
def test_what_a_list_covers_hides_no_stale_file_that_the_scenario_names(tmp_path):
    """The list covers every difference; what the commit was to bring is missing all the same."""
    need("bubblewrap")
    name = "package-data/data-file-removed"
    arguments = (file_of(name), "--sandbox", "bubblewrap", "--buildpack", "root-requirements")
    known = tmp_path / "known.toml"
    first = run(tmp_path / "first", *arguments, "--write-known", known)
    (sentence,) = first.by_scenario[name]["steps"][-1]["unmet"]
    assert sentence.startswith("in the cached build "), first.said
    text = known.read_text().replace('link = ""', 'link = "https://example.com/1"')
    head, found, _ = text.partition("unmet = [")
    assert found
    known.write_text(head)
    second = run(tmp_path / "second", *arguments, "--known", known)
    step = second.by_scenario[name]["steps"][-1]
    assert (step["divergences"], step["unmet"]) == ([], [sentence]), second.said
    assert second.status == 1
    # What is known is not run a second time.
    assert (first.by_scenario[name]["steps"][-1]["repeated"], step["repeated"]) == (True, False)
    known.write_text(text)
    third = run(tmp_path / "third", *arguments, "--known", known)
    assert third.status == 0, third.said


@pytest.mark.bubblewrap
def test_control_build_that_fails_is_told(tmp_path):
    need("bubblewrap")
    pack = buildpack(
        tmp_path / "buildpack",
        '[[ -e $cache/seen ]] || touch "$packages/clean"\n'
        'mkdir -p "$cache"\ntouch "$cache/seen" "$packages/module.py"\n'
        "until [[ -s $build/word ]]; do sleep 0.05; done\n"
        'read -r word <"$build/word"\necho "the word is $word"\n[[ $word == pass ]]\n',
    )
    arguments = (scenario(tmp_path), "--sandbox", "bubblewrap", "--buildpack", pack)
    with going(tmp_path / "run", *arguments) as started:
        while started.process.poll() is None:
            started.watch()
            for folder in folders_of(started.id):
                for build in below(folder):
                    if build.parts[-2:] != ("tmp", "build_app"):
                        continue
                    control = build.parts[-3].endswith("-control")
                    with contextlib.suppress(OSError):
                        (build / "word").write_text("fail\n" if control else "pass\n")
            time.sleep(0.05)
        ran = started.ended()
    assert ran.steps[-1]["verdict"] == "unstable", ran.said
    (failure,) = ran.steps[-1]["failures"]
    assert (failure["arm"], failure["command"]) == ("control", "compile")
    assert failure["log_tail"] == ["the word is fail"]
    assert "the word is fail" in ran.out
    assert ran.status == 2


@pytest.mark.bubblewrap
def test_failure_with_a_cache_alone_is_a_divergence_of_outcome(tmp_path):
    ran = planted(
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


@pytest.mark.bubblewrap
def test_what_the_platform_is_told_is_compared(tmp_path):
    """A package that stays in the cache alone brings an add-on."""
    need("bubblewrap")
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
    ran = run(tmp_path / "run", scenario(tmp_path), "--sandbox", "bubblewrap", "--buildpack", pack)
    (divergence,) = ran.steps[-1]["divergences"]
    assert (divergence["kind"], divergence["path"]) == ("release", ""), ran.said
    assert "by the cached build addons: [database], by the clean build nothing" in ran.out
    assert ran.status == 1
    known = tmp_path / "known.toml"
    arguments = (scenario(tmp_path), "--sandbox", "bubblewrap", "--buildpack", pack)
    run(tmp_path / "again", *arguments, "--write-known", known)
    text = known.read_text().replace('reason = ""', 'reason = "r"')
    known.write_text(text.replace('link = ""', 'link = "https://example.com/1"'))
    assert "release = true" in text
    assert run(tmp_path / "known", *arguments, "--known", known).status == 0


@pytest.mark.bubblewrap
def test_nothing_installed_is_an_error_and_no_agreement(tmp_path):
    ran = planted(tmp_path, 'rm -rf "$build/.heroku"\n')
    assert ran.status == 2
    (result,) = ran.report["results"]
    assert (result["verdict"], result["steps"]) == ("failed", [])
    assert "nothing to compare but the app's own files" in result["error"]


@pytest.mark.bubblewrap
def test_build_that_hangs_is_stopped_and_failed(tmp_path):
    ran = planted(tmp_path, "echo waiting\nsleep 600\n", "--timeout", "2")
    assert ran.status == 2
    for step in ran.steps:
        assert step["verdict"] == "failed"
        for failure in step["failures"]:
            assert failure["command"] == "compile"
            assert failure["how"] == "is stopped by its timeout limit"
            assert failure["log_tail"] == ["waiting"]
        assert step["seconds"]["clean"] >= 2
    assert "timeout" in ran.out


# --- buildpacks that mean harm -----------------------------------------------------------------

ODDITIES = r"""
echo safe >"$packages/safe.py"
mkfifo "$packages/fifo"
mknod "$packages/null" c 1 3 || echo "no device is made"
mkdir -p "$packages/closed/inner" "$packages/leak-1.0.dist-info" "$packages/pipe-1.0.dist-info"
echo x >"$packages/closed/inner/file"
ln -s SECRET "$packages/secret"
ln -s SECRET/METADATA "$packages/leak-1.0.dist-info/METADATA"
ln -s SECRET/METADATA "$packages/leak-1.0.dist-info/RECORD"
mkfifo "$packages/pipe-1.0.dist-info/METADATA"
ln -s /dev/zero "$packages/pipe-1.0.dist-info/RECORD"
ln -s loop "$packages/loop"
ln -s / "$packages/everything"
ln -s SECRET "$build/.heroku/python/src"
touch "$packages/"$'not\xffutf-8\n.py'
rm -f /run/build-steps/statuses
ln -s SECRET/METADATA /run/build-steps/statuses
"""
# Files, links and pipes: seven in site-packages, two in each dist-info, and `src`.
ODD_FILES = 12
CLOSED = 'chmod 000 "$packages/closed/inner" "$packages/closed"\n'
NO_CACHE = 'rm -rf "$cache"\nln -s SECRET "$cache"\n'
CHANGES = (
    '[[ ! -e $cache/seen ]] || rm "$packages/safe.py"\nmkdir -p "$cache"\ntouch "$cache/seen"\n'
)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder of the host's that looks like a build's, for a build to point at."""
    folder = tmp_path / "secret"
    (folder / ".heroku/python/bin").mkdir(parents=True)
    (folder / ".heroku/python/bin/tool").write_text("tool")
    (folder / "METADATA").write_text("Name: stolen-words\nVersion: 1.0\n")
    return folder


def listing(folder: Path) -> list[tuple[str, int, int]]:
    return [(str(p), p.lstat().st_mode, p.lstat().st_mtime_ns) for p in sorted(folder.rglob("*"))]


def unhurt(folder: Path, script: str, secret: Path, kind: str) -> EndedRun:
    """A run with a hostile buildpack, after which the host is as it was and nothing was read."""
    before = listing(secret), Path("/etc").stat().st_mtime_ns
    ran = planted(folder, script.replace("SECRET", str(secret)), "--timeout", "60", kind=kind)
    assert (listing(secret), Path("/etc").stat().st_mtime_ns) == before
    assert "stolen" not in str(ran.report) + ran.said
    return ran


def test_what_a_hostile_build_leaves_is_compared_and_removed(kind, tmp_path, secret):
    ran = unhurt(tmp_path, ODDITIES + CLOSED + NO_CACHE, secret, kind)
    assert ran.verdicts == {"planted": "agrees"}, ran.said
    assert ran.status == 0, ran.said
    # The app brings one file, and then another.
    assert [step["compared"] for step in ran.steps] == [ODD_FILES + 1, ODD_FILES + 2]


def test_what_a_hostile_build_leaves_is_told_apart(kind, tmp_path, secret):
    ran = unhurt(tmp_path, ODDITIES + CHANGES + CLOSED, secret, kind)
    assert [step["verdict"] for step in ran.steps] == ["agrees", "diverges"], ran.said
    (divergence,) = ran.steps[-1]["divergences"]
    assert divergence["path"].endswith("/site-packages/safe.py")
    assert divergence["kind"] == "missing"
    assert ran.status == 1


@pytest.mark.parametrize(
    "place", ["$build", "$build/.heroku", "$build/.heroku/python", "$build/.heroku/python/bin"]
)
@pytest.mark.bubblewrap
def test_link_in_place_of_what_is_compared_is_not_followed(tmp_path, secret, place):
    below = place.removeprefix("$build")
    script = f'echo x >"$build/keep"\nrm -rf "{place}"\nln -s SECRET{below} "{place}"\n'
    ran = unhurt(tmp_path, script, secret, "bubblewrap")
    if below:
        # The link itself, what the app brings, and what else the build left.
        assert [step["compared"] for step in ran.steps] == [3, 4], ran.said
        assert ran.status == 0
    else:
        # A link in place of the whole build is dropped, and nothing is left.
        assert ran.status == 2, ran.said
        assert "nothing to compare" in ran.out


# --- runs that are ended -----------------------------------------------------------------------

WAITS = """\
mkdir -p "$build/closed/inner"
chmod 000 "$build/closed"
sleep 600 &
touch "$build/on"
sleep 600
"""


@pytest.fixture
def waits(kind: str, tmp_path: Path) -> tuple[str | Path, ...]:
    """The arguments of a run whose build waits."""
    pack = buildpack(tmp_path / "waits", WAITS)
    return (scenario(tmp_path), "--sandbox", kind, "--buildpack", pack)


def test_nothing_of_a_killed_run_outlives_the_next_run(kind, tmp_path, waits):
    # Another build: one that is under way is waited for.
    other = buildpack(tmp_path / "other", f"true\n{WAITS}")
    with (
        going(tmp_path / "killed", *waits) as killed,
        going(tmp_path / "live", *waits[:-1], other) as live,
    ):
        killed.until_it_builds("on")
        live.until_it_builds("on")
        killed.process.kill()
        killed.process.wait()
        assert "folders" in left_of(killed.id)
        ran = planted(tmp_path, 'touch "$packages/module.py"\n', kind=kind)
        assert ran.status == 0, ran.said
        nothing_left_of(killed.id)
        assert live.process.poll() is None
        assert {"folders", "mounts"} <= left_of(live.id).keys()
        live.process.send_signal(signal.SIGINT)
        assert live.ended(within=60).status == 130
        assert left_of(live.id) == {}


def test_interrupted_run_says_so_and_leaves_nothing(kind, tmp_path, waits):
    with going(tmp_path / "run", *waits) as started:
        started.until_it_builds("on")
        assert {"folders", "mounts"} <= left_of(started.id).keys()
        begun = time.monotonic()
        started.process.send_signal(signal.SIGINT)
        ran = started.ended(within=60)
    assert ran.status == 130, ran.said
    assert time.monotonic() - begun < 30
    assert "interrupted" in ran.err
    assert "Traceback" not in ran.said
    assert left_of(ran.id) == {}


@pytest.mark.bubblewrap
def test_run_that_waits_for_another_s_build_can_be_interrupted(tmp_path):
    need("bubblewrap")
    pack = buildpack(tmp_path / "waits", WAITS)
    arguments = (scenario(tmp_path), "--sandbox", "bubblewrap", "--buildpack", pack)
    with going(tmp_path / "first", *arguments) as first:
        first.until_it_builds("on")
        with going(tmp_path / "second", *arguments) as second:
            while not second.id:
                second.watch()
            time.sleep(2)
            second.process.send_signal(signal.SIGINT)
            assert second.ended(within=30).status == 130
        assert first.process.poll() is None


@pytest.mark.bubblewrap
def test_sweep_alone_removes_a_killed_run(tmp_path):
    need("bubblewrap")
    pack = buildpack(tmp_path / "waits", WAITS)
    with going(
        tmp_path / "run", scenario(tmp_path), "--sandbox", "bubblewrap", "--buildpack", pack
    ) as killed:
        killed.until_it_builds("on")
        killed.process.kill()
        killed.process.wait()
        sweep(store())
        nothing_left_of(killed.id)


# --- under pytest ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def under_pytest() -> subprocess.CompletedProcess[str]:
    need("bubblewrap")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", "-v"),
        *(str(file_of(name)) for name in (NESTED_DROPPED, ROOT_DROPPED)),
        *("--buildpack", "root-requirements", "--sandbox", "bubblewrap"),
        *("--store", str(store().root)),
    ]
    return subprocess.run(
        command, env=env, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.mark.bubblewrap
class TestUnderPytest:
    def test_each_file_is_an_item(self, under_pytest):
        out = under_pytest.stdout
        assert "1 failed, 1 passed" in out, out + under_pytest.stderr
        assert under_pytest.returncode == 1
        assert re.search(r"PASSED \S*root-package-dropped\.toml::root-package-dropped", out)
        assert re.search(r"FAILED \S*nested-package-dropped\.toml::nested-package-dropped", out)

    def test_failure_is_the_report_and_no_traceback(self, under_pytest):
        out = under_pytest.stdout
        assert "`staticfiles 6.0.0` is installed and nothing asks for it" in out
        assert "a clean build has nothing here; left over from commit 1" in out
        assert "commit 2: diverges, cache reused" in out
        assert "Traceback" not in out + under_pytest.stderr
        assert "runner.py" not in out
