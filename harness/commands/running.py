"""What `run`, `matrix` and `record` do: run builds, judge them and report."""

import os
from collections.abc import Callable
from pathlib import Path

from rich.console import RenderableType

from harness.bundled import bundled_scenarios
from harness.commands.options import BuildOptions
from harness.commands.output import stdout
from harness.commands.report_files import report_files
from harness.errors import TapeError
from harness.internet.recorder import Recorder
from harness.reports import tape as tape_report
from harness.runs.display import showing
from harness.runs.kept_logs import LOGS
from harness.runs.opening import open_session
from harness.runs.runner import run_scenarios
from harness.scenarios.scenario import load_scenarios
from harness.verdicts.known import load_known, with_known
from harness.verdicts.result import Run


def run_builds(
    scenarios: tuple[Path, ...],
    options: BuildOptions,
    render: Callable[[Run], RenderableType],
    *,
    write_known: Path | None = None,
) -> int:
    """Runs scenarios as a command's options ask, and prints what came of it.

    Args:
        scenarios: Files and folders; empty for the suite that ships.
        options: What the command was given.
        render: The report that is printed.
        write_known: The file that gets a list of all that diverges.

    Returns:
        The exit status.

    Raises:
        HarnessError: The harness could not tell.
    """
    console = stdout()
    known = [load_known(file) for file in options.known_files]
    files = report_files(options.reports, write_known=write_known, known=known)
    loaded = load_scenarios(scenarios or (bundled_scenarios(),))
    settings = options.settings()
    jobs = options.jobs or os.cpu_count() or 1
    recorded: RenderableType | TapeError | None = None
    with showing(console) as observer, open_session(settings, observer=observer) as session:
        found = run_scenarios(loaded, session=session, jobs=jobs, known=known, observer=observer)
        kept = session.folder if options.keep else None
        found_as = session.buildpacks.found_as
        if isinstance(session.beyond, Recorder) and options.tape is not None:
            recorded = _save(session.beyond, options.tape, found)
    result = with_known(found, known)
    for file in files:
        file.write(result)
    console.print(render(result))
    for spec, name in sorted(found_as.items()):
        console.print(f"{spec} was found as {name}", markup=False)
    if kept is not None:
        console.print(f"kept: {kept}, with all logs in {kept / LOGS}", markup=False)
    if isinstance(recorded, TapeError):
        raise recorded
    if recorded is not None:
        console.print(recorded)
    return int(result.exit_code)


def _save(recorder: Recorder, tape: Path, run: Run) -> RenderableType | TapeError:
    """Writes the tape; the outcome is printed after the run's own report."""
    if any(result.error for result in run.results):
        # What a scenario that could not be judged would have fetched, nobody knows.
        return TapeError(
            f"nothing is recorded on {tape}: not every scenario could be judged",
            hint="see above why, or record only those that can be",
        )
    try:
        saved = recorder.save(tape)
    except TapeError as error:
        return error
    return tape_report.recorded(str(tape), saved, added=recorder.added)
