"""The runtimes of a run: which are available, and which commits' builds can have."""

from collections.abc import Iterable
from functools import partial

from harness.ecosystems.python.app_pythons import named_pythons
from harness.ecosystems.python.buildpack_scripts import KnownPythons, known_pythons
from harness.ecosystems.python.runtimes.choice import at_hand, best_suited, newest, sibling
from harness.ecosystems.python.runtimes.offers import Asked, Offer, asked, offers
from harness.ecosystems.python.runtimes.on_demand import RuntimesOnDemand
from harness.ecosystems.python.runtimes.runtime import Runtime
from harness.ecosystems.serving import BuildpackFiles, CommitFiles
from harness.errors import RuntimeArchiveError
from harness.scenarios.tree import File, Tree
from harness.storage.once import Once


class RuntimeSupply:
    """What builds can have of runtimes; safe to use from several threads."""

    def __init__(
        self,
        runtimes: tuple[Runtime, ...],
        *,
        preferred: tuple[str, ...] = (),
        on_demand: RuntimesOnDemand,
    ) -> None:
        """Takes the runtimes that every build can have, and where others come from.

        Args:
            runtimes: Those available, the newest first.
            preferred: The versions that the operator named, the default one first.
            on_demand: Where more come from.
        """
        self._runtimes = runtimes
        self._preferred = preferred
        self._on_demand = on_demand
        self._known: Once[str, KnownPythons] = Once()
        self._offers: Once[Asked, tuple[Offer, ...]] = Once()

    def slots(self, wanted: frozenset[str], buildpack: BuildpackFiles) -> dict[str, str]:
        """The version that each slot stands for.

        Unless the operator named them, those that suit the buildpack best come first.

        Raises:
            RuntimeArchiveError: There are fewer runtimes than the slots need.
        """
        chosen = self.at_hand(buildpack)
        if "newest" in wanted:
            known, ahead = self._known_to(buildpack), self._on_demand
            version = newest(known, self._runtimes, ahead.minors, ahead.of_minor)
            chosen |= {"newest": version} if version else {}
        if "sibling" in wanted and "default" in chosen:
            taken = {runtime.version for runtime in self._runtimes}
            chosen["sibling"] = sibling(chosen["default"], taken)
        missing = sorted(wanted - chosen.keys())
        if missing:
            raise RuntimeArchiveError(
                f"no runtime is available for ${{python@{missing[0]}}}: there are"
                f" {', '.join(chosen.values()) or 'none'}",
                hint="`cache-harness runtime pack PREFIX` packs an installed CPython",
            )
        return chosen

    def at_hand(self, buildpack: BuildpackFiles) -> dict[str, str]:
        """The version that each slot stands for whose runtime is available."""
        suited = best_suited(self._runtimes, self._known_to(buildpack).latest)
        return at_hand(self._preferred or suited)

    def offers(self, history: Iterable[CommitFiles]) -> tuple[Offer, ...]:
        """The runtimes that a commit's builds can have, some of which are made for them now.

        Args:
            history: The commits up to that one.
        """
        wanted = asked(
            (self._known_to(commit.buildpack), named_pythons(partial(_read, commit.app)))
            for commit in history
        )
        return self._offers.get(wanted, lambda: offers(self._gathered(wanted), wanted))

    def for_managers(self, buildpack: BuildpackFiles, offered: Iterable[Offer]) -> tuple[str, ...]:
        """The whole versions of the Pythons that package managers are installed for."""
        beside = (one.runtime.version for one in offered if one.runtime not in self._runtimes)
        return tuple(dict.fromkeys((*self.at_hand(buildpack).values(), *beside)))

    def _gathered(self, wanted: Asked) -> tuple[Runtime, ...]:
        here = {runtime.version for runtime in self._runtimes}
        exact = (self._on_demand.of_version(version) for version in sorted(wanted.versions - here))
        runtimes = [*self._runtimes, *filter(None, exact)]
        lacking = wanted.minors - {runtime.minor for runtime in runtimes}
        made = (self._on_demand.of_minor(minor) for minor in sorted(lacking))
        return (*runtimes, *filter(None, made))

    def _known_to(self, buildpack: BuildpackFiles) -> KnownPythons:
        return self._known.get(buildpack.digest, lambda: known_pythons(buildpack.folder))


def _read(app: Tree, path: str) -> bytes | None:
    """A regular file of the app's."""
    entry = app.entries.get(path)
    return entry.data if isinstance(entry, File) else None
