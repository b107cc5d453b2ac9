"""What the builds of a run share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.builds.result import BuildRecord
from harness.builds.run import Machine
from harness.internet.recorder import Recorder
from harness.internet.tape import Tape
from harness.runs.buildpacks import Buildpacks
from harness.runs.inputs import CommitInputs
from harness.runs.internet import CommitInternet
from harness.runs.places import Places
from harness.runs.serving import CommitServing
from harness.runs.settings import Settings
from harness.storage.builds import BuildStore
from harness.storage.judgements import Judgements
from harness.verdicts.result import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The parts of a run, each of which is safe to use from several threads.

    Attributes:
        settings: What the run is asked to use.
        folder: The run's own folder.
        places: Where its builds work.
        image: What reports call its image.
        machine: What they run on: the sandbox, and the server of the sealed internet.
        beyond: What answers where a scenario has nothing; None where that is nothing.
        buildpacks: The buildpacks.
        serving: What ecosystems serve.
        internet: What builds can reach.
        inputs: What goes into builds.
        builds: The builds that are stored.
        judgements: What was judged of them.
    """

    settings: Settings
    folder: Path
    places: Places
    machine: Machine
    image: str
    beyond: Tape | Recorder | None
    buildpacks: Buildpacks
    serving: CommitServing
    internet: CommitInternet
    inputs: CommitInputs
    builds: BuildStore[BuildRecord]
    judgements: Judgements[Step]

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
                    self.judgements.forget_own()
