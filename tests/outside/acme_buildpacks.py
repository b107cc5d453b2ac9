"""A kind of buildpack that the harness knows nothing of, as another distribution would bring it.

Its API is one program, `build.acme APP LAYERS KEPT VARS`, and it leaves two trees.
"""

from collections.abc import Iterator
from pathlib import Path

from harness.buildpacks import Member, Setting
from harness.buildpacks.preparation import Command, Content, Copy, Launch, Place, Preparation
from harness.ecosystems.route import Route
from harness.errors import BuildpackError
from harness.trees.named import AfterFailure, CacheTree, ResultTree

PROGRAM = "build.acme"
APP, LAYERS, KEPT, VARS = "/acme/app", "/acme/layers", "/kept/all", "/tools/vars"


class AcmeKind:
    """See `harness.buildpacks.BuildpackKind`."""

    name = "acme"
    fallback = False
    ecosystems: tuple[str, ...] = ("acme",)
    stack = "acme-1"
    routes: tuple[Route, ...] = ()

    def features(self, _folder: Path) -> frozenset[str]:
        return frozenset({"sequence", "failed-build-cache", "run"})

    def recognises(self, folder: Path) -> bool:
        return (folder / PROGRAM).is_file()

    def prepare(self, setting: Setting) -> Preparation:
        members = {f"/tools/{one.name or 'own'}": one for one in setting.sequence}
        return Preparation(
            mounts=("/acme", "/kept", "/tools"),
            places=(
                Place(path=APP, holds=Content.APP),
                Place(path=LAYERS, holds=Content.NOTHING),
                Place(path=VARS, holds=Content.CONFIG_VARS),
                *(
                    Place(path=path, holds=Copy(folder=_files(one), identity=one.identity))
                    for path, one in members.items()
                ),
            ),
            commands=tuple(_commands(members)),
            env=(("STACK", setting.stack),),
            cwd="/acme",
            results=(ResultTree(path=APP), ResultTree(name="layers", path=LAYERS)),
            caches=(
                CacheTree(
                    name="kept",
                    path=KEPT,
                    after_failure=setting.after_failure or AfterFailure.AS_BEFORE,
                ),
            ),
            launch=Launch(
                places=(("app", "/srv"), ("layers", "/layers")),
                start=("/bin/sh", "-c"),
                env=(("PATH", "/usr/bin:/bin"),),
                cwd="/srv",
            ),
        )

    def reasons(self, log: str) -> tuple[str, ...]:
        return tuple(line[2:] for line in log.splitlines() if line.startswith("! "))


def _files(member: Member) -> Path:
    if not isinstance(member.buildpack.kind, AcmeKind):
        raise BuildpackError(
            f"{member.buildpack.spec} is a buildpack of the {member.buildpack.kind.name} kind",
            hint="list only buildpacks of the acme kind",
        )
    return member.buildpack.folder


def _commands(members: dict[str, Member]) -> Iterator[Command]:
    for path, member in members.items():
        argv = ("/bin/sh", "-eu", f"{path}/{PROGRAM}", APP, LAYERS, KEPT, VARS)
        yield Command(name=f"{member.name}:build" if member.name else "build", argv=argv)
