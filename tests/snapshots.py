"""Whole outputs as a test holds them: what varies from run to run stands there by its name.

Texts are kept in `__snapshots__` beside a test; `pytest --snapshot-update FILE` writes them again.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from harness import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Something that varies, and the name that stands for it, in brackets."""

    name: str
    pattern: re.Pattern[str]


def folder(path: Path, name: str) -> Filter:
    """A folder that is another one in each run."""
    return Filter(name=name, pattern=re.compile(re.escape(str(path)) + r"(?![^/\s:,`'\"])"))


VERSION = Filter(name="version", pattern=re.compile(rf"\b{re.escape(__version__)}\b"))
SECONDS = Filter(name="seconds", pattern=re.compile(r"\b\d+\.\d(?= s\b)"))
SHA = Filter(name="sha", pattern=re.compile(r"\b(?=[a-f]*\d)(?:[0-9a-f]{40}|[0-9a-f]{7,9})\b"))
DIGEST = Filter(name="digest", pattern=re.compile(r"\b[0-9a-f]{64}\b"))


def filtered(text: str, *filters: Filter) -> str:
    """A text in which names stand for what varies."""
    for each in filters:
        text = each.pattern.sub(f"[{each.name}]", text)
    return text
