"""What the builds of a run share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.internet.recorder import Recorder
from harness.internet.server import InternetServer
from harness.internet.tape import Tape
from harness.runs.buildpacks import Buildpacks
from harness.runs.inputs import CommitInputs
from harness.runs.places import Places
from harness.runs.serving import CommitServing
from harness.runs.settings import Settings
from harness.sandboxes import Mount, Sandbox
from harness.storage.builds import BuildStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The parts of a run, each of which is safe to use from several threads.

    Attributes:
        settings: What the run is asked to use.
        folder: The run's own folder.
        places: Where its builds work.
        sandbox: Where they run.
        image: What reports call its image.
        server: Answers for the sealed internet.
        trust: The mounts and variables by which a sandbox trusts the server.
        beyond: What answers where a scenario has nothing; None where that is nothing.
        buildpacks: The buildpacks.
        serving: What ecosystems serve.
        inputs: What goes into builds.
        builds: The builds that are stored.
    """

    settings: Settings
    folder: Path
    places: Places
    sandbox: Sandbox
    image: str
    server: InternetServer
    trust: tuple[tuple[Mount, ...], tuple[tuple[str, str], ...]]
    beyond: Tape | Recorder | None
    buildpacks: Buildpacks
    serving: CommitServing
    inputs: CommitInputs
    builds: BuildStore

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Holds the stored builds that are used; those of a recording are forgotten at the end."""
        with self.builds.in_use():
            try:
                yield
            finally:
                if self.settings.recording and not self.settings.keep:
                    # Nobody will ever ask for them: what they saw has no name but this run's.
                    self.builds.forget_own()
