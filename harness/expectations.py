"""Checks what a scenario says of a built tree: two builds can be wrong alike."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.manifest import EntryKind, Manifest, escape
from harness.scan import read_file, scan
from harness.scenarios.scenario_file import Expectation

_LARGEST = 16 * 1024 * 1024


def unmet(expectations: Iterable[Expectation], tree: Path, *, arm: str) -> Iterator[str]:
    """A sentence for each expectation that a built tree does not meet.

    Args:
        expectations: What the scenario says of the commit.
        tree: The build dir; read as data, links out of it are not followed.
        arm: Which build it is of, for the sentence.

    Raises:
        ManifestError: The tree cannot be read.
    """
    for expectation in expectations:
        found = scan(tree, (expectation.path,))
        fault = _fault(expectation, tree, found)
        if fault:
            yield f"in the {arm} build {fault}"


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
