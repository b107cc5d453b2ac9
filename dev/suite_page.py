"""Writes docs/suite.md: what the scenarios that ship cover, and what a real release does in them.

To be run after a change of a scenario or of a list of what is known:

    .venv/bin/python dev/suite_page.py
"""

import re
import tomllib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "suite.md"
KNOWN = ROOT / "known" / "heroku-buildpack-python" / "v351.toml"

_UNJUDGED = {"neighbours/run-twice": "refuses"}
"""What the release does not build, so that there is nothing to compare."""

_DIFFERENCES = {"leftover", "missing", "content", "mode", "type", "target", "outcome"}

_HEAD = """# What the suite covers

Each scenario is the smallest sequence of commits that shows one way for a cache to go wrong, or to
be dropped for nothing. The last column is what heroku-buildpack-python {release} does in it, by the
[list of what it is known to do wrong](../{known}).
Written by `dev/suite_page.py`.
"""
_SHORT = re.compile(
    r"https://github\.com/[^/]+/(?P<repository>[^/]+)/(issues|pull)/(?P<number>\d+)"
)


def page() -> str:
    """The page's text."""
    verdicts = dict(_UNJUDGED)
    for entry in _table(KNOWN)["known"]:
        # Where both builds are wrong alike, only an expectation of the scenario tells.
        differs = bool(entry.keys() & _DIFFERENCES)
        if differs or entry["scenario"] not in verdicts:
            verdicts[entry["scenario"]] = "diverges" if differs else "unmet"
    lines = [_HEAD.format(release=KNOWN.stem, known=KNOWN.relative_to(ROOT))]
    files = sorted((ROOT / "scenarios").glob("*/*.toml"))
    for theme, group in groupby(files, key=lambda file: file.parent.name):
        lines += [f"## {theme}", "", f"| scenario | what it proves | report | {KNOWN.stem} |"]
        lines += ["|---|---|---|---|", *_rows(group, verdicts), ""]
    return "\n".join(lines)


def _rows(files: Iterator[Path], verdicts: dict[str, str]) -> Iterator[str]:
    for file in files:
        scenario = _table(file)
        name = f"{file.parent.name}/{file.stem}"
        verdict = verdicts.get(name, "agrees")
        link = f"[{file.stem}](../scenarios/{name}.toml)"
        yield f"| {link} | {scenario['description']} | {_report(scenario)} | {verdict} |"


def _report(scenario: dict[str, Any]) -> str:
    url: str = scenario.get("issue", "")
    short = _SHORT.fullmatch(url)
    if short is None:
        return url
    return f"[{short['repository']} {short['number']}]({url})"


def _table(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
