"""Languages: what is installed in a tree, who owns a path, which differences are none."""

from typing import Protocol

from harness.trees.explainer import Explainer


class Ecosystem(Explainer, Protocol):
    """A language with its packages. It knows files and installers, and no buildpack."""

    @property
    def name(self) -> str:
        """What it is called: lower-case letters, digits and hyphens."""
        ...
