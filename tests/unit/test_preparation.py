"""What a classic build runs, in which folders, and what it leaves."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from harness.buildpacks import Buildpack, BuildpackKind, Member, Setting
from harness.buildpacks.classic import ClassicKind, ScalingoKind
from harness.buildpacks.preparation import Command, Content, Prefix, Preparation
from harness.errors import BuildpackError
from harness.trees.named import AfterFailure, CacheTree, ResultTree

KIND = ClassicKind()


def buildpack(
    folder: Path, *programs: str, kind: BuildpackKind = KIND, mode: int = 0o755
) -> Buildpack:
    for program in ("detect", "compile", *programs):
        path = folder / "bin" / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(mode if program in programs else 0o755)
    return Buildpack(spec=folder.name, folder=folder, revision="", kind=kind, digest="d")


def alone(folder: Path, *programs: str, mode: int = 0o755, **rest: Any) -> Setting:
    member = Member(name="", buildpack=buildpack(folder, *programs, mode=mode))
    return Setting(sequence=(member,), stack="heroku-22", **rest)


def test_a_build_detects_and_compiles(tmp_path: Path) -> None:
    prepared = KIND.prepare(alone(tmp_path / "bp"))
    assert [command.argv for command in prepared.commands] == [
        ("/tmp/buildpack/bin/detect", "/tmp/build_app"),
        ("/tmp/buildpack/bin/compile", "/tmp/build_app", "/tmp/cache", "/tmp/env"),
    ]
    assert all(command.decides and not command.always for command in prepared.commands)
    assert dict(prepared.env)["STACK"] == "heroku-22"
    assert dict(prepared.env)["HOME"] == prepared.cwd == "/app"


def test_it_reports_always_and_releases_last(tmp_path: Path) -> None:
    commands = KIND.prepare(alone(tmp_path / "bp", "report", "release")).commands
    assert [(one.name, one.decides, one.always) for one in commands] == [
        ("detect", True, False),
        ("compile", True, False),
        ("report", False, True),
        ("release", True, False),
    ]
    assert commands[2].argv[1:] == ("/tmp/build_app", "/tmp/cache", "/tmp/env")
    assert commands[3].argv[1:] == ("/tmp/build_app",)


def test_programs_that_cannot_be_run_are_left_out(tmp_path: Path) -> None:
    assert len(KIND.prepare(alone(tmp_path / "bp", "report", mode=0o644)).commands) == 2


def test_it_leaves_the_app_and_a_cache(tmp_path: Path) -> None:
    prepared = KIND.prepare(alone(tmp_path / "bp", build="x1"))
    assert prepared.results == (ResultTree(name="app", path="/tmp/build_x1"),)
    assert prepared.caches == (
        CacheTree(name="cache", path="/tmp/cache", after_failure=AfterFailure.AS_BEFORE),
    )
    assert prepared.mounts == ("/tmp", "/app")
    assert [(place.path, place.holds) for place in prepared.places[:2]] == [
        ("/tmp/build_x1", Content.APP),
        ("/tmp/env", Content.CONFIG_VARS),
    ]


def test_a_cache_apart_is_on_a_mount_of_its_own(tmp_path: Path) -> None:
    prepared = KIND.prepare(alone(tmp_path / "bp", cache_apart=True))
    assert [cache.path for cache in prepared.caches] == ["/cache/app"]
    assert prepared.mounts == ("/tmp", "/cache", "/app")


def test_a_scenario_may_have_what_a_failed_build_leaves_kept(tmp_path: Path) -> None:
    for after_failure in AfterFailure:
        prepared = KIND.prepare(alone(tmp_path / after_failure, after_failure=after_failure))
        assert [cache.after_failure for cache in prepared.caches] == [after_failure]


def test_a_cache_may_have_another_path_in_each_build(tmp_path: Path) -> None:
    for apart, path in ((False, "/tmp/cache_x1"), (True, "/cache/app_x1")):
        prepared = KIND.prepare(alone(tmp_path / path[1:], cache="x1", cache_apart=apart))
        assert [cache.path for cache in prepared.caches] == [path]


def test_a_ci_run_builds_where_the_app_runs_and_then_tests(tmp_path: Path) -> None:
    setting = alone(tmp_path / "bp", "test-compile", "test", "release", test_run="ab" * 32)
    prepared = KIND.prepare(setting)
    detect, compiled, test = prepared.commands
    assert detect.argv == ("/tmp/buildpack/bin/detect", "/app")
    program = "/tmp/buildpack/bin/test-compile"
    assert (compiled.name, compiled.argv) == (
        "test-compile", (program, "/app", "/tmp/cache", "/tmp/env"),
    )  # fmt: skip
    assert (test.name, test.argv[-2:]) == (
        "test", ("/tmp/buildpack/bin/test /app /tmp/env", "/tmp/env"),
    )  # fmt: skip
    # HOME is there, and what tools cache in it is no part of the app.
    assert prepared.results == (ResultTree(name="app", path="/app", not_deployed=(".cache",)),)
    assert prepared.launch is not None
    assert dict(prepared.config_vars) == {
        "CI": "true",
        "CI_NODE_INDEX": "0",
        "CI_NODE_TOTAL": "1",
        "HEROKU_TEST_RUN_BRANCH": "main",
        "HEROKU_TEST_RUN_COMMIT_VERSION": "ab" * 20,
        "HEROKU_TEST_RUN_ID": "abababab-abab-abab-abab-abababababab",
    }


def test_in_a_ci_run_what_cannot_build_for_tests_compiles(tmp_path: Path) -> None:
    commands = KIND.prepare(alone(tmp_path / "bp", test_run="ab" * 32)).commands
    assert [command.name for command in commands] == ["detect", "compile"]


def test_ci_is_offered_by_who_can_build_for_tests(tmp_path: Path) -> None:
    for kind, programs, offered in (
        (KIND, (), False),
        (KIND, ("test-compile",), True),
        (ScalingoKind(), ("test-compile",), False),
    ):
        folder = tmp_path / f"{kind.name}{len(programs)}"
        buildpack(folder, *programs)
        assert ("ci" in kind.features(folder)) is offered


def test_each_of_a_sequence_has_what_those_before_it_exported(tmp_path: Path) -> None:
    one, other = (
        Member(name=name, buildpack=buildpack(tmp_path / (name or "bp"))) for name in ("", "node")
    )
    prepared = KIND.prepare(Setting(sequence=(one, other, one), stack="s"))
    exports = ("/tmp/buildpack/export", "/tmp/buildpacks/node/export")
    assert [(command.name, command.sources) for command in prepared.commands] == [
        ("detect", ()),
        ("compile", ()),
        ("node:detect", exports[:1]),
        ("node:compile", exports[:1]),
        ("detect", exports),
        ("compile", exports),
    ]
    # The one that runs twice has one copy of its files.
    assert [place.path for place in prepared.places[2:]] == [
        "/tmp/buildpack", "/tmp/buildpacks/node",
    ]  # fmt: skip


class Other:
    name = "other"


def test_each_of_a_sequence_runs_by_its_own_kind(tmp_path: Path) -> None:
    strange = buildpack(tmp_path / "strange", kind=cast("BuildpackKind", Other()))
    member = Member(name="strange", buildpack=strange)
    with pytest.raises(BuildpackError, match="strange is a buildpack of the other kind"):
        KIND.prepare(Setting(sequence=(member,), stack="s"))


def test_another_platform_is_other_data(tmp_path: Path) -> None:
    kind = ScalingoKind()
    assert (kind.name, kind.stack) == ("scalingo", "scalingo-24")
    assert {route.host for route in kind.routes} & {"python-binaries.scalingo.com"}
    member = Member(name="", buildpack=buildpack(tmp_path / "bp", kind=kind))
    setting = Setting(sequence=(member,), stack=kind.stack)
    prepared = kind.prepare(setting)
    assert prepared.prefixes == (Prefix(ecosystem="python", path=".scalingo/python"),)
    assert prepared.results == KIND.prepare(setting).results


def test_a_tree_behind_a_folder_of_the_build_s_is_refused() -> None:
    made = Preparation(
        mounts=("/tmp",), places=(), commands=(), env=(), cwd="/",
        results=(ResultTree(path="/tmp/app"),), caches=(),
    )  # fmt: skip
    with pytest.raises(ValueError, match=re.escape("/tmp/a/b is neither")):
        replace(made, caches=(CacheTree(name="c", path="/tmp/a/b"),))
    with pytest.raises(ValueError, match="no result tree"):
        replace(made, results=(ResultTree(name="other", path="/tmp/app"),))


def test_what_a_build_is_known_by_says_all_but_where_its_files_are(tmp_path: Path) -> None:
    first = KIND.prepare(alone(tmp_path / "bp"))
    second = KIND.prepare(alone(tmp_path / "elsewhere" / "bp"))
    assert repr(first.identity) == repr(second.identity)
    others = (
        replace(first, mounts=("/tmp", "/app", "/x")),
        replace(first, commands=(Command(name="a", argv=("/b",)),)),
        replace(first, env=()),
        replace(first, cwd="/"),
        replace(first, caches=()),
        replace(first, results=(ResultTree(path="/tmp/other"),)),
        replace(first, places=first.places[1:]),
    )
    assert len({repr(each.identity) for each in (first, *others)}) == 1 + len(others)
