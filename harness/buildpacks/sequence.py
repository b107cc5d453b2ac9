"""Buildpacks that run one after the other on one app, as an app's list of them has it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from harness.buildpacks import Recipe
from harness.scenarios.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A buildpack beside the one under test: a fixture's name, and its files."""

    name: str
    files: Tree = field(repr=False, hash=False)


def in_a_row(recipes: Sequence[tuple[str, Recipe]]) -> Recipe:
    """One recipe that runs several, each with what those before it exported.

    Args:
        recipes: The buildpacks' names, empty for the one under test, and their recipes, in order.
            They share an environment and a working folder: the first one's.
    """
    _, first = recipes[0]
    commands = tuple(
        replace(
            command,
            name=f"{name}:{command.name}" if name else command.name,
            sources=tuple(before.export for _, before in recipes[:place] if before.export),
        )
        for place, (name, recipe) in enumerate(recipes)
        for command in recipe.commands
    )
    return replace(first, commands=commands)
