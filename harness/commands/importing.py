"""`import`: a scenario from a real project's history, or from an app's folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import click

from harness.commands.click_options import takes
from harness.commands.option import Option
from harness.commands.output import check_writable, stdout, write_file
from harness.scenarios.imported import (
    NAMED_PYTHON,
    PYTHON_FILES,
    ProjectCommit,
    scenario_text,
    with_root_requirements,
)
from harness.scenarios.imported_app import app_scenario_text, read_app
from harness.scenarios.project import DEFAULT_LAST, DEFAULT_PATHS, Project, ProjectError


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """The options of `import`; see each one's help."""

    last: Annotated[
        int | None,
        Option(
            flags=("--last",),
            least=2,
            metavar="N",
            help="Take the newest N commits.",
            default=f"all of a range, else {DEFAULT_LAST}",
        ),
    ] = None
    paths: Annotated[
        tuple[str, ...],
        Option(
            flags=("--path",),
            metavar="GLOB",
            help="Take the files that match, relative to the repository's root.",
            default=" ".join(DEFAULT_PATHS),
        ),
    ] = ()
    requirements: Annotated[
        str | None,
        Option(
            flags=("--requirements",),
            metavar="FILE",
            help="Give the app a requirements.txt at its root that includes this file, where it has"
            " none.",
            default="none is added",
        ),
    ] = None
    keep_python: Annotated[
        bool,
        Option(
            flags=("--keep-python",),
            help=f"Keep the project's own {' and '.join(PYTHON_FILES)}, instead of"
            " ${python@default}.",
        ),
    ] = False
    apps: Annotated[
        tuple[Path, ...],
        Option(
            flags=("--app",),
            folder=True,
            metavar="FOLDER",
            help="Instead of a repository's commits, take the app in a folder: deploy it, build it"
            " again, then with a file added; after that it becomes the app of each further folder.",
        ),
    ] = ()
    output: Annotated[
        Path | None,
        Option(
            flags=("--output", "-o"),
            metavar="FILE",
            help="Write the scenario to this file.",
            default="to the standard output",
        ),
    ] = None


@click.command("import")
@click.argument("repository", type=click.Path(path_type=Path), required=False)
@click.argument("revisions", default="HEAD")
@takes(ImportOptions)
def import_(repository: Path | None, revisions: str, options: ImportOptions) -> None:
    """Make a scenario from a project's commits, or from an app.

    It takes the commits that touch the project's requirements.

    REPOSITORY is the folder of a clone; REVISIONS a range A..B, or the revision to go back from,
    HEAD where none is given. With --app there is neither.
    """
    if options.apps:
        alone = ImportOptions(apps=options.apps, output=options.output)
        if repository is not None or options != alone:
            raise click.UsageError(
                "--app takes folders as they are: it can be combined only with --output"
            )
        found = [read_app(folder) for folder in options.apps]
        _save(app_scenario_text(found), options.output, " to ".join(app.name for app in found))
        return
    if repository is None:
        raise click.UsageError("name a REPOSITORY, or an app's folder with --app")
    beside = {} if options.keep_python else NAMED_PYTHON
    without = () if options.keep_python else PYTHON_FILES
    project, commits = _commits(repository, revisions, options, without=without)
    description = (
        f"After each of {len(commits)} commits that touch the requirements of {project.name},"
        " a cached build equals a clean one"
    )
    text = scenario_text(commits, description=description, beside=beside)
    which = f"{len(commits)} commits, {commits[0].short} to {commits[-1].short}"
    _save(text, options.output, which)


def _commits(
    repository: Path, revisions: str, options: ImportOptions, *, without: tuple[str, ...]
) -> tuple[Project, tuple[ProjectCommit, ...]]:
    """The project, and its commits that are asked for.

    Raises:
        ProjectError: The repository does not have them, or one lacks the file of requirements.
    """
    wanted = options.requirements
    included = () if wanted is None else (wanted, "requirements.txt")
    sought = (options.paths or DEFAULT_PATHS) + included
    project = Project(repository=repository, paths=sought, without=without)
    commits = project.commits(revisions, last=options.last)
    if wanted is None:
        return project, commits
    for commit in commits:
        if not {wanted, "requirements.txt"} & commit.files.keys():
            raise ProjectError(
                f"--requirements {wanted}: there is no such file"
                f" at commit {commit.short} of {repository}",
                hint="name one that exists from the first commit on, or start later",
            )
    return project, tuple(with_root_requirements(commit, wanted) for commit in commits)


def _save(text: str, output: Path | None, what: str) -> None:
    """Writes a scenario where it is wanted, and prints of what it is."""
    if output is None:
        click.echo(text, nl=False)
        return
    check_writable("--output", output)
    write_file("--output", output, text)
    stdout().print(f"{output}: {what}", markup=False, highlight=False)
