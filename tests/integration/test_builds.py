"""Builds are values: each runs once, whoever asks for it, and what is stored stays as it was."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from planted import buildpack, bundled_copy, scenario
from program import PROGRAM
from stores import store_without_builds
from traces import SANDBOXES, need

from harness.builds.result import BuildRecord
from harness.runs.memory import folder_of_runs
from harness.storage.builds import BuildStore
from harness.storage.store import Store
from harness.storage.upkeep import Upkeep

pytestmark = [pytest.mark.image, pytest.mark.bubblewrap, pytest.mark.timeout(600)]

# Each build adds a line to a file of its cache in place, and fetches nothing: a cache that a build
# could write to would hold more lines than the chain of its own builds has.
WRITES_IN_PLACE = """
echo "$(cat "$build/name")" >>"$cache/names"
ln -f "$cache/names" "$cache/twin"
echo again >>"$cache/twin"
cp "$cache/names" "$packages/names"
"""
SCENARIO = """
description = "d"
[app.files]
"requirements.txt" = ""
"name" = "first"
[[commits]]
message = "Second"
edits = [{ do = "write", path = "name", text = "@" }]
[[commits]]
message = "Third"
edits = [{ do = "write", path = "name", text = "@3" }]
"""


@pytest.fixture
def own_store(tmp_path: Path) -> Store:
    """A store that holds what is long in the making, and no builds."""
    need("bubblewrap")
    return store_without_builds(tmp_path / "store")


def make_scenarios(folder: Path) -> Path:
    """Three that begin alike and go apart at their second commit."""
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.toml").write_text(SCENARIO.replace("@", name))
    return folder


@pytest.fixture
def scenarios(tmp_path: Path) -> Path:
    return make_scenarios(tmp_path / "scenarios")


@pytest.fixture
def poisonous(tmp_path: Path) -> Path:
    return buildpack(tmp_path / "buildpack", WRITES_IN_PLACE)


@dataclass(frozen=True, kw_only=True)
class FirstRun:
    """The scenarios' run with the poisonous buildpack, in a store that had no builds."""

    scenarios: Path
    buildpack: Path
    store: Store
    report: dict[str, Any]
    said: str


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    need("bubblewrap")
    folder = tmp_path_factory.mktemp("first")
    store = store_without_builds(folder / "store")
    pack = buildpack(folder / "buildpack", WRITES_IN_PLACE)
    files = make_scenarios(folder / "scenarios")
    report, said = ran(store, pack, files, report=folder / "report")
    return FirstRun(scenarios=files, buildpack=pack, store=store, report=report, said=said)


@pytest.fixture
def first(run_once: FirstRun, tmp_path: Path) -> FirstRun:
    """That run, with a copy of its store."""
    copy = tmp_path / "first"
    shutil.copytree(run_once.store.root, copy, symlinks=True)
    return replace(run_once, store=Store(root=copy))


def started(
    own: Store, pack: Path, *arguments: object, report: Path, kind: str = "bubblewrap"
) -> subprocess.Popen[str]:
    command = [PROGRAM, "run", *arguments, "--buildpack", pack, "--sandbox", kind,
               "--store", own.root, "--report", f"json={report}"]  # fmt: skip
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def ran(
    own: Store, pack: Path, *arguments: object, report: Path, kind: str = "bubblewrap"
) -> tuple[dict[str, Any], str]:
    with started(own, pack, *arguments, report=report, kind=kind) as process:
        said, _ = process.communicate()
    assert "Traceback" not in said
    assert report.is_file(), said
    return json.loads(report.read_text()), said


def counts(report: dict[str, Any]) -> tuple[int, int, int]:
    return tuple(report["builds"][name] for name in ("needed", "run", "reused"))


def worked_in_memory(own: Store) -> set[bool]:
    builds = BuildStore(own, BuildRecord)
    return {builds.find(key).record.in_memory for key in keys(own)}


def instances(own: Store) -> dict[str, str]:
    """Which run of each build is stored."""
    return {one.build.facts.key: one.build.facts.instance for one in Upkeep(own).listing()}


def keys(own: Store) -> list[str]:
    """The keys of all stored builds."""
    return [one.build.facts.key for one in Upkeep(own).listing()]


def names(own: Store, folder: Path) -> list[str]:
    """What each stored cache holds in the file that builds write to in place."""
    builds = BuildStore(own, BuildRecord)
    found = []
    for number, key in enumerate(keys(own)):
        built = builds.find(key)
        assert built is not None
        if builds.has_caches(built):
            builds.lay_out_cache(built, "cache", folder / f"cache{number}")
            found.append((folder / f"cache{number}" / "names").read_text())
    return found


def without_counts(report: dict[str, Any]) -> dict[str, Any]:
    return {**report, "builds": None}


# The first commit is one build for all; each later commit is a cached and a clean build and, as
# the names that the cache brings along diverge, each of them once more.
RUN = 1 + 3 * 2 * 4
NEEDED = 3 * (2 + 2 * 4)


def test_each_build_runs_once_and_later_runs_run_nothing(first: FirstRun, tmp_path: Path) -> None:
    inputs = first.buildpack, first.scenarios
    assert counts(first.report) == (NEEDED, RUN, NEEDED - RUN), first.said
    again, said = ran(first.store, *inputs, report=tmp_path / "2")
    assert counts(again) == (NEEDED, 0, NEEDED), said
    assert without_counts(again) == without_counts(first.report)
    alone = ("--fresh", "--jobs", "1")
    one_at_a_time, _ = ran(first.store, *inputs, *alone, report=tmp_path / "3")
    assert counts(one_at_a_time) == (NEEDED, RUN, NEEDED - RUN)
    assert [verdicts(result) for result in one_at_a_time["results"]] == [
        verdicts(result) for result in first.report["results"]
    ]


def verdicts(result: dict[str, Any]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    return [
        (step["verdict"], [(d["path"], d["kind"], d["cached"]["digest"]) for d in
                           step["divergences"]])
        for step in result["steps"]
    ]  # fmt: skip


def test_a_build_that_writes_in_place_changes_nothing_that_is_stored(
    first: FirstRun, tmp_path: Path
) -> None:
    for result in first.report["results"]:
        verdicts_of = [step["verdict"] for step in result["steps"]]
        assert verdicts_of == ["agrees", "diverges", "diverges"], first.said
    lines = sorted(text.count("\n") for text in names(first.store, tmp_path))
    # Two lines a build: the first commit's, then the cached ones of the second and third commits,
    # which hold those before them as well.
    assert lines == [2] + [4] * 3 + [6] * 3
    assert list(Upkeep(first.store).verify()) == []


def test_an_edited_scenario_builds_what_is_new(
    first: FirstRun, scenarios: Path, poisonous: Path, tmp_path: Path
) -> None:
    edited = scenarios / "b.toml"
    edited.write_text(edited.read_text().replace('text = "b3"', 'text = "other"'))
    report, said = ran(first.store, poisonous, scenarios, report=tmp_path / "2")
    assert counts(report) == (NEEDED, 4, NEEDED - 4), said
    edited.write_text(edited.read_text() + "expect = [{ path = '.heroku/none' }]\n")
    report, said = ran(first.store, poisonous, scenarios, report=tmp_path / "3")
    assert counts(report)[1] <= 2, "what was not looked at can only be seen by building again"
    (result,) = (one for one in report["results"] if one["scenario"] == "b")
    # Once for both builds, though they diverge.
    assert result["steps"][2]["unmet"] == ["in both builds nothing is at .heroku/none"]


def test_caches_are_kept_for_the_builds_that_may_be_given_them(
    first: FirstRun, scenarios: Path, poisonous: Path, tmp_path: Path
) -> None:
    kept = Upkeep(first.store).listing()
    assert sum(one.has_caches for one in kept) == 1 + 3 * 2
    grown = scenarios / "b.toml"
    grown.write_text(
        grown.read_text()
        + "[[commits]]\nmessage = 'Fourth'\n"
        + "edits = [{ do = 'write', path = 'name', text = 'b4' }]\n"
    )
    report, said = ran(first.store, poisonous, scenarios, report=tmp_path / "2")
    # The new commit's cached and clean build, each twice: the third's cache is there.
    assert counts(report)[1] == 4, said


def test_two_processes_at_once_run_each_build_once(
    own_store: Store, scenarios: Path, poisonous: Path, tmp_path: Path
) -> None:
    processes = [
        started(own_store, poisonous, scenarios, report=tmp_path / str(number))
        for number in range(3)
    ]
    said = [process.communicate()[0] for process in processes]
    reports = [json.loads((tmp_path / str(number)).read_text()) for number in range(3)]
    assert sum(report["builds"]["run"] for report in reports) == RUN, "\n".join(said)
    assert len({json.dumps(without_counts(report)) for report in reports}) == 1
    assert len(instances(own_store)) == RUN


def test_pytest_workers_run_each_build_once(
    own_store: Store, scenarios: Path, poisonous: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "pytest", scenarios, "-n", "2", "--buildpack", poisonous,
               "--sandbox", "bubblewrap", "--store", own_store.root,
               "-p", "no:cacheprovider"]  # fmt: skip
    done = subprocess.run(
        list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "3 failed" in done.stdout, done.stdout + done.stderr
    assert len(instances(own_store)) == RUN
    report, said = ran(own_store, poisonous, scenarios, report=tmp_path / "after")
    assert counts(report)[1] == 0, said
    assert not list(own_store.builds.glob("??/.dropped-*"))


def test_a_damaged_build_is_reported_and_rebuilt(
    first: FirstRun, scenarios: Path, poisonous: Path, tmp_path: Path
) -> None:
    before = instances(first.store)
    victim = Upkeep(first.store).listing()[0].build
    (victim.folder / "facts").write_bytes(b"damaged")
    for judgement in first.store.judgements.glob("??/*"):
        judgement.unlink()
    again, said = ran(first.store, poisonous, scenarios, report=tmp_path / "2")
    assert f"the stored build {victim.facts.key[:12]} was damaged; it is rebuilt" in said
    assert [verdicts(one) for one in again["results"]] == [
        verdicts(one) for one in first.report["results"]
    ]
    after = instances(first.store)
    assert after.keys() == before.keys()
    assert after[victim.facts.key] != before[victim.facts.key]


def test_a_cache_that_was_changed_behind_the_harness_s_back_is_not_given_to_a_build(
    first: FirstRun, scenarios: Path, poisonous: Path, tmp_path: Path
) -> None:
    for content in first.store.contents.glob("??/*"):
        content.chmod(0o644)
        content.write_text("POISON\n")
    for judgement in first.store.judgements.glob("??/*"):
        judgement.unlink()
    edited = scenarios / "a.toml"
    edited.write_text(edited.read_text().replace('text = "a3"', 'text = "other"'))
    ran(first.store, poisonous, edited, report=tmp_path / "2")
    found = names(first.store, tmp_path)
    assert any("other" in text and "first" in text for text in found)
    assert not any("POISON" in text and "other" in text for text in found)


def test_a_scenario_that_cannot_be_judged_leaves_the_others_right(
    own_store: Store, scenarios: Path, tmp_path: Path
) -> None:
    empty = (
        '[ "$(cat "$build/name")" != b ] || rm -rf "$build/.heroku"; touch "$packages/x" || true'
    )
    pack = buildpack(tmp_path / "empties", empty)
    report, said = ran(own_store, pack, scenarios, report=tmp_path / "1")
    found = {result["scenario"]: result for result in report["results"]}
    assert [found[name]["verdict"] for name in "abc"] == ["agrees", "failed", "agrees"], said
    assert "nothing to compare" in found["b"]["error"]
    assert "look at the log whether the buildpack installs anything" in said


def test_a_cache_that_cannot_be_kept_leaves_the_other_scenarios_right(
    own_store: Store, scenarios: Path, tmp_path: Path
) -> None:
    deep = """
touch "$packages/x"
cd "$cache" && [ "$(cat "$build/name")" != b ] || for _ in $(seq 250); do mkdir d && cd d; done
"""
    pack = buildpack(tmp_path / "deep", deep)
    report, said = ran(own_store, pack, scenarios, report=tmp_path / "1")
    found = {result["scenario"]: result for result in report["results"]}
    assert [found[name]["verdict"] for name in "abc"] == ["agrees", "failed", "agrees"], said
    assert "folders deep" in found["b"]["error"]
    assert "a folder may hold a copy of itself" in said
    assert not list(own_store.contents.glob("??/.*"))


@pytest.mark.parametrize("kind", SANDBOXES)
def test_a_build_whose_files_take_its_memory_is_run_again_on_disk(
    own_store: Store, tmp_path: Path, kind: str
) -> None:
    if folder_of_runs() is None:
        pytest.skip("there is no memory to work in")
    need(kind)
    script = 'head -c SIZE /dev/zero >"$build/large"\necho x >"$packages/file"\n'
    for size, expected in (("400M", {False}), ("4M", {False, True})):
        pack = buildpack(tmp_path / size, script.replace("SIZE", size))
        arguments = (scenario(tmp_path / "s"), "--memory", "256")
        report, said = ran(own_store, pack, *arguments, report=tmp_path / "report", kind=kind)
        assert [result["verdict"] for result in report["results"]] == ["agrees"], said
        assert worked_in_memory(own_store) == expected


def test_what_the_time_limit_ended_is_not_stored(
    own_store: Store, scenarios: Path, tmp_path: Path
) -> None:
    pack = buildpack(tmp_path / "hangs", "sleep 60\n")
    report, said = ran(
        own_store, pack, scenarios / "a.toml", "--timeout", "0.5", report=tmp_path / "1"
    )
    assert [result["verdict"] for result in report["results"]] == ["failed"], said
    assert instances(own_store) == {}
    assert not list(own_store.judgements.glob("??/*"))


# A third party's distribution: each of its plug-ins reads a word that it gives to builds.
ACME = """
from dataclasses import replace
from pathlib import Path

from harness.buildpacks.classic import ClassicKind
from harness.sandboxes.bubblewrap import BubblewrapSandbox

def word():
    return Path(__file__).with_name("acme-word").read_text()

class Kind(ClassicKind):
    name = "acme"

    def recognises(self, folder):
        return (folder / "bin/acme").is_file()

    def prepare(self, setting):
        given = super().prepare(setting)
        return replace(given, env=(*given.env, ("KIND_SAYS", word())))

    def reasons(self, log):
        return ("@",) if log else ()

class Sandbox(BubblewrapSandbox):
    name = "acme"

    def run(self, job, **more):
        return super().run(replace(job, env=(*job.env, ("SANDBOX_SAYS", word()))), **more)
"""
ACME_POINTS = """
[cache_harness.buildpacks]
acme = acme:Kind
[cache_harness.sandboxes]
acme = acme:Sandbox
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the distribution is installed."""
    folder = tmp_path / "packages"
    files = {
        "acme.py": ACME,
        "acme-word": "first",
        "acme-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n",
        "acme-1.0.dist-info/entry_points.txt": ACME_POINTS,
        "acme-1.0.dist-info/RECORD": "acme.py,,\nacme-word,,\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.mark.parametrize("kind", ["bubblewrap", "acme"])
def test_another_code_of_a_plug_in_builds_anew(
    own_store: Store, scenarios: Path, tmp_path: Path, acme: Path, kind: str
) -> None:
    says = 'echo "${KIND_SAYS:-} ${SANDBOX_SAYS:-} $(cat "$build/name")" | tee "$packages/said"\n'
    pack = buildpack(tmp_path / "pack", says)
    if kind == "bubblewrap":  # then the kind of buildpack is the plug-in
        (pack / "bin/acme").touch()

    def once(number: int) -> int:
        report, said = ran(
            own_store, pack, scenarios / "a.toml", report=tmp_path / str(number), kind=kind
        )
        assert {one["verdict"] for one in report["results"]} == {"agrees"}, said
        assert report["results"][0]["sandbox"] == kind
        return counts(report)[1]

    assert once(1) == 1 + 2 * 2
    assert once(2) == 0
    (acme / "acme-word").write_text("second")
    assert once(3) == 1 + 2 * 2
    logs = [one.build.log.read_text() for one in Upkeep(own_store).listing()]
    for word in ("first", "second"):
        assert sum(word in log for log in logs) >= 5


def test_another_way_to_read_logs_judges_anew(own_store: Store, tmp_path: Path, acme: Path) -> None:
    pack = bundled_copy("never-reuses", tmp_path / "pack")
    (pack / "bin/acme").touch()
    # A reason for dropping a cache is one only where there is something in it.
    with (pack / "bin/compile").open("a") as compiles:
        compiles.write('seq 5000 >"$2/kept"\n')
    file = scenario(tmp_path / "s")
    for reason in ("one", "another"):
        (acme / "acme.py").write_text(ACME.replace("@", reason))
        report, said = ran(own_store, pack, file, report=tmp_path / reason)
        assert report["results"][0]["steps"][1]["reasons"] == [reason], said


# A kind of its own: its builds leave two trees and two caches.
TWOFOLD = """
from dataclasses import replace

from harness.buildpacks.classic import ClassicKind
from harness.buildpacks.preparation import Content, Place
from harness.trees.named import AfterFailure, CacheTree, ResultTree

class Kind(ClassicKind):
    name = "twofold"

    def recognises(self, folder):
        return (folder / "bin/twofold").is_file()

    def prepare(self, setting):
        given = super().prepare(setting)
        return replace(
            given,
            mounts=(*given.mounts, "/layers", "/image"),
            places=(*given.places, Place(path="/layers/all", holds=Content.NOTHING)),
            results=(*given.results, ResultTree(name="layers", path="/layers/all")),
            caches=(
                replace(given.caches[0], after_failure=AfterFailure.AS_LEFT),
                CacheTree(name="image", path="/image/last", after_failure=AfterFailure.AS_BEFORE),
            ),
        )
"""
# What each commit is called is added to both caches, and both are copied to what is deployed.
REMEMBERS = """
cat "$build/name" >>"$cache/names"
cat "$build/name" >>/image/last/names
cp "$cache/names" "$packages/names"
cp /image/last/names /layers/all/names
if grep -q fails "$build/name"; then exit 3; fi
"""
FAILS_ONCE = """
description = "d"
[app.files]
"requirements.txt" = ""
"name" = "first"
[[commits]]
message = "Second"
build = "fails"
edits = [{ do = "write", path = "name", text = "fails" }]
[[commits]]
message = "Third"
edits = [{ do = "write", path = "name", text = "third" }]
expect = [{ path = "names", tree = "layers", contains = "firstthird" }]
"""


@pytest.fixture
def twofold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A buildpack of that kind."""
    folder = tmp_path / "packages"
    (folder / "twofold-1.0.dist-info").mkdir(parents=True)
    (folder / "twofold.py").write_text(TWOFOLD)
    (folder / "twofold-1.0.dist-info/METADATA").write_text("Name: twofold\nVersion: 1.0\n")
    (folder / "twofold-1.0.dist-info/entry_points.txt").write_text(
        "[cache_harness.buildpacks]\ntwofold = twofold:Kind\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))
    pack = buildpack(tmp_path / "pack", REMEMBERS)
    (pack / "bin/twofold").touch()
    return pack


def test_a_kind_may_leave_several_trees_and_caches(
    own_store: Store, twofold: Path, tmp_path: Path
) -> None:
    file = scenario(tmp_path / "s", FAILS_ONCE)
    report, said = ran(own_store, twofold, file, report=tmp_path / "1")
    (result,) = report["results"]
    assert [step["verdict"] for step in result["steps"]] == ["agrees", "agrees", "diverges"], said
    last = result["steps"][-1]
    found = {(one["tree"], one["path"]) for one in last["divergences"]}
    site = ".heroku/python/lib/python3.11/site-packages"
    assert found == {("app", f"{site}/names"), ("layers", "names")}, said
    assert f"content    {site}/names" in said
    assert "content    layers: names" in said
    # The one cache crosses as the failed build left it, the other as it was before that.
    assert last["unmet"] == ["in the clean build names does not hold 'firstthird'"], said
    sizes = {one["tree"]: one["cached"]["size"] for one in last["divergences"]}
    assert sizes == {"app": len("firstfailsthird"), "layers": len("firstthird")}


# What each commit is called is added to the cache, which is copied to what is deployed.
NAMED = """
cat "$build/name" >>"$cache/names"
cp "$cache/names" "$packages/names"
if grep -q fails "$build/name"; then exit 3; fi
"""
FAILS_TWICE = """
description = "d"
axes = {{ {axis} }}
[app]
files = {{ "requirements.txt" = "", "name" = "1fails " }}
build = "fails"
[[commits]]
message = "Passes"
edits = [{{ do = "write", path = "name", text = "2 " }}]
[[commits]]
message = "Fails again"
build = "fails"
edits = [{{ do = "write", path = "name", text = "3fails " }}]
[[commits]]
message = "Fails once more"
build = "fails"
edits = [{{ do = "write", path = "name", text = "4fails " }}]
[[commits]]
message = "Passes again"
edits = [{{ do = "write", path = "name", text = "5 " }}]
"""


@pytest.mark.parametrize(
    ("axis", "names"),
    [
        ("", ["2 ", "2 5 "]),
        ('failed_build_cache = "last-good"', ["2 ", "2 5 "]),
        ('failed_build_cache = "kept"', ["1fails 2 ", "1fails 2 3fails 4fails 5 "]),
    ],
    ids=["default", "last-good", "kept"],
)
def test_what_the_next_build_gets_after_one_that_failed(
    own_store: Store, tmp_path: Path, axis: str, names: list[str]
) -> None:
    pack = buildpack(tmp_path / "pack", NAMED)
    file = scenario(tmp_path / "s", FAILS_TWICE.format(axis=axis))
    report, said = ran(own_store, pack, file, report=tmp_path / "1")
    (result,) = report["results"]
    path = ".heroku/python/lib/python3.11/site-packages/names"
    cached = [
        one["cached"]["size"] if one else None
        for step in (result["steps"][1], result["steps"][4])
        for one in [next((o for o in step["divergences"] if o["path"] == path), None)]
    ]
    clean = ["2 ", "5 "]
    wanted = [
        len(name) if name != alone else None for name, alone in zip(names, clean, strict=True)
    ]
    assert cached == wanted, said
