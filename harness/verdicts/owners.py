"""Says to which installed package a divergence belongs."""

from collections.abc import Iterable
from dataclasses import replace

from harness.ecosystems import OwnerOf
from harness.verdicts.divergence import Divergence


def with_owners(
    divergences: Iterable[Divergence], cached: OwnerOf, clean: OwnerOf
) -> tuple[Divergence, ...]:
    """The divergences, each with the package that owns its path where one does.

    The tree that has the path is asked first.

    Args:
        divergences: Where the two trees differ.
        cached: Who owns a path of the cached tree.
        clean: Who owns a path of the clean tree.
    """
    return tuple(_with_owner(one, cached, clean) for one in divergences)


def _with_owner(one: Divergence, cached: OwnerOf, clean: OwnerOf) -> Divergence:
    first, second = (clean, cached) if one.cached is None else (cached, clean)
    owner = first(one.path) or second(one.path) if one.path else None
    return one if owner is None else replace(one, distribution=owner.label)
