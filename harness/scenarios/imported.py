"""A project's own commits as the text of a scenario."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from harness.scenarios.edits import Delete, Edit, Write, interpolated
from harness.scenarios.interpolation import escaped
from harness.scenarios.line_edits import line_edits
from harness.scenarios.toml_text import on_lines, on_one_line

PYTHON_FILES = ("runtime.txt", ".python-version")
"""The files in which a project asks for a Python."""

NAMED_PYTHON: Mapping[str, str] = {".python-version": "${python@default}\n"}
"""What asks for a Python that is at hand, in a scenario's text."""

_SHA_DIGITS = 9
_WIDTH = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectCommit:
    """One commit of a project, cut down to the files that matter.

    Attributes:
        sha: Its full SHA.
        subject: The first line of its message.
        files: Their texts, by path.
    """

    sha: str
    subject: str
    files: Mapping[str, str] = field(repr=False)

    @property
    def short(self) -> str:
        """The SHA's first digits."""
        return self.sha[:_SHA_DIGITS]


def scenario_text(
    commits: Sequence[ProjectCommit], *, description: str, beside: Mapping[str, str]
) -> str:
    """The scenario file whose app goes through the commits.

    Args:
        commits: The oldest first, which is the app's first commit.
        description: What the scenario is.
        beside: Files that the app has at every commit, in a scenario's text: references in them
            are meant. The commits' own files at these paths are left out.
    """
    plain = [
        {path: text for path, text in sorted(commit.files.items()) if path not in beside}
        for commit in commits
    ]
    first = commits[0]
    lines = [
        f"description = {on_one_line(description)}",
        "",
        "[app]",
        f"message = {on_one_line(_message(first))}",
        "",
        "[app.files]",
    ]
    files = {**beside, **{path: escaped(text) for path, text in plain[0].items()}}
    lines += [f"{on_one_line(path)} = {on_lines(text)}" for path, text in files.items()]
    for commit, before, after in zip(commits[1:], plain, plain[1:], strict=False):
        lines += ["", "[[commits]]", f"message = {on_one_line(_message(commit))}"]
        lines += edit_lines(_edits(before, after), table="commits")
    return "\n".join(lines) + "\n"


def with_root_requirements(commit: ProjectCommit, included: str) -> ProjectCommit:
    """The commit with a root `requirements.txt` that includes a file, if it has none of its own."""
    return replace(commit, files={"requirements.txt": f"-r {included}\n", **commit.files})


def _message(commit: ProjectCommit) -> str:
    return f"{commit.subject} ({commit.short})".strip()


def _edits(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Edit]:
    # Deletions first: a folder may come where a file was, and the other way round.
    for path in before:
        if path not in after:
            yield Delete(do="delete", path=path)
    for path, text in after.items():
        if path not in before:
            yield Write(do="write", path=path, text=text)
        elif text != before[path]:
            yield from line_edits(path, before[path], text)


def edit_lines(edits: Iterable[Edit], *, table: str) -> list[str]:
    """The edits as a list of short tables, or where one is long, as tables with their own heads.

    Args:
        edits: The edits, whose texts are meant as they stand: what looks like a reference is none.
        table: The table whose `edits` they are.
    """
    edits = [interpolated(edit, escaped) for edit in edits]
    short = [f"{{ {', '.join(_pairs(edit))} }}" for edit in edits]
    if not short:
        return []
    if len(short) == 1 and len(short[0]) <= _WIDTH - len("edits = []"):
        return [f"edits = [{short[0]}]"]
    if all(len(table) <= _WIDTH for table in short):
        return ["edits = [", *(f"  {table}," for table in short), "]"]
    return [
        line for edit in edits for line in ("", f"[[{table}.edits]]", *_pairs(edit, spread=True))
    ]


def _pairs(edit: Edit, *, spread: bool = False) -> list[str]:
    """An edit's keys with their values; `spread` shows the lines of long texts."""
    return [
        f"{each.name} = {_value(getattr(edit, each.name), spread=spread)}"
        for each in fields(edit)
        if getattr(edit, each.name) != each.default
    ]


def _value(value: str | tuple[str, ...] | Literal[True, False], *, spread: bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return on_lines(value) if spread else on_one_line(value)
    if spread and len(value) > 1:
        return "\n".join(["[", *(f"  {on_one_line(line)}," for line in value), "]"])
    return f"[{', '.join(map(on_one_line, value))}]"
