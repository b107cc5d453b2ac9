"""What Python needs to serve builds, before it is known in which image they run."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.ecosystems.python.index.package_index import PythonIndex
from harness.ecosystems.python.runtimes.ensure import OrdinaryRuntimes
from harness.ecosystems.python.runtimes.on_demand import RuntimesOnDemand
from harness.ecosystems.python.runtimes.runtime import Runtime, available_runtimes
from harness.ecosystems.python.runtimes.supply import RuntimeSupply
from harness.ecosystems.python.serving import PythonServing
from harness.ecosystems.python.tools.fetcher import Fetcher, Wanted
from harness.ecosystems.python.tools.names import BASE_TOOLS
from harness.ecosystems.serving import Supplies
from harness.errors import RuntimeArchiveError
from harness.stack.image import Image


class PythonSupplies:
    """Python as what serves; see `ServingEcosystem`."""

    name = "python"
    index = PythonIndex()

    @contextmanager
    def supplier(self, supplies: Supplies) -> Iterator["PythonSupplier"]:
        """Yields Python's side of a run; what is being fetched when the block ends is given up."""
        supplies.folder.mkdir(parents=True)
        suites = supplies.folder / "suites"
        with (
            Fetcher(supplies.store, supplies.toolbox) as fetcher,
            OrdinaryRuntimes(supplies.store, suites, on_line=supplies.on_line) as runtimes,
        ):
            yield PythonSupplier(supplies, fetcher, runtimes)


class PythonSupplier:
    """Begins to fetch build tools, and makes the runtimes for an image; see `Supplier`."""

    def __init__(self, supplies: Supplies, fetcher: Fetcher, runtimes: OrdinaryRuntimes) -> None:
        """Used by `PythonSupplies.supplier`."""
        self._supplies = supplies
        self._fetcher = fetcher
        self._runtimes = runtimes

    def begin(self) -> None:
        """Begins to fetch the tools that every build is offered, and what runtimes are made of."""
        self._fetcher.begin(Wanted(tools=BASE_TOOLS))
        self._runtimes.begin()

    def serving(self, image: Image | None) -> PythonServing:
        """What is served to builds in an image; its runtimes are made now where they are missing.

        Raises:
            RuntimeArchiveError: A version that the operator named is missing, or there are too few.
        """
        supplies = self._supplies
        runtimes = self._at_hand(image)
        here = {runtime.version for runtime in runtimes}
        for version in supplies.versions:
            if version not in here:
                raise RuntimeArchiveError(
                    f"--python {version}: there is no runtime of that version",
                    hint="`cache-harness runtime list` shows those that are stored;"
                    " `cache-harness runtime pack PREFIX` packs another",
                )
        supply = RuntimeSupply(
            runtimes,
            preferred=supplies.versions,
            on_demand=RuntimesOnDemand(supplies.store, image, on_line=supplies.on_line),
        )
        return PythonServing(supplies, self._fetcher, supply)

    def _at_hand(self, image: Image | None) -> tuple[Runtime, ...]:
        """The runtimes that every build can have, those that the operator named among them."""
        store, named = self._supplies.store, self._supplies.versions
        if image is None:
            kept = available_runtimes(store)
            return tuple(each for each in kept if not each.on_demand or each.version in named)
        runtimes = self._runtimes.ensure(image)
        chosen = (each for each in available_runtimes(store) if each.version in named)
        return tuple(dict.fromkeys((*chosen, *runtimes)))
