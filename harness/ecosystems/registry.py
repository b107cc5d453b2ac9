"""Ecosystems by name, the harness's own found the way a third party's is."""

from collections.abc import Iterable

from harness.ecosystems import Ecosystem
from harness.errors import EcosystemError
from harness.plugins.entry_points import plugins
from harness.trees.explainer import Explainer
from harness.trees.git.explainer import GitExplainer

GROUP = "cache_harness.ecosystems"


def ecosystems() -> tuple[Ecosystem, ...]:
    """Every ecosystem that is installed, by name.

    Raises:
        EcosystemError: One cannot be imported, or there is none.
    """
    found: list[Ecosystem] = [
        plugin.brought()
        for plugin in sorted(
            plugins(GROUP, what="ecosystem", error=EcosystemError), key=lambda plugin: plugin.name
        )
    ]
    if not found:
        raise EcosystemError(
            f"no distribution offers an ecosystem under the entry points {GROUP!r}",
            hint="install the harness again: its own metadata is older than its code",
        )
    return tuple(found)


def explainers(ecosystems: Iterable[Ecosystem]) -> tuple[Explainer, ...]:
    """Whoever explains differences, in the order in which reports name their rules."""
    return (*ecosystems, GitExplainer())
