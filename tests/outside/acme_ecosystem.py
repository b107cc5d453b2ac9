"""A language whose packages are the files `vendor/<name>/<version>`, as a third party brings it.

Its installer fetches `https://vendor.example/<name>-<version>`, and leaves `vendor/lock`: a line
that says when it ran, then a line `<name> <version>` for each package, in any order.
"""

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from acme_serving import HOST, AcmeSupplies

from harness.ecosystems import BuiltTree, Owner, OwnerOf
from harness.ecosystems.reuse import Fate, Needs, Part, Reused, Trace, fates_by_requests
from harness.errors import StoreError
from harness.internet import Request
from harness.trees.difference import Difference, DifferenceKind, Place
from harness.trees.explainer import Explanation, Rule, TreePair
from harness.trees.manifest import EntryKind

LARGEST = 1024 * 1024
LOCK_TIME = Rule(name="lock-time")
"""When the installer ran."""
LOCK_ORDER = Rule(name="lock-order", note="lists its packages in another order")

_PACKAGE = re.compile(r"(?:^|/)vendor/(?P<name>[^/]+)/(?P<version>[^/]+)")
_LOCK = re.compile(r"(?:^|/)vendor/lock")


class AcmeEcosystem(AcmeSupplies):
    """Vendored files."""

    name = "acme"
    rules = (LOCK_TIME, LOCK_ORDER)
    headed = ()

    def largest(self, path: str) -> int:
        return LARGEST if self.is_derived(path) else 0

    def is_derived(self, path: str) -> bool:
        return _LOCK.search(path) is not None

    def explain(self, differences: Sequence[Difference], trees: TreePair) -> Explanation:
        explained: dict[Place, frozenset[Rule]] = {}
        found = []
        for one in differences:
            contents = trees.contents(one) if self._is_lock(one) else None
            if contents is None:
                continue
            if rules := _rules(*contents):
                explained[one.place] = rules
            else:
                ours, theirs = (_told(content) for content in contents)
                why = f"it locks {ours}; in a clean build it locks {theirs}"
                found.append(replace(one, why=why))
        return Explanation(explained=explained, found=tuple(found))

    def _is_lock(self, one: Difference) -> bool:
        entries = one.cached, one.clean
        return (
            self.is_derived(one.path)
            and one.kind is DifferenceKind.CONTENT
            and all(
                entry is not None and entry.kind is EntryKind.FILE and entry.size <= LARGEST
                for entry in entries
            )
        )

    def places(self, prefix: str) -> dict[str, str]:
        return {"vendored": f"{prefix}/vendor"}

    def describe(self, tree: BuiltTree) -> str:
        packages = {
            path: [match["name"], match["version"]]
            for path, entry in tree.manifest.entries.items()
            if entry.kind is EntryKind.FILE and (match := _PACKAGE.search(path))
        }
        return json.dumps(packages, sort_keys=True) if packages else ""

    def owners(self, installed: str) -> OwnerOf:
        packages = _read(installed)
        folders: dict[str, list[str]] = {}
        for path in packages:
            folders.setdefault(posixpath.dirname(path), []).append(path)

        def owner(path: str) -> Owner | None:
            by = path
            while by and by not in packages and len(folders.get(by, ())) != 1:
                by = posixpath.dirname(by)
            if not by:
                return None
            package = by if by in packages else folders[by][0]
            return Owner(label=" ".join(packages[package]), by=by)

        return owner

    def findings(self, cached: str, clean: str) -> tuple[str, ...]:
        ours, theirs = (
            {" ".join(package) for package in _read(text).values()} for text in (cached, clean)
        )
        return (
            *(f"`{each}` is vendored, and not in a clean build" for each in sorted(ours - theirs)),
            *(f"`{each}` is not vendored as in a clean build" for each in sorted(theirs - ours)),
        )

    def reuse(self, cached: Trace, clean: Trace, _needs: Needs) -> Reused:
        ours, theirs = (_fetched(build.requests) for build in (cached, clean))
        fates: dict[str, Fate] = fates_by_requests(
            frozenset(ours.values()), frozenset(theirs.values()), passed=cached.passed
        )
        return Reused(
            fates={Part.PACKAGES: fates} if fates else {}, claimed=frozenset({*ours, *theirs})
        )


def _rules(cached: bytes, clean: bytes) -> frozenset[Rule]:
    ours, theirs = (content.decode("utf-8", "replace").splitlines() for content in (cached, clean))
    if ours[1:] == theirs[1:]:
        return frozenset({LOCK_TIME})
    return frozenset({LOCK_ORDER}) if sorted(ours[1:]) == sorted(theirs[1:]) else frozenset()


def _told(lock: bytes) -> str:
    return ", ".join(sorted(lock.decode("utf-8", "replace").splitlines()[1:])) or "nothing"


def _read(installed: str) -> Mapping[str, list[str]]:
    try:
        packages: Mapping[str, list[str]] = json.loads(installed or "{}")
    except ValueError as error:
        raise StoreError("what is stored of vendored files is damaged") from error
    return packages


def _fetched(requests: Sequence[Request]) -> dict[str, str]:
    return {
        one.url: urlsplit(one.url).path.lstrip("/").rpartition("-")[0]
        for one in requests
        if one.status == 200 and urlsplit(one.url).hostname == HOST
    }
