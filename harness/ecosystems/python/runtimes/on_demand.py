"""Runtimes that an ordinary run has none of, made when builds ask for one."""

from collections.abc import Iterator

from harness.ecosystems.python.runtimes.check import works
from harness.ecosystems.python.runtimes.pack import packing
from harness.ecosystems.python.runtimes.runtime import Runtime, available_runtimes
from harness.ecosystems.python.runtimes.suite import suite_runtime
from harness.errors import HarnessError
from harness.stack.bootstrap import OnLine, quiet
from harness.stack.distro import distro_of
from harness.stack.image import Image
from harness.storage.once import Once
from harness.storage.store import Store

SUITES_WITH = {
    "debian": {"3.15": "forky", "3.14": "forky"},
    "ubuntu": {"3.14": "resolute"},
}
"""By distribution, minor versions of Python, the newest first, that only a suite newer than the
image's has."""


class RuntimesOnDemand:
    """Runtimes beside those of an ordinary run; safe to use from several threads."""

    def __init__(self, store: Store, image: Image | None, *, on_line: OnLine = quiet) -> None:
        """Takes where they are kept, and the image that builds run in.

        Args:
            store: Where they are kept.
            image: The harness's own; None where builds run in another, for which none is made.
            on_line: Called with each line of progress, and with the reason why one is unavailable.
        """
        self._store = store
        self._image = image
        self._on_line = on_line
        self._made: Once[str, Runtime | None] = Once()
        self._suites = SUITES_WITH.get(distro_of(image.suite) or "", {}) if image else {}

    @property
    def minors(self) -> tuple[str, ...]:
        """The minor versions, as in `3.14`, that can be made, the newest first."""
        return tuple(self._suites)

    def of_version(self, version: str) -> Runtime | None:
        """The kept runtime of one whole version, if there is one that works in the image."""
        return next(self._kept(version), None)

    def of_minor(self, minor: str) -> Runtime | None:
        """The runtime of a minor version: the kept one, or one made now from a suite's packages.

        The packages come from the archive that the host's apt is configured with, and are only
        extracted. It takes some 30 seconds, once. None where it is unavailable, which is reported.
        """
        return self._made.get(minor, lambda: self._of_minor(minor))

    def _of_minor(self, minor: str) -> Runtime | None:
        try:
            with packing(self._store):
                kept = next(self._kept(minor), None)
                return kept or self._make(minor)
        except HarnessError as error:
            self._on_line(f"Python {minor}, which builds ask for, is unavailable: {error}")
            return None

    def _make(self, minor: str) -> Runtime | None:
        suite = self._suites.get(minor)
        if suite is None:
            self._on_line(
                f"no Python {minor}, which builds ask for, is available:"
                " `cache-harness runtime pack PREFIX` adds one"
            )
            return None
        self._on_line(f"making Python {minor} from {suite}, which builds ask for")
        return suite_runtime(
            self._store,
            suite,
            image=self._image,
            minor=minor,
            on_demand=True,
            on_line=self._on_line,
        )

    def _kept(self, version: str) -> Iterator[Runtime]:
        for kept in available_runtimes(self._store):
            same = version in {kept.version, kept.minor}
            if same and (self._image is None or works(kept, self._image)):
                yield kept
