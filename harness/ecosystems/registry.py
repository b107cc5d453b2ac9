"""Ecosystems by name, the harness's own found the way a third party's is."""

from collections.abc import Iterable, Iterator

from harness.ecosystems import Ecosystem
from harness.ecosystems.serving import ServingEcosystem
from harness.errors import EcosystemError
from harness.plugins.entry_points import Plugin, plugins
from harness.trees.explainer import Explainer
from harness.trees.git.explainer import GitExplainer

GROUP = "cache_harness.ecosystems"


def ecosystems() -> tuple[Ecosystem, ...]:
    """Every ecosystem that is installed, by name.

    Raises:
        EcosystemError: One cannot be imported or goes by two names, or there is none.
    """
    found = tuple(ecosystem for _, ecosystem in _installed())
    if not found:
        raise EcosystemError(
            f"no installed distribution has an entry point in the group {GROUP!r}",
            hint="reinstall the harness: its own metadata is older than its code",
        )
    return found


def identities() -> tuple[tuple[str, str], ...]:
    """By what the code of each installed ecosystem is known, by name; see `Plugin.identity`.

    What is stored of a build, and what is judged of it, depends on these.

    Raises:
        EcosystemError: One cannot be imported or goes by two names.
    """
    return tuple((plugin.name, plugin.identity(made)) for plugin, made in _installed())


def serving_ecosystems() -> tuple[ServingEcosystem, ...]:
    """Those that serve something to the sealed internet, by name.

    Raises:
        EcosystemError: One cannot be imported, or there is none.
    """
    return tuple(each for each in ecosystems() if isinstance(each, ServingEcosystem))


def explainers(ecosystems: Iterable[Ecosystem]) -> tuple[Explainer, ...]:
    """Whoever explains differences, in the order in which reports name their rules."""
    return (*ecosystems, GitExplainer())


def _installed() -> Iterator[tuple[Plugin, Ecosystem]]:
    found = plugins(GROUP, what="ecosystem", error=EcosystemError)
    for plugin in sorted(found, key=lambda plugin: plugin.name):
        made: Ecosystem = plugin.brought()
        if made.name != plugin.name:
            raise EcosystemError(
                f"the ecosystem {made.name!r} is installed under another name, {plugin.name!r}",
                hint="give its entry point the ecosystem's own name",
            )
        yield plugin, made
