"""What answers where a scenario has nothing: a tape, or a recording of one."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.errors import TapeError
from harness.internet.package_index import PackageIndex
from harness.internet.recorder import Recorder
from harness.internet.routes import Routes
from harness.internet.tape import Tape
from harness.internet.upstream import Upstream
from harness.runs.settings import Settings


@contextmanager
def open_beyond(
    settings: Settings, folder: Path, indexes: Sequence[PackageIndex]
) -> Iterator[Tape | Recorder | None]:
    """Yields what a run is asked to use beyond its scenarios; None where that is nothing.

    Args:
        settings: The run's.
        folder: A new folder for its files.
        indexes: The package indexes whose pages are known.

    Raises:
        TapeError: The tape cannot be read, or could not be written.
    """
    path = settings.tape
    if path is None:
        yield None
        return
    if settings.recording and (path.is_dir() or not path.parent.is_dir()):
        raise TapeError(
            f"--tape {path} cannot be written", hint="name a file in an existing folder"
        )
    if not settings.recording and not path.exists():
        raise TapeError(
            f"--tape {path}: there is no such file",
            hint=f"`cache-harness record … --tape {path}` records one",
        )
    with ExitStack() as exits:
        tape = None
        if not settings.recording or (path.exists() and not settings.anew):
            tape = exits.enter_context(Tape.open(path, folder / "before"))
        if tape is not None and not settings.recording:
            yield tape
            return
        yield Recorder(tape, folder=folder / "new", upstream=Upstream(), routes=Routes(indexes))
