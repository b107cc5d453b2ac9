"""What every kind of buildpack does, whoever brings it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from benches import Stack
from traces import need

from harness.buildpacks import Buildpack, BuildpackKind, Member, Setting
from harness.buildpacks.preparation import Content, Copy, Preparation
from harness.buildpacks.registry import kind_of, kinds
from harness.builds.inputs import Inputs
from harness.builds.result import Build
from harness.builds.run import Machine, run_build
from harness.errors import BuildpackError
from harness.internet import Internet
from harness.runs.machine import make_machine
from harness.runs.workspace import Workspace
from harness.sandboxes.registry import SandboxSettings, backend, open_sandbox
from harness.scenarios.tree import File, Tree
from harness.storage.store import Store
from harness.trees.named import APP, AfterFailure

KINDS = ("acme", "classic", "scalingo")
WRITES = """
test -f "$app/app.txt"
test "$(cat "$vars/GREETING")" = hello
test -n "$STACK"
cat "$kept/count" 2>/dev/null >"$app/before" || echo none >"$app/before"
echo "$(($(cat "$kept/count" 2>/dev/null || echo 0) + 1))" >"$kept/count"
test ! -f "$app/fails"
"""


@dataclass(frozen=True, kw_only=True)
class KindBench:
    """How a buildpack of a kind is written whose build is a shell script.

    Attributes:
        file: The program that the kind runs.
        names: What it names the arguments that it is given: `app`, `kept` and `vars` among them.
        beside: Other files that make it a buildpack.
    """

    file: str
    names: tuple[str, ...]
    beside: tuple[str, ...] = ()
    mark: str = ""

    def write(self, folder: Path, script: str) -> Path:
        """Makes the folder of a buildpack."""
        named = " ".join(f"{name}=${number}" for number, name in enumerate(self.names, start=1))
        text = f"#!/bin/sh\n# {self.mark}\nset -eu\n{named}\n{script}"
        for name in (*self.beside, self.file):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text if name == self.file else "#!/bin/sh\n")
            path.chmod(0o755)
        return folder


CLASSIC = KindBench(file="bin/compile", names=("app", "kept", "vars"), beside=("bin/detect",))
BENCHES = {
    "acme": KindBench(file="build.acme", names=("app", "layers", "kept", "vars")),
    "classic": replace(CLASSIC, mark=".heroku"),
    "scalingo": replace(CLASSIC, mark="/app/.scalingo"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> BuildpackKind:
    return {one.kind.name: one.kind for one in kinds()}[str(request.param)]


Write = Callable[..., Member]


@pytest.fixture
def member(kind: BuildpackKind, tmp_path: Path) -> Write:
    """Makes a member of a sequence: a buildpack of the kind whose build is a script."""

    def made(script: str = WRITES, name: str = "") -> Member:
        folder = BENCHES[kind.name].write(tmp_path / f"buildpack-{name}", script)
        buildpack = Buildpack(spec="given", folder=folder, revision="", kind=kind, digest=script)
        return Member(name=name, buildpack=buildpack)

    return made


def setting(kind: BuildpackKind, *members: Member) -> Setting:
    return Setting(sequence=members, stack=kind.stack)


def test_there_is_a_bench_for_each() -> None:
    assert sorted(one.kind.name for one in kinds()) == sorted(BENCHES) == sorted(KINDS)


def test_it_knows_its_own_buildpacks(kind: BuildpackKind, member: Write, tmp_path: Path) -> None:
    own = member().buildpack.folder
    assert kind.recognises(own)
    assert kind_of(own, spec="given").kind.name == kind.name
    empty = tmp_path / "empty"
    empty.mkdir()
    assert not kind.recognises(empty)


def test_the_same_setting_is_prepared_alike_wherever_files_are(
    kind: BuildpackKind, member: Write, tmp_path: Path
) -> None:
    one = member()
    prepared = kind.prepare(setting(kind, one))
    assert repr(prepared.identity) == repr(kind.prepare(setting(kind, one)).identity)
    moved = tmp_path / "elsewhere"
    one.buildpack.folder.rename(moved)
    other = replace(one, buildpack=replace(one.buildpack, folder=moved))
    assert repr(kind.prepare(setting(kind, other)).identity) == repr(prepared.identity)
    assert str(tmp_path) not in repr(prepared.identity)


def test_another_buildpack_is_prepared_otherwise(kind: BuildpackKind, member: Write) -> None:
    first = repr(kind.prepare(setting(kind, member("one\n"))).identity)
    assert first != repr(kind.prepare(setting(kind, member("two\n"))).identity)


def test_what_runs_and_what_is_compared_lies_below_a_mount(
    kind: BuildpackKind, member: Write
) -> None:
    prepared = kind.prepare(setting(kind, member()))
    paths = [place.path for place in prepared.places]
    paths += [tree.path for tree in prepared.results]
    paths += [cache.path for cache in prepared.caches]
    assert [path for path in paths if not path.startswith(prepared.mounts)] == []
    assert APP in {tree.name for tree in prepared.results}
    assert len({tree.name for tree in prepared.results}) == len(prepared.results)
    assert len({each.name for each in prepared.caches}) == len(prepared.caches) > 0
    assert [place.holds for place in prepared.places].count(Content.APP) == 1


def test_the_axes_that_it_heeds_are_among_its_features(kind: BuildpackKind, member: Write) -> None:
    one = member()
    plain = setting(kind, one)
    axes = {
        "new-build-path": replace(plain, build="other"),
        "new-cache-path": replace(plain, cache="other"),
        "cache-mount": replace(plain, cache_apart=True),
    }
    features = kind.features(one.buildpack.folder)
    told = {name: repr(kind.prepare(each).identity) for name, each in axes.items()}
    same = repr(kind.prepare(plain).identity)
    assert {name for name, each in told.items() if each != same} == features & axes.keys()
    for after in AfterFailure:
        caches = kind.prepare(replace(plain, after_failure=after)).caches
        heeded = {each.after_failure for each in caches} == {after}
        assert heeded or "failed-build-cache" not in features
    assert (kind.prepare(plain).launch is not None) is ("run" in features)


def test_buildpacks_run_in_the_order_of_the_sequence(kind: BuildpackKind, member: Write) -> None:
    if "sequence" not in kind.features(member().buildpack.folder):
        return
    for names in (("", "later"), ("later", "")):
        prepared = kind.prepare(setting(kind, *(member(name=name) for name in names)))
        copies = [place for place in prepared.places if isinstance(place.holds, Copy)]
        assert len(copies) == 2
        order = dict.fromkeys(one.name.partition(":")[0] == "later" for one in prepared.commands)
        assert [*order] == [name == "later" for name in names]


def test_it_does_not_run_beside_one_of_another_api(kind: BuildpackKind, member: Write) -> None:
    class Other:
        name = "other"

    own = member()
    foreign = replace(own.buildpack, spec="the-other", kind=cast("BuildpackKind", Other()))
    with pytest.raises(BuildpackError, match=r"the-other .* the other kind"):
        kind.prepare(setting(kind, own, Member(name="other", buildpack=foreign)))


def test_a_log_that_says_nothing_gives_no_reasons(kind: BuildpackKind) -> None:
    assert kind.reasons("") == ()
    assert kind.reasons("Installing\n" * 3) == ()


# --- in a sandbox ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    need("bubblewrap")
    folder = tmp_path_factory.mktemp("machine")
    with Workspace.open(Store(root=folder / "store")) as workspace:
        settings = SandboxSettings(
            image=backend("bubblewrap").named_image(str(stack.rootfs)),
            run=workspace.id,
            scratch=workspace.scratch("bubblewrap"),
        )
        sandbox = open_sandbox("bubblewrap", settings)
        yield make_machine(sandbox, folder, (), None)
        sandbox.close()


Run = Callable[..., tuple[Preparation, Build]]


@pytest.fixture
def run(kind: BuildpackKind, member: Write, machine: Machine, tmp_path: Path) -> Run:
    """Builds an app with a buildpack of the kind, in a folder of its own."""

    def built(name: str, *, given: Build | None = None, **files: str) -> tuple[Preparation, Build]:
        prepared = kind.prepare(setting(kind, member()))
        entries = {path.replace("_", "."): File(data=text.encode()) for path, text in files.items()}
        inputs = Inputs(
            app=Tree(entries=entries),
            mtime=None,
            preparation=prepared,
            internet=Internet(),
            env=(("GREETING", "hello"),),
        )
        caches = partial(_restore, given) if given else None
        return prepared, run_build(inputs, machine, folder=tmp_path / name, caches=caches)

    return built


def _restore(build: Build, name: str, folder: Path) -> None:
    build.caches[name].rename(folder)


@pytest.mark.image
@pytest.mark.bubblewrap
def test_a_build_finds_the_app_the_config_vars_and_what_the_one_before_left(run: Run) -> None:
    prepared, first = run("first", app_txt="x")
    assert first.outcome.passed, first.log.read_text()
    assert first.trees.keys() == {tree.name for tree in prepared.results}
    assert first.caches.keys() == {cache.name for cache in prepared.caches}
    assert (first.trees[APP] / "app.txt").read_text() == "x"
    assert (first.trees[APP] / "before").read_text() == "none\n"
    _, second = run("second", given=first, app_txt="x")
    assert second.outcome.passed, second.log.read_text()
    assert (second.trees[APP] / "before").read_text() == "1\n"


@pytest.mark.image
@pytest.mark.bubblewrap
def test_a_build_that_fails_says_in_which_command(run: Run) -> None:
    prepared, build = run("failing", app_txt="x", fails="x")
    assert not build.outcome.passed
    assert build.failed in {command.name for command in prepared.commands}
