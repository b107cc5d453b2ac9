"""The Pythons of a run: what is at hand, what is made on demand, and what is served of each."""

import hashlib
import platform
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.buildpacks.source import Buildpack
from harness.ecosystems.python.app_pythons import named_pythons
from harness.ecosystems.python.buildpack_scripts import KnownPythons, known_pythons
from harness.ecosystems.python.pythons import SLOTS, Asked, Offer, StandIn, asked, offers, sibling
from harness.ecosystems.python.runtimes.ahead import PythonsAhead
from harness.ecosystems.python.runtimes.runtime import ARCHIVES, Runtime
from harness.ecosystems.python.runtimes.stand_in import stand_in_archive
from harness.ecosystems.serving import Route
from harness.internet import Download, Request
from harness.internet.downloads import find_download
from harness.scenarios.tree import File, Tree
from harness.storage.once import Once

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_ANSWERED = range(200, 300)


class PythonShelf:
    """What builds can have of Pythons; safe to use from several threads."""

    def __init__(
        self,
        runtimes: tuple[Runtime, ...],
        *,
        preferred: tuple[str, ...],
        ahead: PythonsAhead,
        folder: Path,
    ) -> None:
        """Takes the runtimes that every build can have, and where others come from.

        Args:
            runtimes: Those at hand, the newest first.
            preferred: The versions that the operator named, the default one first.
            ahead: Where more come from.
            folder: An existing folder for archives that are served under other names.
        """
        self._runtimes = runtimes
        self._preferred = preferred
        self._ahead = ahead
        self._folder = folder
        self._lock = threading.RLock()
        self._known: dict[str, KnownPythons] = {}
        self._suited: dict[str, tuple[str, ...]] = {}
        self._offers: Once[Asked, tuple[Offer, ...]] = Once()
        self._archives: Once[tuple[str, str, str], tuple[Path, str]] = Once()

    def slots(self, wanted: frozenset[str], buildpack: Buildpack) -> dict[str, str]:
        """The version that each slot stands for, of those that are wanted and can be had.

        Unless the operator named them, those that the buildpack knows of come first, the nearest to
        3.11 before others: most releases of most tools run on that one.
        """
        chosen = self._chosen(buildpack)
        if "newest" in wanted:
            chosen |= self._newest(buildpack)
        if "sibling" in wanted and "default" in chosen:
            taken = {runtime.version for runtime in self._runtimes}
            chosen["sibling"] = sibling(chosen["default"], taken)
        return chosen

    def offers(self, history: Iterable[tuple[Buildpack, Tree]]) -> tuple[Offer, ...]:
        """The Pythons that a commit's builds can have, some of which are made for them now.

        Args:
            history: Buildpack and app of each commit up to that one: what an earlier one asked for
                may be asked for again by what it left in the cache.
        """
        wanted = asked(
            (self._pythons(buildpack), named_pythons(partial(_read, app)))
            for buildpack, app in history
        )
        return self._offers.get(wanted, lambda: offers(self._gathered(wanted), wanted))

    def _gathered(self, wanted: Asked) -> tuple[Runtime, ...]:
        here = {runtime.version for runtime in self._runtimes}
        exact = (self._ahead.of_version(version) for version in sorted(wanted.versions - here))
        runtimes = [*self._runtimes, *filter(None, exact)]
        lacking = wanted.minors - {runtime.minor for runtime in runtimes}
        made = (self._ahead.of_minor(minor) for minor in sorted(lacking))
        return (*runtimes, *filter(None, made))

    def of_managers(self, buildpack: Buildpack, offered: Iterable[Offer]) -> tuple[str, ...]:
        """The whole versions of the Pythons that package managers are installed for."""
        beside = (one.runtime.version for one in offered if one.runtime not in self._runtimes)
        return tuple(dict.fromkeys((*self._chosen(buildpack).values(), *beside)))

    def downloads(
        self,
        route: Route,
        buildpack: Buildpack,
        offered: Iterable[Offer],
        fields: Mapping[str, str],
    ) -> Iterator[Download]:
        """What is served of Pythons at a route; nothing where it serves something else."""
        if route.serves in ARCHIVES:
            for offer in offered:
                file, sha256 = self._archive(offer, route.serves)
                path = route.path.format(version=offer.version, **fields)
                yield Download(host=route.host, path=path, file=file, sha256=sha256)
        elif route.serves == "default python":
            for version in (*self._chosen(buildpack).values(),)[:1]:
                file, sha256 = self._archives.get(
                    ("", version, route.serves), partial(self._told, version)
                )
                yield Download(host=route.host, path=route.path, file=file, sha256=sha256)

    def stand_ins(
        self,
        buildpack: Buildpack,
        stack: str,
        offered: Iterable[Offer],
        requests: Iterable[Request],
    ) -> tuple[StandIn, ...]:
        """Which of the offers that stand in for another release were taken."""
        standing = [offer for offer in offered if offer.stands_in]
        if not standing:
            return ()
        urls = [urlsplit(request.url) for request in requests if request.status in _ANSWERED]
        taken = [(url.hostname or "", unquote(url.path)) for url in urls]
        fields = served_fields(stack)
        return tuple(
            StandIn(asked=offer.version, served=offer.runtime.version)
            for offer in standing
            if any(
                find_download((download,), *one)
                for route in buildpack.kind.routes
                for download in self.downloads(route, buildpack, (offer,), fields)
                if route.serves in ARCHIVES
                for one in taken
            )
        )

    def _chosen(self, buildpack: Buildpack) -> dict[str, str]:
        versions = self._preferred or self._suited_for(buildpack)
        return dict(zip(SLOTS, versions, strict=False))

    def _suited_for(self, buildpack: Buildpack) -> tuple[str, ...]:
        with self._lock:
            if buildpack.digest not in self._suited:
                known = self._pythons(buildpack).latest

                def rank(runtime: Runtime) -> tuple[bool, int]:
                    unknown = bool(known) and runtime.minor not in known
                    return unknown, abs(_number(runtime.minor) - 11)

                ranked = sorted(self._runtimes, key=rank)
                self._suited[buildpack.digest] = tuple(runtime.version for runtime in ranked)
            return self._suited[buildpack.digest]

    def _newest(self, buildpack: Buildpack) -> dict[str, str]:
        """The newest that the buildpack knows of, or that is to be had for one that knows none."""
        known = self._pythons(buildpack).latest
        here = {runtime.minor: runtime for runtime in reversed(self._runtimes)}
        minors = known.keys() if known else {*here, *self._ahead.minors}
        for minor in sorted(minors, key=_number, reverse=True):
            runtime = here.get(minor) or self._ahead.of_minor(minor)
            if runtime is not None:
                return {"newest": known.get(minor, runtime.version)}
        return {}

    def _pythons(self, buildpack: Buildpack) -> KnownPythons:
        """The Pythons that a buildpack knows of."""
        with self._lock:
            if buildpack.digest not in self._known:
                self._known[buildpack.digest] = known_pythons(buildpack.folder)
            return self._known[buildpack.digest]

    def _told(self, version: str) -> tuple[Path, str]:
        data = f"{version}\n".encode()
        file = self._folder / f"default-python-{version}"
        file.write_bytes(data)
        return file, hashlib.sha256(data).hexdigest()

    def _archive(self, offer: Offer, kind: str) -> tuple[Path, str]:
        runtime, version = offer.runtime, offer.version
        if not offer.stands_in:
            return runtime.archive(kind)
        return self._archives.get(
            (runtime.digest, version, kind),
            lambda: stand_in_archive(runtime, version, kind, self._folder),
        )


def served_fields(stack: str) -> dict[str, str]:
    """What stands in a route's fields on a stack, but for versions and wheels."""
    machine = platform.machine()
    return {
        "stack": stack,
        "ubuntu": f"{stack.rpartition('-')[2]}.04",
        "arch": _ARCHITECTURES.get(machine, machine),
        "machine": machine,
    }


def _number(minor: str) -> int:
    return int(minor.partition(".")[2])


def _read(app: Tree, path: str) -> bytes | None:
    """A regular file of the app's."""
    entry = app.entries.get(path)
    return entry.data if isinstance(entry, File) else None
