"""What is served of runtimes, at the routes of a buildpack's kind."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.ecosystems.python.runtimes.offers import Offer
from harness.ecosystems.python.runtimes.runtime import ARCHIVES
from harness.ecosystems.python.runtimes.stand_in import stand_in_archive
from harness.ecosystems.route import Route
from harness.ecosystems.serving import StandIn
from harness.internet import Download, Request
from harness.internet.downloads import find_download
from harness.storage.once import Once

_ANSWERED = range(200, 300)


class ServedRuntimes:
    """The files of runtimes as they are downloaded; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Args: an existing folder for what is served under other names than it is kept by."""
        self._folder = folder
        self._files: Once[tuple[str, str, str], tuple[Path, str]] = Once()

    def archives(
        self, route: Route, offered: Iterable[Offer], fields: Mapping[str, str]
    ) -> Iterator[Download]:
        """The archives of runtimes at a route; none where it serves something else."""
        if route.serves in ARCHIVES:
            for offer in offered:
                file, sha256 = self._archive(offer, route.serves)
                path = route.path.format(version=offer.version, **fields)
                yield Download(host=route.host, path=path, file=file, sha256=sha256)

    def default_version(self, route: Route, version: str) -> Iterator[Download]:
        """A file with the default version, at a route that serves it."""
        if route.serves == "default python":
            file, sha256 = self._files.get(
                ("", version, route.serves), partial(self._written, version)
            )
            yield Download(host=route.host, path=route.path, file=file, sha256=sha256)

    def stand_ins(
        self,
        routes: Iterable[Route],
        offered: Iterable[Offer],
        fields: Mapping[str, str],
        requests: Iterable[Request],
    ) -> tuple[StandIn, ...]:
        """Which of the offers that stand in for another release were taken."""
        standing = [offer for offer in offered if offer.stands_in]
        if not standing:
            return ()
        urls = [urlsplit(request.url) for request in requests if request.status in _ANSWERED]
        taken = [(url.hostname or "", unquote(url.path)) for url in urls]
        return tuple(
            StandIn(asked=offer.version, served=offer.runtime.version)
            for offer in standing
            if any(
                find_download((download,), *one)
                for route in routes
                for download in self.archives(route, (offer,), fields)
                for one in taken
            )
        )

    def _written(self, version: str) -> tuple[Path, str]:
        data = f"{version}\n".encode()
        file = self._folder / f"default-python-{version}"
        file.write_bytes(data)
        return file, hashlib.sha256(data).hexdigest()

    def _archive(self, offer: Offer, kind: str) -> tuple[Path, str]:
        runtime, version = offer.runtime, offer.version
        if not offer.stands_in:
            return runtime.archive(kind)
        return self._files.get(
            (runtime.digest, version, kind),
            lambda: stand_in_archive(runtime, version, kind, self._folder),
        )
