"""The options of what runs builds (`run`, `matrix`, `record`, pytest) or finds them (`log`)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from harness.bundled import DEFAULT_BUILDPACK
from harness.commands.option import Option
from harness.sandboxes import MEBIBYTE, Limits

if TYPE_CHECKING:
    from harness.runs.settings import Settings

_LIMITS = Limits()
_BUILDPACKS = "PATH|GIT-URL@REF|NAME"

BUILDPACK = Option(
    flags=("--buildpack",),
    metavar=_BUILDPACKS,
    help="The buildpack: a folder, a git URL or local repository at a revision, or a bundled name.",
)


def default_store() -> Path:
    """The store's folder where none is named."""
    from harness.storage.store import default_root

    return default_root()


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions(ABC):
    """What goes into builds, so that it decides which of the stored ones are asked for."""

    sandbox: Annotated[
        str | None,
        Option(
            flags=("--sandbox",),
            metavar="NAME",
            help="Where builds run.",
            default="the one that `cache-harness doctor` names",
        ),
    ] = None
    image: Annotated[
        str | None,
        Option(
            flags=("--image",),
            metavar="IMAGE",
            help="The stack image, in a form that the sandbox takes.",
            default="the harness's own, built once",
        ),
    ] = None
    pythons: Annotated[
        tuple[str, ...],
        Option(
            flags=("--python",),
            metavar="VERSION",
            help="A runtime to use: the first is ${python@default}, the second ${python@other}.",
            default="those that the buildpack supports",
        ),
    ] = ()
    compare: Annotated[
        tuple[str, ...],
        Option(
            flags=("--compare",),
            metavar="GLOB",
            help="Also compare what is under this path, relative to the build dir.",
        ),
    ] = ()
    tools: Annotated[
        tuple[str, ...],
        Option(
            flags=("--tool",),
            metavar="NAME==VERSION",
            help="Also serve this release, and all that it needs, from the sealed index.",
        ),
    ] = ()
    memory: Annotated[
        int,
        Option(
            flags=("--memory",),
            least=1,
            metavar="MIB",
            help="The memory that one build may use, in mebibytes.",
        ),
    ] = _LIMITS.memory // MEBIBYTE
    tape: Annotated[
        Path | None,
        Option(
            flags=("--tape",),
            metavar="FILE",
            help="A tape that answers what scenarios do not provide.",
            default="none; such requests are refused",
        ),
    ] = None
    store: Annotated[
        Path,
        Option(
            flags=("--store",),
            folder=True,
            metavar="DIR",
            help="Where builds, images, runtimes and build tools are stored between runs.",
            default="CACHE_HARNESS_STORE, or the platform's cache folder",
        ),
    ] = field(default_factory=default_store)

    @abstractmethod
    def settings(self) -> "Settings":
        """What a session is to use."""

    def _settings(
        self, buildpack: str, *, seconds: float = _LIMITS.seconds, **more: Any
    ) -> "Settings":
        from harness.runs.settings import Settings
        from harness.storage.store import Store

        return Settings(
            buildpack=buildpack,
            sandbox=self.sandbox,
            image=self.image,
            store=Store(root=self.store),
            pythons=self.pythons,
            compare=self.compare,
            tools=self.tools,
            limits=Limits(seconds=seconds, memory=self.memory * MEBIBYTE),
            tape=self.tape,
            **more,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions(InputOptions):
    """What everything that runs builds is asked to use; see each option's help."""

    jobs: Annotated[
        int | None,
        Option(
            flags=("--jobs", "-j"),
            least=1,
            metavar="N",
            help="How many builds run at once.",
            default="cores",
        ),
    ] = None
    reports: Annotated[
        tuple[str, ...],
        Option(
            flags=("--report",),
            metavar="json=FILE",
            help="Also write a report.",
        ),
    ] = ()
    known_files: Annotated[
        tuple[Path, ...],
        Option(
            flags=("--known",),
            metavar="FILE",
            help="What the buildpack is known to do wrong, which is then not a finding;"
            " an entry that no longer shows is one.",
        ),
    ] = ()
    timeout: Annotated[
        float,
        Option(
            flags=("--timeout",),
            above=0,
            metavar="SECONDS",
            help="How long one build may run.",
        ),
    ] = float(_LIMITS.seconds)
    fresh: Annotated[
        bool, Option(flags=("--fresh",), help="Run builds again, even those in the store.")
    ] = False
    keep: Annotated[
        bool,
        Option(
            flags=("--keep",),
            help="Keep the work folder with all builds' logs, and print its path.",
        ),
    ] = False

    def _build_settings(self, buildpack: str, **more: Any) -> "Settings":
        return self._settings(
            buildpack, seconds=self.timeout, keep=self.keep, fresh=self.fresh, **more
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(BuildOptions):
    """The options of `run`, and of pytest."""

    buildpack: Annotated[str, BUILDPACK] = DEFAULT_BUILDPACK
    write_known: Annotated[
        Path | None,
        Option(
            flags=("--write-known",),
            metavar="FILE",
            help="Write everything that diverges as a list for --known; people fill in reasons and"
            " links, and those of --known are kept.",
            default="written nowhere",
        ),
    ] = None

    def settings(self) -> "Settings":
        """What a session is to use."""
        return self._build_settings(self.buildpack)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixOptions(BuildOptions):
    """The options of `matrix`."""

    buildpacks: Annotated[
        tuple[str, ...],
        Option(
            flags=("--buildpack",),
            metavar=_BUILDPACKS,
            help="A buildpack, as for `run`: one for each column, the oldest first.",
        ),
    ]

    def settings(self) -> "Settings":
        """What a session is to use."""
        first, *others = self.buildpacks
        return self._build_settings(first, also=tuple(others))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOptions(BuildOptions):
    """The options of `record`."""

    buildpack: Annotated[str, BUILDPACK] = DEFAULT_BUILDPACK
    tape: Annotated[
        Path,
        Option(
            flags=("--tape",),
            metavar="FILE",
            help="The tape to record to; what it already holds is answered from it.",
        ),
    ]
    anew: Annotated[
        bool, Option(flags=("--anew",), help="Start with an empty tape, whatever FILE holds.")
    ] = False

    def settings(self) -> "Settings":
        """What a session is to use."""
        return self._build_settings(self.buildpack, recording=True, anew=self.anew)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions(InputOptions):
    """The options of `log`."""

    buildpack: Annotated[str, BUILDPACK] = DEFAULT_BUILDPACK

    def settings(self) -> "Settings":
        """What a session is to use."""
        return self._settings(self.buildpack)
