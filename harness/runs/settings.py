"""What a run is asked to use."""

from dataclasses import dataclass, field
from pathlib import Path

from harness.bundled import DEFAULT_BUILDPACK
from harness.sandboxes import Limits
from harness.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is asked to use.

    Attributes:
        buildpack: A folder, a bundled name, or a repository at a revision.
        also: Further buildpacks, against which the same scenarios are run.
        sandbox: A sandbox's name; None for the first that works here.
        image: An image in a form that the sandbox takes; None for the harness's own stack image.
        store: What is kept between runs.
        pythons: Versions of kept runtimes, the default one first; empty to choose.
        compare: Globs of more roots to compare, relative to the build dir.
        tools: Exact pins that the index serves besides those found in the buildpack.
        limits: What one build may use.
        keep: Whether the work folder stays for a look at it.
        fresh: Whether builds that earlier runs stored are passed over.
        tape: The file of a tape, from which builds are answered what their scenarios lack.
        recording: Whether what the tape lacks is asked of the real hosts, for the tape.
        anew: Whether a recording begins with an empty tape, whatever the file holds.
    """

    buildpack: str = DEFAULT_BUILDPACK
    also: tuple[str, ...] = ()
    sandbox: str | None = None
    image: str | None = None
    store: Store
    pythons: tuple[str, ...] = ()
    compare: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    keep: bool = False
    fresh: bool = False
    tape: Path | None = None
    recording: bool = False
    anew: bool = False

    @property
    def buildpacks(self) -> tuple[str, ...]:
        """Every buildpack that is asked for, each once."""
        return tuple(dict.fromkeys((self.buildpack, *self.also)))
