"""A build's key covers all that the build could see: each input changed in turn changes it."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest
from fake_sandboxes import nowhere
from python_stores import keep_tools
from runtimes import runtime

import harness
from harness.buildpacks import Setting
from harness.buildpacks.classic import ClassicKind
from harness.buildpacks.preparation import Command, Preparation
from harness.builds.inputs import Inputs
from harness.ecosystems.python.runtimes.on_demand import RuntimesOnDemand
from harness.ecosystems.python.runtimes.runtime import Runtime
from harness.ecosystems.python.runtimes.supply import RuntimeSupply
from harness.ecosystems.python.serving import PythonServing
from harness.ecosystems.python.tools.fetcher import Fetcher
from harness.ecosystems.serving import StandIn, Supplies, Workshop
from harness.internet import Request
from harness.internet.exchange import Answer, Asked
from harness.internet.recorder import Recorder
from harness.internet.routes import Routes
from harness.internet.tape import Tape, write_tape
from harness.internet.tape_index import TapeIndex, ToolFile
from harness.internet.upstream import Upstream
from harness.plugins.code_digest import NOT_BUILDING, code_digest
from harness.runs import inputs as inputs_module
from harness.runs.buildpacks import Buildpacks
from harness.runs.inputs import CommitInputs
from harness.runs.internet import CommitInternet
from harness.runs.plan import Commit, control, plan
from harness.runs.serving import CommitServing
from harness.runs.settings import Settings
from harness.sandboxes import Limits
from harness.scenarios.scenario import Scenario, load_scenario
from harness.scenarios.tree import File, Tree
from harness.scenarios.world import BranchTip, PublishedRelease, Tag
from harness.storage.store import Store
from harness.trees.named import AfterFailure

SCENARIO = """
description = "d"
forks = ["forms"]
[app]
message = "First"
files = { "requirements.txt" = "forms @ git+https://github.com/acme/forms@${forms@v1}\\n" }
[[commits]]
message = "Second"
[[commits.edits]]
do = "write"
path = "other.txt"
text = "x\\n"
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with wheels of the build tools: their content is what counts, not what is in it."""
    store = Store(root=tmp_path / "store")
    keep_tools(store, "pip==1.0")
    return store


@dataclass(frozen=True, kw_only=True)
class KeyedInputs:
    """A run's inputs; nothing is built, so a sandbox is no more than its identity here."""

    inputs: CommitInputs
    serving: CommitServing
    buildpacks: Buildpacks

    def key(self, commit: Commit) -> str:
        return self.inputs.key(commit)


@pytest.fixture
def bench(store: Store, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Makes benches."""
    with ExitStack() as exits:

        def make(
            *,
            sandbox: tuple[str, str, str] = ("docker", "", "i"),
            ecosystems: tuple[tuple[str, str], ...] = (("python", ""),),
            runtimes: tuple[Runtime, ...] | None = None,
            beyond: Recorder | Tape | None = None,
            tools: tuple[str, ...] = (),
            **settings: Any,
        ) -> KeyedInputs:
            folder = tmp_path / f"bench{len(list(tmp_path.glob('bench*')))}"
            fetcher = exits.enter_context(Fetcher(store, beyond))
            (folder / "served").mkdir(parents=True)
            python = PythonServing(
                Supplies(store=store, folder=folder / "served", pins=tools),
                fetcher,
                RuntimeSupply(
                    (runtime("3.11.2", tmp_path),) if runtimes is None else runtimes,
                    on_demand=RuntimesOnDemand(store, None),
                ),
            )
            buildpacks = Buildpacks(store, folder / "buildpacks")
            serving = CommitServing({"python": python}, buildpacks)
            internet = CommitInternet(
                serving,
                Workshop(sandbox=nowhere(folder), scratch=folder),
                folder=folder / "forks",
                beyond=beyond.identity if beyond else "",
            )
            inputs = CommitInputs(
                Settings(store=store, **settings),
                ecosystems=ecosystems,
                sandbox=sandbox,
                buildpacks=buildpacks,
                internet=internet,
            )
            return KeyedInputs(inputs=inputs, serving=serving, buildpacks=buildpacks)

        yield make


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    file = tmp_path / "scenarios" / "s.toml"
    file.parent.mkdir()
    file.write_text(SCENARIO)
    return load_scenario(file)


def asked(_revision: str | None) -> str:
    return "root-requirements"


@pytest.fixture
def commit(scenario: Scenario) -> Commit:
    (first, _) = plan(scenario, scenario.stages({}), buildpack=asked, digest=lambda _: "")
    return first.commit


def staged(commit: Commit, **changes: Any) -> Commit:
    return replace(commit, stage=replace(commit.stage, **changes))


def seen(commit: Commit, **changes: Any) -> Commit:
    return staged(commit, world=replace(commit.stage.world, **changes))


def other_tree(commit: Commit, path: str, file: File) -> Commit:
    return staged(commit, tree=Tree(entries={**commit.stage.tree.entries, path: file}))


def in_row(commit: Commit, *names: str, content: bytes = b"1") -> Commit:
    files = Tree(
        entries={
            "bin/detect": File(data=b"", executable=True),
            "bin/compile": File(data=content, executable=True),
        }
    )
    scenario = replace(commit.scenario, fixtures={"other": files, "third": files})
    return seen(replace(commit, scenario=scenario), buildpacks=names)


SHA = "1" * 40
COMMITS: dict[str, Callable[[Commit], Commit]] = {
    "app": lambda c: other_tree(c, "requirements.txt", File(data=b"other")),
    "app: a mode": lambda c: other_tree(c, "requirements.txt", File(
        data=c.stage.tree.entries["requirements.txt"].data, executable=True)),
    "app: a file more": lambda c: other_tree(c, "empty", File(data=b"")),
    "mtime": lambda c: replace(c, mtime=5),
    "mtime: now": lambda c: replace(c, mtime=None),
    "preparation: another build dir": lambda c: replace(c, build="elsewhere"),
    "cache_apart": lambda c: replace(c, cache_apart=True),
    "cache": lambda c: replace(c, cache="elsewhere"),
    "test_run": lambda c: replace(c, test_run="a" * 64),
    "after_failure": lambda c: replace(c, after_failure=AfterFailure.AS_LEFT),
    "row: the buildpack twice": lambda c: in_row(c, "subject", "subject"),
    "row: another after it": lambda c: in_row(c, "subject", "other"),
    "row: another before it": lambda c: in_row(c, "other", "subject"),
    "row: another's content": lambda c: in_row(c, "subject", "other", content=b"2"),
    "row: another's name": lambda c: in_row(c, "subject", "third"),
    "env": lambda c: seen(c, env=(("A", "1"),)),
    "stack": lambda c: seen(c, stack="heroku-18"),
    "buildpack": lambda c: replace(c, buildpack="every-input"),
    "internet: a branch moved": lambda c: seen(c, branches=(
        replace(c.stage.world.branches[0], sha=SHA), *c.stage.world.branches[1:])),
    "internet: a branch more": lambda c: seen(c, branches=(*c.stage.world.branches,
        BranchTip(fork="forms", branch="new", revision="v1", sha=SHA))),
    "internet: a tag": lambda c: seen(c, tags=(
        Tag(fork="forms", tag="new", revision="v1", sha=SHA),)),
    "internet: a tag moved": lambda c: seen(c, tags=(
        Tag(fork="forms", tag="new", revision="v1", sha="2" * 40),)),
    "internet: a release": lambda c: seen(c, releases=(
        PublishedRelease(fork="forms", revision="v1", sha=SHA),)),
    "internet: a release of another source": lambda c: seen(c, releases=(
        PublishedRelease(fork="forms", revision="v1", sha="2" * 40),)),
    "internet: a yanked release": lambda c: seen(c, releases=(
        PublishedRelease(fork="forms", revision="v1", sha=SHA, yanked=""),)),
    "internet: a release in one index": lambda c: seen(c, releases=(
        PublishedRelease(fork="forms", revision="v1", sha=SHA, host="index.example.com"),)),
    "internet: a fork less": lambda c: replace(c, scenario=replace(c.scenario, forks=())),
    "internet: a revision less": lambda c: replace(c, scenario=replace(c.scenario, forks=tuple(
        replace(fork, revisions=fork.revisions[:-1]) for fork in c.scenario.forks))),
}  # fmt: skip
SESSIONS: dict[str, dict[str, Any]] = {
    "the sandbox": {"sandbox": ("bubblewrap", "", "i")},
    "the sandbox's code": {"sandbox": ("docker", "another", "i")},
    "an ecosystem's code": {"ecosystems": (("python", "another"),)},
    "the image": {"sandbox": ("docker", "", "j")},
    "limits: memory": {"limits": Limits(memory=1)},
    "limits: processes": {"limits": Limits(processes=1)},
    "limits: output": {"limits": Limits(output=1)},
    "limits: file_size": {"limits": Limits(file_size=1)},
    "what is compared": {"compare": ("more",)},
    "internet: a tool more": {"tools": ("pip==1.0",)},
    "internet: no runtime": {"runtimes": ()},
}


@pytest.mark.parametrize("change", COMMITS.values(), ids=COMMITS)
def test_a_change_of_the_commit_changes_the_key(
    bench: Callable[..., Any], commit: Commit, change: Callable[..., Any]
) -> None:
    session = bench()
    assert session.key(change(commit)) != session.key(commit)


@pytest.mark.parametrize("change", SESSIONS.values(), ids=SESSIONS)
def test_a_change_of_what_the_run_is_asked_to_use_changes_the_key(
    bench: Callable[..., Any],
    commit: Commit,
    change: dict[str, Any],
) -> None:
    assert bench(**change).key(commit) != bench().key(commit)


def test_each_change_is_different_from_each_other(
    bench: Callable[..., Any], commit: Commit
) -> None:
    digests = [bench().key(change(commit)) for change in COMMITS.values()]
    digests += [bench(**change).key(commit) for change in SESSIONS.values()]
    assert len(set(digests)) == len(COMMITS) + len(SESSIONS)


def test_another_content_under_the_same_names_changes_the_key(
    bench: Callable[..., Any], commit: Commit, store: Store, tmp_path: Path
) -> None:
    first = bench().key(commit)
    assert bench(runtimes=(runtime("3.11.2", tmp_path, content="b"),)).key(commit) != first
    (wheel,) = store.tools.glob("pip-25*/*.whl")
    wheel.write_bytes(b"another pip")
    assert bench().key(commit) != first


@pytest.fixture
def tape(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens tapes that hold one answer each."""
    with ExitStack() as exits:

        def opened(content: bytes = b"a", *, wheel: bool = False, **changes: Any) -> Tape:
            name = hashlib.sha256(content).hexdigest()
            file = tmp_path / name
            file.write_bytes(content)
            asked = replace(Asked(url="https://a.example.com/", method="GET"), **changes)
            answer = Answer(status=200, headers=(), sha256=name, size=len(content))
            wheels = [ToolFile(set="x-1", name="x-1.whl", sha256=name, size=len(content))]
            index = TapeIndex(answers={asked: answer}, tools=tuple(wheels[:wheel]))
            number = len(list(tmp_path.glob("*.tape")))
            path = tmp_path / f"{number}.tape"
            write_tape(path, index, lambda _: file)
            return exits.enter_context(Tape.open(path, tmp_path / f"unpacked{number}"))

        yield opened


def recorder(folder: Path, tape: Tape | None = None) -> Recorder:
    return Recorder(tape, folder=folder, upstream=Upstream({}), routes=Routes())


def test_what_a_tape_could_answer_is_in_the_key(
    bench: Callable[..., Any], commit: Commit, tape: Callable[..., Any]
) -> None:
    tapes = [
        None, tape(), tape(b"another body"), tape(url="https://b.example.com/"),
        tape(method="POST"), tape(accept="x"), tape(git_protocol="version=2"),
        tape(credentials=True), tape(body="1" * 64),
    ]  # fmt: skip
    digests = [bench(beyond=each).key(commit) for each in tapes]
    assert len(set(digests)) == len(tapes)


def test_the_same_tape_is_the_same_wherever_it_lies(
    bench: Callable[..., Any], commit: Commit, tape: Callable[..., Any]
) -> None:
    digests = {bench(beyond=each).key(commit) for each in (tape(), tape())}
    assert len(digests) == 1
    # Wheels that no build is offered change nothing.
    assert {bench(beyond=tape(wheel=True)).key(commit)} == digests


def test_a_wheel_on_the_tape_is_offered_in_place_of_the_store_s(
    bench: Callable[..., Any], commit: Commit, tape: Callable[..., Any], tmp_path: Path
) -> None:
    first = bench(beyond=tape()).key(commit)
    wheel = tmp_path / "wheel"
    wheel.write_bytes(b"another pip")
    digest = hashlib.sha256(b"another pip").hexdigest()
    index = TapeIndex(
        answers=tape().index.answers,
        tools=(
            ToolFile(set="pip-25.0.1", name="pip-25.0.1-py3-none-any.whl", sha256=digest, size=11),
        ),
    )
    files = {digest: wheel}
    path = tmp_path / "with-pip.tape"
    write_tape(path, index, lambda sha256: files.get(sha256, tmp_path / sha256))
    with Tape.open(path, tmp_path / "with-pip") as with_pip:
        assert bench(beyond=with_pip).key(commit) != first


def test_a_recording_s_builds_are_nobody_else_s(
    bench: Callable[..., Any], commit: Commit, tape: Callable[..., Any], tmp_path: Path
) -> None:
    before = tape()
    digests = [
        bench(beyond=each).key(commit)
        for each in (
            None, before, recorder(tmp_path / "1"), recorder(tmp_path / "2"),
            recorder(tmp_path / "3", before), recorder(tmp_path / "4", before),
        )
    ]  # fmt: skip
    assert len(set(digests)) == len(digests)


def test_another_content_of_the_buildpack_changes_the_key(
    bench: Callable[..., Any], commit: Commit, tmp_path: Path
) -> None:
    folder = tmp_path / "buildpack"
    (folder / "bin").mkdir(parents=True)
    for name in ("detect", "compile"):
        (folder / "bin" / name).write_text("#!/bin/sh\n")
        (folder / "bin" / name).chmod(0o755)
    commit = replace(commit, buildpack=str(folder))
    first = bench().key(commit)
    (folder / "bin" / "compile").write_text("#!/bin/sh\ntrue\n")
    second = bench().key(commit)
    (folder / "bin" / "compile").chmod(0o644)
    assert len({first, second, bench().key(commit)}) == 3


def test_another_code_of_the_kind_and_another_recipe_change_the_key(
    bench: Callable[..., Any], commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, keys = bench(), []
    given = one.buildpacks.get(commit.buildpack)
    for changed in ({}, {"kind_identity": "another"}, {"kind": Wordy()}):
        buildpack = replace(given, **changed)
        monkeypatch.setattr(one.buildpacks, "get", lambda _, buildpack=buildpack: buildpack)
        keys.append(one.key(commit))
    assert len(set(keys)) == 3


class Wordy(ClassicKind):
    """Runs one command more, by whatever it was told to."""

    def prepare(self, setting: Setting) -> Preparation:
        given = super().prepare(setting)
        return replace(given, commands=(*given.commands, Command(name="more", argv=("true",))))


def test_every_input_of_a_build_is_among_what_was_changed() -> None:
    changed = {name.partition(":")[0] for name in (*COMMITS, *SESSIONS)}
    assert {field.name for field in fields(Inputs)} <= {*changed, "limits"}
    # Time alone is no input: a build that its time limit ended is not stored.
    limits = {name.removeprefix("limits: ") for name in SESSIONS if name.startswith("limits")}
    assert {field.name for field in fields(Limits)} - {"seconds"} == limits


def test_what_is_served_under_another_version_is_in_the_key(
    bench: Callable[..., Any], commit: Commit, tmp_path: Path
) -> None:
    at_hand = runtime("3.11.2", tmp_path)
    at_hand.zst.write_bytes(b"zst")
    at_hand.gz.write_bytes(b"gz")
    (tmp_path / "known/bin").mkdir(parents=True)
    for name, text in (("compile", 'LATEST_PYTHON_3_11="3.11.9"\n'), ("detect", "")):
        (tmp_path / "known/bin" / name).write_text(text)
    one = bench(runtimes=(at_hand,))
    commit = replace(commit, buildpack=str(tmp_path / "known"))

    def served(version: str, **changes: Any) -> str:
        file = File(data=f"{version}\n".encode())
        asking = replace(other_tree(commit, ".python-version", file), **changes)
        (served,) = one.serving.served(asking)
        paths = {download.path for download in served.downloads}
        assert (f"/python-{version}.tar.zst" in paths) == (version != "3.11.10")
        # The app's own files set apart: what counts is what could be downloaded.
        return served.digest

    exact, earlier, refused = served("3.11.2"), served("3.11.1"), served("3.11.10")
    assert len({exact, earlier, refused}) == 2  # the latest is served in each
    assert exact == refused
    # What an earlier commit asked for, its cache may ask for again.
    before = other_tree(commit, ".python-version", File(data=b"3.11.1\n"))
    assert served("3.11.2", before=before) == earlier
    assert one.serving.stand_ins(before, ()) == ()
    host = "https://runtimes.cache-harness.invalid"
    asked_for = [
        Request(method="GET", url=f"{host}/python-3.11.1.tar.zst", status=200),
        Request(method="GET", url=f"{host}/python-3.11.2.tar.zst", status=200),
        Request(method="GET", url=f"{host}/python-3.11.9.tar.zst", status=404),
    ]
    assert one.serving.stand_ins(before, asked_for) == (StandIn(asked="3.11.1", served="3.11.2"),)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: staged(c, message="another", time=7, index=3),
        lambda c: replace(c, scenario=replace(c.scenario, name="t", description="another")),
    ],
)
def test_what_no_build_can_see_does_not(
    bench: Callable[..., Any], commit: Commit, change: Callable[..., Any]
) -> None:
    session = bench()
    assert session.key(change(commit)) == session.key(commit)


def test_it_is_the_same_in_each_run(bench: Callable[..., Any], commit: Commit) -> None:
    assert bench().key(commit) == bench().key(commit)
    assert bench(limits=Limits(seconds=5)).key(commit) == bench().key(commit)


def test_the_cache_and_the_repetition_are_in_the_key(
    bench: Callable[..., Any], scenario: Scenario
) -> None:
    first, second = plan(scenario, scenario.stages({}), buildpack=asked, digest=bench().key)
    keys = {first.clean.key, second.clean.key, second.cached.key, control(second.clean).key}
    assert len(keys) == 4


def test_the_harness_s_own_code_is_in_the_key(
    bench: Callable[..., Any], commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench().key(commit)
    monkeypatch.setattr(inputs_module, "code_digest", lambda **_: "another")
    assert bench().key(commit) != first


def test_code_that_only_judges_is_told_apart() -> None:
    package = Path(harness.__file__).parent
    assert all((package / part).exists() for part in NOT_BUILDING)
    assert code_digest(without=NOT_BUILDING) != code_digest()
    building = {"builds", "storage", "trees", "verdicts/expectations.py"}
    assert not building & set(NOT_BUILDING)
    assert all((package / part).exists() for part in building)


def test_a_tool_that_the_app_asks_for_is_none(bench: Callable[..., Any], commit: Commit) -> None:
    serving = bench(tools=("pip==1.0",)).serving
    assert {"pip", "setuptools", "wheel", "flit-core", "poetry"} <= serving.tools(commit)
    asking = other_tree(commit, "requirements/more.txt", File(data=b"Wheel==0.1\nflit_core\n"))
    assert serving.tools(commit) - serving.tools(asking) == {"wheel", "flit-core"}
