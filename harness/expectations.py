"""Checks what a scenario says of a built tree: two builds can be wrong alike."""

import re
from pathlib import Path

from harness.manifest import EntryKind, Manifest, escape
from harness.scan import read_file, scan
from harness.scenarios.scenario_file import Expectation

_LARGEST = 16 * 1024 * 1024


def fault(expectation: Expectation, tree: Path) -> str:
    """What a built tree lacks of an expectation, as the rest of a sentence; empty where it has it.

    Args:
        expectation: What the scenario says of the commit.
        tree: The build dir; read as data, links out of it are not followed.

    Raises:
        ManifestError: The tree cannot be read.
    """
    return _fault(expectation, tree, scan(tree, (expectation.path,)))


def _fault(expectation: Expectation, tree: Path, found: Manifest) -> str:
    path = expectation.path
    if expectation.absent:
        return f"{escape(found.roots[0])} is there, and nothing should be" if found.roots else ""
    if not found.roots:
        return f"nothing is at {path}"
    pattern = expectation.matches
    if expectation.contains is not None:
        pattern = re.escape(expectation.contains)
    if pattern is None:
        return ""
    files = [root for root in found.roots if found.entries[root].kind is EntryKind.FILE]
    if not files:
        return f"no file is at {path}"
    for file in files:
        text = read_file(tree, file, limit=_LARGEST).decode("utf-8", "replace")
        if not re.search(pattern, text):
            wanted = expectation.contains or expectation.matches
            return f"{escape(file)} does not hold {wanted!r}"
    return ""
