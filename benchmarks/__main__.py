"""Runs benchmarks and gathers what they found: `python -m benchmarks --help`."""

import re
import subprocess
import sys
from pathlib import Path

import click

from benchmarks import growth, overhead, suite
from benchmarks.options import DEFAULT_OUT
from benchmarks.report import markdown, saved

_HERE = Path(__file__).resolve().parent
_RESULTS = _HERE / "results.md"
_TREES = _HERE / "trees.py"
_LARGE_TREES = "trees"
_HEAD = """\
# What was measured

Written by `python -m benchmarks`; [README.md](README.md) says what each benchmark does. Times move
with a machine's load: read the ratios. Where something was measured several times, the median
stands before the least and the most.
"""


@click.command("trees", context_settings={"ignore_unknown_options": True})
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=DEFAULT_OUT)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def trees(out: Path, arguments: tuple[str, ...]) -> Path:
    """Reading and comparing large trees; takes what `python benchmarks/trees.py` takes."""
    subprocess.run((sys.executable, _TREES, "--out", out, *arguments), check=True)
    return out


_COMMANDS = (suite.command, overhead.command, growth.command, trees)
_REPORTS = (suite.NAME, overhead.NAME, growth.NAME, _LARGE_TREES)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(context: click.Context) -> Path:
    """Runs one benchmark, or all of them, and gathers the results in benchmarks/results.md."""
    if context.invoked_subcommand is None:
        for command in _COMMANDS:
            context.invoke(command)
    return DEFAULT_OUT


@main.result_callback()
def gather(out: Path) -> None:
    """Writes the page from what each benchmark found last; what another machine found stays."""
    sections = _sections(_RESULTS.read_text(encoding="utf-8"))
    for name in _REPORTS:
        report = saved(name, out)
        if report is not None:
            sections[name] = markdown(report)
    page = [_HEAD, *(sections[name] for name in _REPORTS if name in sections)]
    _RESULTS.write_text("\n".join(page), encoding="utf-8")


def _sections(page: str) -> dict[str, str]:
    """The sections of a page by their headings."""
    _, *sections = re.split(r"(?m)^(?=## )", page)
    return {
        section.partition("\n")[0].removeprefix("## "): section.rstrip("\n") + "\n"
        for section in sections
    }


for each in _COMMANDS:
    main.add_command(each)

if __name__ == "__main__":
    main()
