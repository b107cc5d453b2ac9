"""The classic buildpack API: `bin/detect`, `bin/compile BUILD CACHE ENV`, `bin/release`.

Source: https://devcenter.heroku.com/articles/buildpack-api
"""

import re
from dataclasses import replace
from pathlib import Path

from harness.buildpacks import Member, Setting, ci_run
from harness.buildpacks.dyno import LANG, PATH, launch
from harness.buildpacks.platform import HEROKU, SCALINGO, Platform
from harness.buildpacks.preparation import (
    Command,
    Content,
    Copy,
    Place,
    Prefix,
    Preparation,
)
from harness.buildpacks.programs import has_program
from harness.ecosystems.route import Route
from harness.errors import BuildpackError
from harness.trees.named import CacheTree, ResultTree

_PROGRAMS = ("detect", "compile")
_FEATURES = frozenset(
    {"sequence", "new-build-path", "new-cache-path", "cache-mount", "failed-build-cache", "run"}
)
_LONGEST_REASON = 1000
_BUNDLED = "cache: discarded: "
_CHANGED = re.compile(r"\bchanged\b")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class ClassicKind:
    """Buildpacks of the classic API on a platform.

    For another platform it takes a subclass with another `name` and `platform`.
    """

    name = "classic"
    platform: Platform = HEROKU
    ecosystems: tuple[str, ...] = ("python",)

    @property
    def fallback(self) -> bool:
        """Whether a kind of more than this API is preferred."""
        return type(self) is ClassicKind

    @property
    def stack(self) -> str:
        """The platform's stack."""
        return self.platform.stack

    @property
    def routes(self) -> tuple[Route, ...]:
        """What buildpacks of the platform download."""
        return self.platform.routes

    def features(self, folder: Path) -> frozenset[str]:
        """What the API and the platform have; `ci` where the buildpack has a `bin/test-compile`."""
        tests = self.platform.test_vars and has_program(folder, ci_run.COMPILE)
        return _FEATURES | ({"ci"} if tests else set())

    def recognises(self, folder: Path) -> bool:
        """Whether `bin/detect` and `bin/compile` are there, and are meant for the platform."""
        programs = [folder / "bin" / program for program in _PROGRAMS]
        if not all(program.is_file() for program in programs):
            return False
        mark = self.platform.mark.encode()
        return mark in programs[-1].read_bytes()

    def prepare(self, setting: Setting) -> Preparation:
        """The buildpacks of a sequence, one after the other, on one build dir and one cache dir.

        Args:
            setting: The buildpacks, and what else decides.

        Raises:
            BuildpackError: One of them has another API.
        """
        platform = self.platform
        build = platform.build.format(build=setting.build)
        if setting.test_run:
            build = platform.home
        cache = platform.cache_apart if setting.cache_apart else platform.cache
        if setting.cache:
            cache += f"_{setting.cache}"
        arguments = (build, cache, platform.env)
        places = [
            Place(path=build, holds=Content.APP),
            Place(path=platform.env, holds=Content.CONFIG_VARS),
        ]
        commands: list[Command] = []
        tests: list[Command] = []
        exports: list[str] = []
        for member in setting.sequence:
            self._check(member)
            folder = f"{platform.others}/{member.name}" if member.name else platform.buildpack
            if folder not in {place.path for place in places}:
                places.append(Place(path=folder, holds=_files(member)))
            prefix = f"{member.name}:" if member.name else ""
            files = member.buildpack.folder
            if setting.test_run:
                own = ci_run.commands(files, folder, arguments)
                tests += ci_run.tests(files, folder, arguments, prefix=prefix)
            else:
                own = _commands(files, folder, arguments)
            commands += [
                replace(command, name=f"{prefix}{command.name}", sources=tuple(exports))
                for command in own
            ]
            exports.append(f"{folder}/export")
        return Preparation(
            mounts=_mounts(build, cache, platform.env, platform.buildpack, platform.home),
            places=tuple(places),
            commands=(*commands, *tests),
            env=(
                ("HOME", platform.home),
                LANG,
                ("PATH", PATH),
                ("STACK", setting.stack),
            ),
            cwd=platform.home,
            # The platform packs the whole build dir; that of a CI run is HOME, with tools' caches.
            results=(ResultTree(path=build, not_deployed=(".cache",) if setting.test_run else ()),),
            caches=(
                CacheTree(
                    name="cache",
                    path=cache,
                    after_failure=setting.after_failure or platform.after_failure,
                ),
            ),
            prefixes=(Prefix(ecosystem="python", path=platform.prefix),),
            config_vars=ci_run.config_vars(platform, setting.test_run),
            launch=launch(platform.home, setting.stack),
        )

    def reasons(self, log: str) -> tuple[str, ...]:
        """Lines in which the buildpack says that it drops the cache, without their decoration."""
        lines = _ESCAPES.sub("", log).splitlines()
        return tuple(filter(None, map(_reason, lines)))

    def _check(self, member: Member) -> None:
        kind: object = member.buildpack.kind
        if not isinstance(kind, ClassicKind):
            raise BuildpackError(
                f"{member.buildpack.spec} is a buildpack of the {member.buildpack.kind.name} kind,"
                f" and cannot run in one build with {self.name} ones",
                hint=f"list only buildpacks of the {self.name} kind in `buildpacks`",
            )


class ScalingoKind(ClassicKind):
    """Buildpacks of the classic API on Scalingo."""

    name = "scalingo"
    platform = SCALINGO


def _commands(files: Path, folder: str, arguments: tuple[str, str, str]) -> list[Command]:
    """Detect, compile, report where the buildpack has it, release where it has it.

    Args:
        files: The buildpack's files on the host.
        folder: Where they are inside the sandbox.
        arguments: The build dir, the cache dir and the folder of the config vars.
    """
    programs = f"{folder}/bin"
    commands = [
        Command(name="detect", argv=(f"{programs}/detect", arguments[0])),
        Command(name="compile", argv=(f"{programs}/compile", *arguments)),
    ]
    if has_program(files, "report"):
        report = (f"{programs}/report", *arguments)
        commands.append(
            Command(name="report", argv=report, decides=False, always=True, silent=True)
        )
    if has_program(files, "release"):
        release = (f"{programs}/release", arguments[0])
        commands.append(Command(name="release", argv=release, deployed=True))
    return commands


def _files(member: Member) -> Copy:
    return Copy(folder=member.buildpack.folder, identity=member.identity)


def _mounts(*paths: str) -> tuple[str, ...]:
    """The outermost folders of some paths, each once."""
    return tuple(dict.fromkeys("/" + path.split("/")[1] for path in paths))


def _reason(line: str) -> str:
    """The reason in a line of a log; empty where it gives none."""
    if len(line) > _LONGEST_REASON:
        return ""
    said = line.strip().removeprefix("----->").lstrip()
    if said.startswith("- The "):
        return said.removeprefix("- ")
    if said.startswith(_BUNDLED):
        return said.removeprefix(_BUNDLED).lstrip()
    before, clearing, _ = said.rpartition(", clearing ")
    return said if clearing and _CHANGED.search(before) else ""
