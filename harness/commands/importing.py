"""`import`: a scenario from a real project's history, or from an app's folder."""

from pathlib import Path

import click

from harness.commands.output import check_writable, stdout, write_file
from harness.scenarios.imported import PYTHON_FILES, scenario_text, with_root_requirements
from harness.scenarios.imported_app import app_scenario_text, read_app
from harness.scenarios.project import DEFAULT_LAST, DEFAULT_PATHS, Project, ProjectError


@click.command("import")
@click.argument("repository", type=click.Path(path_type=Path), required=False)
@click.argument("revisions", default="HEAD")
@click.option(
    "--last",
    type=click.IntRange(min=2),
    metavar="N",
    help=f"Take the newest N of the commits.  [default: a range's all, else {DEFAULT_LAST}]",
)
@click.option(
    "--path",
    "paths",
    multiple=True,
    metavar="GLOB",
    help="Take the files that match, from the repository's root; may be given more than once."
    f"  [default: {' '.join(DEFAULT_PATHS)}]",
)
@click.option(
    "--requirements",
    metavar="FILE",
    help="Give the app a requirements.txt at its root that includes this file, where it has none."
    "  [default: none is added]",
)
@click.option(
    "--keep-python",
    is_flag=True,
    help=f"Keep the project's own {' and '.join(PYTHON_FILES)}, instead of ${{python@default}}.",
)
@click.option(
    "--app",
    "apps",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    metavar="FOLDER",
    help="Instead of a repository's commits, take an app as it lies in a folder: deployed, built"
    " again, and with a file more. Given again, the app becomes that of each further folder.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the scenario to this file.  [default: to the standard output]",
)
def import_(
    *,
    repository: Path | None,
    apps: tuple[Path, ...],
    revisions: str,
    last: int | None,
    paths: tuple[str, ...],
    requirements: str | None,
    keep_python: bool,
    output: Path | None,
) -> None:
    """Makes a scenario of a real project's commits that touch its requirements, or of an app.

    REPOSITORY is the folder of a clone; REVISIONS a range A..B, or the revision to go back from,
    HEAD where none is given. With --app there is neither.
    """
    if apps:
        if repository is not None or last or paths or requirements or keep_python:
            raise click.UsageError(
                "--app takes folders as they are: it goes with --output and with nothing else"
            )
        found = [read_app(folder) for folder in apps]
        _tell(app_scenario_text(found), output, " to ".join(app.name for app in found))
        return
    if repository is None:
        raise click.UsageError("name a REPOSITORY, or an app's folder with --app")
    beside = {} if keep_python else PYTHON_FILES
    included = () if requirements is None else (requirements, "requirements.txt")
    sought = (paths or DEFAULT_PATHS) + included
    project = Project(repository=repository, paths=sought, without=tuple(beside))
    commits = project.commits(revisions, last=last)
    if requirements is not None:
        for commit in commits:
            if not {requirements, "requirements.txt"} & commit.files.keys():
                raise ProjectError(
                    f"--requirements {requirements}: there is no such file"
                    f" at commit {commit.short} of {repository}",
                    hint="name one that is there from the first of the commits, or begin later",
                )
        commits = tuple(with_root_requirements(commit, requirements) for commit in commits)
    description = (
        f"After each of {len(commits)} commits that touch the requirements of {project.name},"
        " a cached build is like a clean one"
    )
    text = scenario_text(commits, description=description, beside=beside)
    _tell(text, output, f"{len(commits)} commits, {commits[0].short} to {commits[-1].short}")


def _tell(text: str, output: Path | None, what: str) -> None:
    """Writes a scenario where it is wanted, and says of what it is."""
    if output is None:
        click.echo(text, nl=False)
        return
    check_writable("--output", output)
    write_file("--output", output, text)
    stdout().print(f"{output}: {what}", markup=False, highlight=False)
