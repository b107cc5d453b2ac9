"""Scenarios: what each commit comes to, and every fault at once with its line."""

from pathlib import Path

import pytest

from harness.bundled import bundled_scenarios
from harness.errors import InputError
from harness.scenarios.edits import EditError
from harness.scenarios.expectation import (
    AnewExpectation,
    ComparedBuild,
    LogExpectation,
    LogText,
    ReasonsExpectation,
    ReusedExpectation,
    TreeExpectation,
)
from harness.scenarios.fixtures import fixture_tree, fixtures_for
from harness.scenarios.run_expectation import RunExpectation
from harness.scenarios.scenario import (
    OLD,
    Scenario,
    find_scenarios,
    load_scenario,
    load_scenarios,
    mtime,
)
from harness.scenarios.scenario_file import (
    BuildExpectation,
    BuildFor,
    BuildPath,
    CacheMount,
    CachePath,
    FailedBuildCache,
    ReuseExpectation,
    ReuseParts,
)
from harness.scenarios.tree import File, Link, Tree
from harness.scenarios.world import BranchTip, PublishedRelease, Tag

PYTHONS = {"default": "3.12.1", "other": "3.9.18"}
SLOTS = PYTHONS | {"sibling": "3.12.0", "newest": "3.14.2"}
FORK = """\
description = "A fork"
revisions = [
  { name = "v2", edits = [{ do = "write", path = "f.py", text = "2" }] },
  { name = "v3", edits = [{ do = "write", path = "f.py", text = "3" }] },
]
branches = { main = "v1" }
tags = { "v1.0" = "v1" }
"""
APP = '[app]\nfiles = { "a.txt" = "one\\ntwo\\n" }\n'
COMMIT = '[[commits]]\nmessage = "m"\n'


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    repos = tmp_path / "fixtures" / "repos"
    (repos / "lib").mkdir(parents=True)
    (repos / "lib" / "repo.toml").write_text(FORK)
    (repos / "lib" / "f.py").write_text("1")
    (repos / "plain" / "sub").mkdir(parents=True)
    (repos / "plain" / "req.txt").write_text("lib @ ${lib@v1}\n${HOME}\n")
    (repos / "plain" / "run").write_text("#!/bin/sh\n")
    (repos / "plain" / "run").chmod(0o755)
    (repos / "plain" / "raw").write_bytes(b"\xff${lib@v1}")
    (repos / "plain" / "sub" / "link").symlink_to("../run")
    (repos / "pack" / "bin").mkdir(parents=True)
    for program in ("detect", "compile"):
        (repos / "pack" / "bin" / program).write_text("#!/bin/sh\n")
        (repos / "pack" / "bin" / program).chmod(0o755)
    (tmp_path / "scenarios" / "theme").mkdir(parents=True)
    return tmp_path


def write(suite: Path, text: str) -> Path:
    path = suite / "scenarios" / "theme" / "case.toml"
    path.write_text(text)
    return path


def load(suite: Path, text: str) -> Scenario:
    return load_scenario(write(suite, text))


def faults(suite: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load(suite, text)
    problems = caught.value.problems
    assert all(problem.file.endswith(("case.toml", "repo.toml")) for problem in problems)
    return [f"{problem.line}: {problem.message}" for problem in problems]


def text_of(tree: Tree, path: str) -> str:
    leaf = tree.entries[path]
    assert isinstance(leaf, File)
    return leaf.data.decode()


def test_every_key_comes_to_what_it_says(suite: Path) -> None:
    scenario = load(
        suite,
        """\
description = "Everything"
issue = "https://example.invalid/1"
forks = ["lib"]

[axes]
build = "ci"
build_path = "new"
cache_path = "new"
cache_mount = "other"
failed_build_cache = "kept"
file_times = "old"

[app]
message = "Begin"
copy = "plain"
files = { "runtime.txt" = "python-${python@default}", "req.txt" = "$${lib@v1} ${lib@v2:short}" }
env = { PIN = "${lib@v1}", KEEP = "1" }
releases = [{ fork = "lib", revision = "v1", do = "publish" }]
tags = [{ fork = "lib", revision = "v2", tag = "latest" }]
stack = "heroku-24"
build = "fails"

[[commits]]
message = "Second"
reuse = "discarded"
env = { PIN = "2" }
unset = ["KEEP"]
branches = [
  { fork = "lib", revision = "v2" },
  { fork = "lib", revision = "v1", branch = "old/one" },
]
tags = [{ fork = "lib", revision = "v3", tag = "v1.0" }]
releases = [
  { fork = "lib", revision = "v1", do = "yank", reason = "bad" },
  { fork = "lib", revision = "v2", do = "publish" },
]
stack = "heroku-22"
buildpack = "v351"
edits = [
  { do = "replace", path = "runtime.txt", old = "${python@default}", new = "${python@other:minor}"},
  { do = "copy", from = "lib@v3/f.py", path = "vendor/f.py" },
]
expect = [
  { path = "a", contains = "${lib@v2}" },
  { path = "b", matches = "^${lib@v2:short}" },
  { path = "c", absent = true, in = "cached" },
  { log = { contains = "at ${lib@v2:short}" } },
  { log = { matches = "^${lib@v1:short}", absent = true }, in = "clean" },
  { reasons = ["to ${python@other}", "stack"], in = "cached" },
  { reused = ["lib"] },
  { anew = ["python", "pip"] },
]
run = [
  { command = "echo ${lib@v1}", contains = "${lib@v2:short}", matches = "${lib@v3}$" },
  { command = "false", status = 1 },
]

[[commits]]
message = "Third"
releases = [
  { fork = "lib", revision = "v3", do = "republish", replaces = "v2" },
  { fork = "lib", revision = "v1", do = "remove" },
]

[[commits.edits]]
do = "delete"
path = "sub"
""",
    )
    lib = scenario.forks[0].shas
    first, second, third = scenario.stages(PYTHONS)
    assert scenario.name == "theme/case"
    assert scenario.issue == "https://example.invalid/1"
    assert scenario.python_slots() == {"default", "other"}
    assert scenario.axes.failed_build_cache is FailedBuildCache.KEPT
    assert (scenario.axes.build, scenario.axes.cache_path) == (BuildFor.CI, CachePath.NEW)
    assert (scenario.axes.build_path, scenario.axes.cache_mount) == (
        BuildPath.NEW,
        CacheMount.OTHER,
    )
    assert mtime(scenario.axes, first) == OLD

    assert [stage.message for stage in (first, second, third)] == ["Begin", "Second", "Third"]
    assert [stage.index for stage in (first, second, third)] == [0, 1, 2]
    assert first.time < second.time < third.time
    assert set(first.tree) == {"raw", "req.txt", "run", "runtime.txt", "sub/link"}
    assert first.tree.entries["run"].executable
    assert first.tree.entries["raw"] == File(data=b"\xff${lib@v1}")
    assert first.tree.entries["sub/link"] == Link(target="../run")
    assert text_of(first.tree, "req.txt") == "${lib@v1} " + lib["v2"][:7]
    assert text_of(first.tree, "runtime.txt") == "python-3.12.1"
    assert text_of(second.tree, "runtime.txt") == "python-3.9"
    assert text_of(second.tree, "vendor/f.py") == "3"
    assert "sub/link" in second.tree
    assert "sub/link" not in third.tree

    assert first.world.env == (("KEEP", "1"), ("PIN", lib["v1"]))
    assert second.world.env == third.world.env == (("PIN", "2"),)
    tip = BranchTip(fork="lib", branch="main", revision="v1", sha=lib["v1"])
    assert first.world.branches == (tip,)
    assert [(tip.branch, tip.revision, tip.sha) for tip in third.world.branches] == [
        ("main", "v2", lib["v2"]),
        ("old/one", "v1", lib["v1"]),
    ]
    latest = Tag(fork="lib", tag="latest", revision="v2", sha=lib["v2"])
    assert first.world.tags == (
        latest, Tag(fork="lib", tag="v1.0", revision="v1", sha=lib["v1"]))  # fmt: skip
    assert second.world.tags == third.world.tags == (
        latest, Tag(fork="lib", tag="v1.0", revision="v3", sha=lib["v3"]))  # fmt: skip
    release = PublishedRelease(fork="lib", revision="v1", sha=lib["v1"])
    assert first.world.releases == (release,)
    assert [(r.revision, r.yanked) for r in second.world.releases] == [("v1", "bad"), ("v2", None)]
    assert [(r.revision, r.sha) for r in third.world.releases] == [("v3", lib["v3"])]
    assert [stage.world.stack for stage in (first, second, third)] == [
        "heroku-24", "heroku-22", "heroku-22"]  # fmt: skip
    assert [stage.world.buildpack for stage in (first, second, third)] == [None, "v351", "v351"]
    assert [stage.build for stage in (first, second)] == [
        BuildExpectation.FAILS, BuildExpectation.PASSES]  # fmt: skip
    assert [stage.reuse for stage in (first, second, third)] == [
        None, ReuseExpectation.DISCARDED, None]  # fmt: skip
    assert second.expect == (
        TreeExpectation(path="a", contains=lib["v2"]),
        TreeExpectation(path="b", matches="^" + lib["v2"][:7]),
        TreeExpectation(path="c", absent=True, build=ComparedBuild.CACHED),
        LogExpectation(log=LogText(contains="at " + lib["v2"][:7])),
        LogExpectation(
            log=LogText(matches="^" + lib["v1"][:7], absent=True), build=ComparedBuild.CLEAN
        ),
        ReasonsExpectation(reasons=("to 3.9.18", "stack"), build=ComparedBuild.CACHED),
        ReusedExpectation(reused=("lib",)),
        AnewExpectation(anew=("python", "pip")),
    )
    assert second.run == (
        RunExpectation(
            command="echo " + lib["v1"], contains=lib["v2"][:7], matches=lib["v3"] + "$"
        ),
        RunExpectation(command="false", status=1),
    )


def test_each_index_has_its_own_releases(suite: Path) -> None:
    release = '{ fork = "lib", revision = "v1", do = "%s"%s }'
    here, there = ', host = "a.example"', ', host = "b.example"'
    published = ", ".join(release % ("publish", host) for host in ("", here, there))
    app = APP.replace("[app]\n", f"[app]\nreleases = [{published}]\n")
    change = ", ".join((release % ("remove", ""), release % ("yank", there)))
    head = 'description = "x"\nforks = ["lib"]\n'
    scenario = load(suite, head + app + COMMIT + f"releases = [{change}]\n")
    first, second = (
        [(one.host, one.yanked) for one in stage.world.releases]
        for stage in scenario.stages(PYTHONS)
    )
    assert first == [("", None), ("a.example", None), ("b.example", None)]
    assert second == [("a.example", None), ("b.example", "")]


def test_a_clean_build_may_be_made_in_its_own_way(suite: Path) -> None:
    clean = (
        'clean = { files = { "a.txt" = "${python@other:minor}", "b/c" = "" },'
        ' env = { A = "2", B = "${python@default}" }, buildpack = "v350" }\n'
    )
    app = APP + 'env = { A = "1" }\n' + clean.replace(', buildpack = "v350"', "")
    scenario = load(suite, 'description = "x"\n' + app + COMMIT + 'buildpack = "v351"\n' + clean)
    assert scenario.python_slots() == {"default", "other"}
    assert "revisions" in scenario.all_needs()
    assert scenario.revisions() == ("v350", "v351")
    for stage in scenario.stages(PYTHONS):
        assert stage.clean is not None
        assert (set(stage.tree), set(stage.clean.tree)) == ({"a.txt"}, {"a.txt", "b/c"})
        assert text_of(stage.tree, "a.txt") == "one\ntwo\n"
        assert text_of(stage.clean.tree, "a.txt") == "3.9"
        assert stage.world.env == (("A", "1"),)
        assert stage.clean.world.env == (("A", "2"), ("B", "3.12.1"))
        assert stage.clean == stage.of_clean
    first, second = scenario.stages(PYTHONS)
    assert [one.of_clean.world.buildpack for one in (first, second)] == [None, "v350"]
    assert [one.world.buildpack for one in (first, second)] == [None, "v351"]


def test_the_buildpack_may_be_the_one_that_is_asked_for_again(suite: Path) -> None:
    head = 'description = "x"\n' + APP + 'buildpack = "v1"\n' + COMMIT
    scenario = load(suite, head + 'buildpack = "subject"\n' + COMMIT + 'buildpack = "v2"\n')
    assert [stage.world.buildpack for stage in scenario.stages(PYTHONS)] == ["v1", None, "v2"]
    assert scenario.revisions() == ("v1", "v2")
    (told,) = faults(suite, 'description = "x"\n' + APP + COMMIT + 'buildpack = "subject"\n')
    assert told == "6: the buildpack is already `subject`"


def test_a_clean_build_is_the_cached_one_s_where_nothing_is_said(suite: Path) -> None:
    for stage in load(suite, 'description = "x"\n' + APP + COMMIT).stages(PYTHONS):
        assert stage.clean is None
        assert stage.of_clean is stage


def test_a_file_of_a_clean_build_is_held_against_the_files_of_its_commit(suite: Path) -> None:
    head = 'description = "x"\n' + APP + COMMIT
    edit = 'edits = [{ do = "write", path = "b", text = "1" }]\n'
    own = 'clean = { files = { b = "1" } }\n'
    (told,) = faults(suite, head + edit + own)
    assert told.startswith("7: `b` already has this content")
    load(suite, head + own)


def test_reference_in_a_copied_file_is_replaced(suite: Path) -> None:
    head = 'description = "x"\nforks = ["lib"]\n'
    app = head + '[app]\ncopy = "plain"\n' + COMMIT
    scenario = load(suite, app + 'edits = [{ do = "copy", from = "plain/req.txt", path = "r" }]\n')
    sha = scenario.forks[0].sha("v1")
    first, second = scenario.trees(PYTHONS)
    assert text_of(first, "req.txt") == text_of(second, "r") == f"lib @ {sha}\n${{HOME}}\n"


def test_what_should_become_of_parts_of_the_cache(suite: Path) -> None:
    line = 'reuse = { packages = "reused", runtime = "discarded" }\n'
    _, second = load(suite, 'description = "x"\n' + APP + COMMIT + line).stages(PYTHONS)
    assert second.reuse == ReuseParts(
        packages=ReuseExpectation.REUSED, runtime=ReuseExpectation.DISCARDED
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('reuse = { package = "reused" }', "`packages`, perhaps"),
        ('reuse = { x = "reused" }', "one of `runtime`, `tools`, `packages`, `downloads`"),
        ("reuse = {}", "one of `runtime`, `tools`, `packages`, `downloads`"),
        ('reuse = { tools = "empty" }', "'reused' or 'discarded'"),
        ('reuse = "empty"', "'reused' or 'discarded'"),
    ],
)
def test_a_fault_says_which_parts_there_are(suite: Path, line: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load(suite, 'description = "x"\n' + APP + COMMIT + line + "\n")
    (problem,) = caught.value.problems
    assert problem.expected == expected


@pytest.mark.parametrize(("times", "expected"), [("commit", 1_646_136_000), ("now", None)])
def test_file_times(suite: Path, times: str, expected: int | None) -> None:
    axes = f'axes = {{ file_times = "{times}" }}\n'
    scenario = load(suite, 'description = "x"\n' + axes + APP + COMMIT)
    assert mtime(scenario.axes, scenario.stages(PYTHONS)[0]) == expected


def test_unchanged_rebuild_is_a_commit(suite: Path) -> None:
    first, second = load(suite, 'description = "x"\n' + APP + COMMIT).trees(PYTHONS)
    assert first == second


def test_python_that_is_not_at_hand_is_a_fault_of_the_line(suite: Path) -> None:
    edit = 'edits = [\n  { do = "append", path = "a.txt", text = "${python@other}" },\n]\n'
    scenario = load(suite, 'description = "x"\n' + APP + COMMIT + edit)
    assert scenario.python_slots() == {"other"}
    with pytest.raises(InputError, match=r"case\.toml:7: .*there is no Python `other`"):
        scenario.stages({"default": "3.12.1"})


def test_edit_that_hangs_on_a_version_is_a_fault_of_the_line(suite: Path) -> None:
    app = '[app]\nfiles = { "a.txt" = "${python@default}" }\n'
    edit = 'edits = [{ do = "replace", path = "a.txt", old = "3.11.7", new = "x" }]\n'
    scenario = load(suite, 'description = "x"\n' + app + COMMIT + edit)
    with pytest.raises(InputError, match=r"case\.toml:6: `old` is not in"):
        scenario.stages(PYTHONS)


EDITED_APP = """\
[app]
files = { "run" = "old" }
edits = [
  { do = "chmod", path = "run", executable = true },
  { do = "symlink", path = "link", target = "run" },
  { do = "copy", from = "lib@v2", path = "lib" },
  { do = "replace", path = "run", old = "old", new = "${python@default}" },
]
"""


def test_an_app_s_own_edits_are_done_before_the_first_build(suite: Path) -> None:
    scenario = load(suite, 'description = "x"\n' + EDITED_APP + COMMIT)
    assert scenario.python_slots() == {"default"}
    first, second = scenario.stages(PYTHONS)
    assert first.tree == second.tree
    assert first.tree.entries["run"] == File(data=b"3.12.1", executable=True)
    assert first.tree.entries["link"] == Link(target="run")
    assert text_of(first.tree, "lib/f.py") == "2"


def test_faults_of_an_app_s_own_edits_are_told_where_they_stand(suite: Path) -> None:
    app = EDITED_APP.replace("lib@v2", "lib@v9").replace('old = "old"', 'old = "gone"')
    found = faults(suite, 'description = "x"\n' + app + COMMIT)
    assert found == ["7: `lib` has no revision `v9`", '8: `old` is not in `run`: "gone"']


def test_an_app_of_edits_alone_is_one(suite: Path) -> None:
    app = '[app]\nedits = [{ do = "write-bytes", path = "a", base64 = "/w==" }]\n'
    (first, _) = load(suite, 'description = "x"\n' + app + COMMIT).stages({})
    assert first.tree.entries["a"] == File(data=b"\xff")


def test_the_buildpacks_of_a_commit_are_not_taken_for_the_app_s(suite: Path) -> None:
    app = APP.replace("[app]\n", '[app]\nbuildpacks = ["pack", "subject"]\n')
    same = COMMIT + 'buildpacks = ["pack", "subject"]\n'
    found = faults(suite, 'description = "x"\n' + app + same)
    assert [line.partition(": ")[2] for line in found] == ["these buildpacks already run"]


def fork_with_submodule(root: Path, name: str, pin: str) -> None:
    (root / name).mkdir(parents=True)
    text = f'description = "x"\nsubmodules = {{ sub = "{pin}" }}\n'
    (root / name / "repo.toml").write_text(text)
    (root / name / "own.py").write_text("own")


def test_submodules_files_are_copied_with_a_revision(suite: Path) -> None:
    fork_with_submodule(suite / "fixtures" / "repos", "outer", "lib@v2")
    head = 'description = "x"\nforks = ["outer", "lib"]\n'
    (first, _) = load(suite, head + '[app]\ncopy = "outer@v1"\n' + COMMIT).stages(PYTHONS)
    assert set(first.tree) == {".gitmodules", "own.py", "sub/f.py"}
    assert text_of(first.tree, "sub/f.py") == "2"


def test_submodule_that_nothing_serves_is_told(suite: Path) -> None:
    fork_with_submodule(suite / "fixtures" / "repos", "outer", "lib@v2")
    found = faults(suite, 'description = "x"\nforks = ["outer"]\n' + APP + COMMIT)
    assert found == ["2: `outer` has the submodule `lib`, which nothing serves"]


def test_submodule_of_another_folder_than_the_one_served_is_told(suite: Path) -> None:
    nearer = suite / "scenarios" / "fixtures" / "repos"
    (nearer / "lib").mkdir(parents=True)
    (nearer / "lib" / "repo.toml").write_text(FORK)
    (nearer / "lib" / "f.py").write_text("another")
    fork_with_submodule(suite / "fixtures" / "repos", "outer", "lib@v1")
    found = faults(suite, 'description = "x"\nforks = ["outer", "lib"]\n' + APP + COMMIT)
    assert found == ["2: `outer` has the submodule `lib`, but another `lib` is served"]


def test_all_faults_are_told_at_once(suite: Path) -> None:
    found = faults(
        suite,
        """\
descripton = "x"
forks = ["lib", "lob"]
[axes]
build_path = "old"
[app]
copy = "plian"
env = { "A B" = "x", C = 3 }
files = { "../x" = "a", ok = '''
${lib@v1}
${lib@nope} ${python@third}''' }
[[commits]]
message = ""
edits = [
  { do = "wrote", path = "x" },
  { path = "y" },
  { do = "write", path = "/abs", text = "x" },
  { do = "append", path = ".git/config", text = "${lob@v1}" },
  { do = "copy", from = "lib@v9", path = "z" },
]
branches = [{ fork = "lob", revision = "v1" }, { fork = "lib", revision = "v9" }]
[[commits]]
edits = "x"
expect = [{ path = "a", absent = true, contains = "x" }, { path = "/b", matches = "(" }]
""",
    )
    assert found == [
        "1: `description` is missing",
        "1: unknown key `descripton`",
        "2: there is no fork `lob`",
        '4: `build_path` is "old"',
        "6: there is no fixture `plian`",
        '7: `A B` is "A B"',
        "7: `C` is 3",
        "8: `../x` leaves the tree with `..`",
        "10: `${lib@nope}`: `lib` has no revision `nope`",
        "10: `${python@third}`: there is no Python `third`",
        "12: `message` is empty",
        '14: `do` is "wrote"',
        "15: `do` is missing",
        "16: `/abs` is absolute",
        "17: `.git/config` is inside a `.git`",
        "18: `lib` has no revision `v9`",
        "20: `lib` has no revision `v9`",
        "21: `message` is missing",
        '22: `edits` is "x"',
        "23: `/b` is absolute",
        "23: `contains` and `absent` cannot both be given",
        (
            "23: `matches` is not a regular expression:"
            " missing ), unterminated subpattern at position 0"
        ),
    ]


def test_edits_that_do_not_apply_are_told_and_not_what_follows_from_them(suite: Path) -> None:
    found = faults(
        suite,
        'description = "x"\n'
        + APP
        + COMMIT
        + """\
edits = [
  { do = "remove-lines", path = "a.txt", lines = ["three"] },
  { do = "append", path = "a.txt", text = "needs what the line above left" },
  { do = "delete", path = "b.txt" },
  { do = "symlink", path = "link", target = "a.txt" },
]
[[commits]]
message = "m"
edits = [{ do = "write", path = "link/x", text = "" }]
""",
    )
    assert found == [
        '7: `a.txt` has no line "three"',
        "9: there is no `b.txt`",
        "14: `link/x` goes through `link`, which is a symbolic link",
    ]


def test_edit_without_form_hides_only_its_own_file(suite: Path) -> None:
    edits = """\
edits = [
  { do = "wriet", path = "new.txt", text = "x" },
  { do = "append", path = "new.txt", text = "x" },
  { do = "append", path = "other.txt", text = "x" },
]
"""
    found = faults(suite, 'description = "x"\n' + APP + COMMIT + edits)
    assert found == ['7: `do` is "wriet"', "9: there is no `other.txt`"]


def test_edits_without_form_hide_what_comes_after(suite: Path) -> None:
    later = COMMIT + 'edits = [{ do = "append", path = "new.txt", text = "x" }]\n'
    found = faults(suite, 'description = "x"\n' + APP + COMMIT + 'edits = "x"\n' + later)
    assert found == ['6: `edits` is "x"']


def test_fault_of_a_fork_is_told_once_with_its_own_line(suite: Path) -> None:
    repo = suite / "fixtures" / "repos" / "lib" / "repo.toml"
    repo.write_text(FORK.replace('path = "f.py", text = "3"', 'path = "f.py", text = "2"'))
    files = '[app]\nfiles = { "a.txt" = "${lib@v1}" }\n'
    found = faults(suite, 'description = "x"\nforks = ["lib"]\n' + files + COMMIT)
    assert found == ["4: the edit changes nothing: `f.py` already has this content"]


WORLD = [
    ('branches = [{ fork = "lib", revision = "v1" }]', "`main` is already at `v1`"),
    ('branches = [{ fork = "plain", revision = "v1" }]', "the scenario has no fork `plain`"),
    ('branches = [{ fork = "lib", revision = "v2", branch = "main/x" }]', "`main/x` cannot exist"),
    ('tags = [{ fork = "lib", revision = "v1", tag = "v1.0" }]', "`v1.0` is already at `v1`"),
    ('tags = [{ fork = "lib", revision = "v9", tag = "v1.0" }]', "`lib` has no revision `v9`"),
    ('tags = [{ fork = "plain", revision = "v1", tag = "x" }]', "the scenario has no fork `plain`"),
    ('tags = [{ fork = "lib", revision = "v2", tag = "v1.0/x" }]', "`v1.0/x` cannot exist beside"),
    ('tags = [{ fork = "lib", revision = "v2", tag = "-x" }]', '`tag` is "-x"'),
    ('tags = [{ fork = "lib", revision = "v2" }]', "`tag` is missing"),
    ('releases = [{ fork = "lib", revision = "v1", do = "publish" }]', "`v1` is already published"),
    ('releases = [{ fork = "lib", revision = "v2", do = "yank" }]', "`v2` of `lib` is not publ"),
    ('releases = [{ fork = "lib", revision = "v2", do = "remove" }]', "`v2` of `lib` is not publ"),
    ('releases = [{ fork = "lib", revision = "v2", do = "republish" }]', "`replaces` is missing"),
    (
        'releases = [{ fork = "lib", revision = "v2", do = "republish", replaces = "v3" }]',
        "`v3` of `lib` is not published",
    ),
    (
        'releases = [{ fork = "lib", revision = "v2", do = "publish", replaces = "v1" }]',
        "`replaces` means nothing with `publish`",
    ),
    (
        'releases = [{ fork = "lib", revision = "v2", do = "publish", reason = "x" }]',
        "`reason` means nothing with `publish`",
    ),
    (
        (
            'releases = [{ fork = "lib", revision = "v1", do = "yank" },'
            ' { fork = "lib", revision = "v1", do = "yank" }]'
        ),
        "`v1` is already yanked",
    ),
    ('releases = [{ fork = "lib", revision = "v2", do = "unyank" }]', '`do` is "unyank"'),
    (
        'releases = [{ fork = "lib", revision = "v1", do = "remove", host = "a.example" }]',
        "`v1` of `lib` is not published at `a.example`",
    ),
    (
        'releases = [{ fork = "lib", revision = "v2", do = "publish", host = "http://a.b" }]',
        '`host` is "http://a.b"',
    ),
    ('env = { A = "1" }', "`A` already has this value"),
    ('env = { A = "x\\u0000" }', "`A` holds a NUL"),
    ('env = { A = "2" }\nunset = ["A"]', "`A` is set by the same commit"),
    ('unset = ["B"]', "`B` is not set"),
    ("stack = inf", "`stack` is inf"),
    ('stack = "Heroku 24"', '`stack` is "Heroku 24"'),
    ('buildpack = "v1"', "the buildpack is already `v1`"),
    ('buildpacks = ["subject"]', "these buildpacks already run"),
    ("buildpacks = []", "`buildpacks` is empty"),
    ('buildpacks = ["pack"]', "the buildpack under test is missing"),
    ('buildpacks = ["subject", "nope"]', "there is no fixture `nope`"),
    ('buildpacks = ["subject", "plain/sub"]', "there is no fixture `plain/sub`"),
    ('expect = [{ path = "x", executable = true, absent = true }]', "`executable` and `absent`"),
    ('expect = [{ path = "x", target = "y", absent = true }]', "`target` and `absent`"),
    ("clean = {}", "`clean` says nothing"),
    ("clean = 3", "`clean` is 3"),
    ('clean = { stack = "x" }', "unknown key `stack`"),
    ('clean = { env = { A = "1" } }', "`A` already has this value"),
    ('clean = { env = { B = "x\\u0000" } }', "`B` holds a NUL"),
    ('clean = { env = { B = "${lib@v9}" } }', "`lib` has no revision `v9`"),
    ('clean = { buildpack = "v1" }', "the buildpack is already `v1`"),
    (
        'buildpack = "subject"\nclean = { buildpack = "subject" }',
        "the buildpack is already `subject`",
    ),
    ('clean = { files = { "../x" = "" } }', "`../x` leaves the tree"),
    ('clean = { files = { "a.txt" = "one\\ntwo\\n" } }', "`a.txt` already has this content"),
    ('clean = { files = { "a.txt/b" = "" } }', "`a.txt/b` goes through `a.txt`, which is a file"),
    ('clean = { files = { b = "${lib@v9}" } }', "`lib` has no revision `v9`"),
    ("clean = { files = { b = 1 } }", "`b` is 1"),
    ('build = "maybe"', '`build` is "maybe"'),
    ('reuse = "empty"', '`reuse` is "empty"'),
    ("reuse = 3", "`reuse` is 3"),
    ('reuse = { packages = "empty" }', '`packages` is "empty"'),
    ('reuse = { package = "reused" }', "unknown key `package`"),
    ('reuse = { "[word]" = "reused" }', "unknown key `[word]`"),
    ("reuse = { packages = 2020-01-01 }", '`packages` is "2020-01-01"'),
    ("reuse = {}", "`reuse` names no part"),
    ('expect = [{ path = "../x" }]', "`../x` leaves the tree"),
    ('expect = [{ path = "x", contains = "${lib@v9}" }]', "`lib` has no revision `v9`"),
    ('run = [{ command = "x ${lib@v9}" }]', "`lib` has no revision `v9`"),
    ('run = [{ command = "x", matches = "(" }]', "`matches` is not a regular expression"),
    ('run = [{ command = "" }]', "`command` is empty"),
    ('run = [{ command = "x", status = 256 }]', "`status` is 256"),
    ('build = "fails"\nrun = [{ command = "x" }]', "`command` is run of what is deployed"),
    ("expect = [{ absent = true }]", "`expect[0]` does not say what it is about"),
    ("expect = [3]", "`expect[0]` is 3"),
    (
        'expect = [{ path = "x", log = { contains = "y" } }]',
        "`path` and `log` cannot both be given",
    ),
    ('expect = [{ reused = ["x"], anew = ["y"] }]', "`reused` and `anew` cannot both be given"),
    ('expect = [{ path = "x", in = "both" }]', '`in` is "both"'),
    ('expect = [{ log = "x" }]', '`log` is "x"'),
    ("expect = [{ log = {} }]", "`log` does not say what is in the log"),
    ("expect = [{ log = { absent = true } }]", "`log` does not say what is in the log"),
    ('expect = [{ log = { contains = "" } }]', "`contains` is empty"),
    ('expect = [{ log = { contain = "x" } }]', "unknown key `contain`"),
    ('expect = [{ log = { contains = "x", matches = "y" } }]', "`contains` and `matches` cannot"),
    ('expect = [{ log = { matches = "(" } }]', "`matches` is not a regular expression"),
    ('expect = [{ log = { contains = "${lib@v9}" } }]', "`lib` has no revision `v9`"),
    ('expect = [{ reasons = ["${lib@v9}"] }]', "`lib` has no revision `v9`"),
    ('expect = [{ reasons = "stack" }]', '`reasons` is "stack"'),
    ('expect = [{ reasons = [""] }]', "`reasons[0]` is empty"),
    ('expect = [{ reasons = [], in = "clean" }]', "`reasons` is about the cache, and a clean"),
    ('expect = [{ reused = ["x"], in = "clean" }]', "`reused` is about the cache, and a clean"),
    ('expect = [{ anew = ["x"], in = "clean" }]', "`anew` is about the cache, and a clean"),
    ("expect = [{ reused = [] }]", "`reused` is empty"),
    ('expect = [{ anew = ["x"], absent = true }]', "unknown key `absent`"),
    ('expect = [{ "[log]" = { contains = "x" } }]', "`expect[0]` does not say what it is about"),
    ('build = "fails"\nexpect = [{ path = "x" }]', "`path` is about what is deployed"),
    ("when = 2024-01-01", "unknown key `when`"),
    ("message2 = 1", "unknown key `message2`"),
    ("env = { A = 2024-01-01 }", "`A` is a date or a time"),
    ('edits = [{ do = "chmod", path = "a.txt", executable = "yes" }]', '`executable` is "yes"'),
    ('edits = [{ do = "chmod", path = "a.txt", executable = 1 }]', "`executable` is 1"),
    ('edits = [{ do = "replace", path = "a.txt", old = "one", new = "1", count = 0 }]', "`count`"),
    ('edits = [{ do = "replace", path = "a.txt", old = "", new = "1" }]', "`old` is empty"),
    ('edits = [{ do = "write", path = "a.txt" }]', "`text` is missing"),
    ('edits = [{ do = "write", path = "b", text = "", mode = 1 }]', "unknown key `mode`"),
    ('edits = [{ do = "copy", from = "../plain", path = "b" }]', "there is no fixture `..`"),
    ('edits = [{ do = "copy", from = "plain@v1", path = "b" }]', "`plain` has no revisions"),
    ('edits = [{ do = "copy", from = "plain/nope", path = "b" }]', "`plain` has no `nope`"),
]


@pytest.mark.parametrize(("line", "message"), WORLD)
def test_fault_of_a_commit(suite: Path, line: str, message: str) -> None:
    world = 'env = { A = "1" }\nbuildpack = "v1"\n'
    world += 'releases = [{ fork = "lib", revision = "v1", do = "publish" }]\n'
    found = faults(
        suite, 'description = "x"\nforks = ["lib"]\n' + APP + world + COMMIT + line + "\n"
    )
    assert len(found) == 1
    assert message in found[0]
    assert found[0].startswith(f"{10 + line.count(chr(10))}: ")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "1: `description` is missing"),
        ('description = "x"\n' + COMMIT, "1: `app` is missing"),
        ('description = "x"\n' + APP, "1: `commits` is missing"),
        ('description = "x"\ncommits = []\n' + APP, "2: `commits` is empty"),
        ('description = "x"\n[app]\n' + COMMIT, "2: the app has no files"),
        ('description = "x"\n' + APP + 'reuse = "reused"\n' + COMMIT, "4: unknown key `reuse`"),
        ('description = "x"\nforks = ["lib", "lib"]\n' + APP + COMMIT, "2: `lib` is listed twice"),
        ('description = "x"\nforks = ["plain"]\n' + APP + COMMIT, "2: there is no fork `plain`"),
        ('description = "x"\nforks = "lib"\n' + APP + COMMIT, '2: `forks` is "lib"'),
        ('description = "x"\nissue = "1316"\n' + APP + COMMIT, '2: `issue` is "1316"'),
        ('description = "x"\n[app]\ncopy = "plain"\n' + COMMIT, "3: in `req.txt`: `${lib@v1}`"),
        ('description = "x"\ndescription = "y"\n', "2: is not TOML"),
        ('description = "x\n', "1: is not TOML"),
        (
            'description = "x"\n' + APP + "expect = [{ reasons = [] }]\n" + COMMIT,
            "4: `reasons` is about the cache, and the first build has none",
        ),
        # A fault of one commit's hides none of another's.
        (
            'description = "x"\n'
            + APP
            + "expect = [{}]\n"
            + COMMIT
            + 'expect = [{ path = "/x" }]\n',
            "7: `/x` ",
        ),
        ("a = [" * 3000, ""),
    ],
)
def test_fault_of_a_file(suite: Path, text: str, fault: str) -> None:
    assert any(told.startswith(fault) for told in faults(suite, text))


def test_text_that_is_not_utf_8(suite: Path) -> None:
    path = write(suite, "")
    path.write_bytes(b'description = "x"\nissue = "\xff"\n')
    with pytest.raises(InputError, match=r"case\.toml:2: is not UTF-8"):
        load_scenario(path)


def test_lines_are_right_with_carriage_returns(suite: Path) -> None:
    path = write(suite, "")
    path.write_bytes(b'description = "x"\r\nnope = 1\r\n')
    with pytest.raises(InputError, match=r"case\.toml:2: unknown key `nope`"):
        load_scenario(path)


def test_scenarios_are_found_in_order_and_once(suite: Path) -> None:
    folder = suite / "scenarios"
    for name in (
        "b.toml",
        "a/z.toml",
        ".hidden/x.toml",
        "fixtures/repos/lib/repo.toml",
        "a/no.txt",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    found = find_scenarios([folder / "b.toml", folder, folder / "a" / ".." / "a"])
    assert found == (folder / "b.toml", folder / "a" / "z.toml")


def test_paths_without_a_scenario_are_told_together(suite: Path) -> None:
    (suite / "x.txt").write_text("")
    (suite / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        find_scenarios([suite / "nowhere", suite / "x.txt", suite / "empty"])
    assert {problem.message for problem in caught.value.problems} == {
        "is not there", "is not a TOML file", "holds no scenario"}  # fmt: skip


def test_faults_of_several_files_are_told_together(suite: Path) -> None:
    for name in ("a", "b"):
        (suite / "scenarios" / f"{name}.toml").write_text("x = 1\n" + APP + COMMIT)
    with pytest.raises(InputError) as caught:
        load_scenarios([suite / "scenarios"])
    assert len({problem.file for problem in caught.value.problems}) == 2


def test_own_fixtures_come_before_the_bundled_ones(suite: Path) -> None:
    path = write(suite, "")
    (suite / "fixtures" / "repos" / "django-app").mkdir()
    (suite / "fixtures" / "repos" / "django-app" / "mine").write_text("")
    found = fixtures_for(path)
    assert list(fixture_tree(found, "django-app")) == ["mine"]
    assert "setup.py" in fixture_tree(found, "forms@both")
    assert "repo.toml" not in fixture_tree(found, "forms")
    with pytest.raises(EditError, match="no fixture"):
        fixture_tree(found, "../../scenarios")


def test_bundled_scenarios_load_and_play() -> None:
    loaded = load_scenarios([bundled_scenarios()])
    assert {
        "requirements/nested-package-dropped",
        "forks/nested-fork-bumped",
        "forks/nested-fork-html-only",
        "package-data/data-file-removed",
        "editables/editable-to-archive",
        "toolchain/python-version-changed",
        "reuse/unchanged-rebuild",
    } <= {scenario.name for scenario in loaded}
    for scenario in loaded:
        stages = scenario.stages(SLOTS)
        assert len(stages) == len(scenario.commits) + 1
        assert any(stage.expect or stage.reuse or stage.run for stage in stages), scenario.name
