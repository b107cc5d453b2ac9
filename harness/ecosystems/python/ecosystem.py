"""Python as an ecosystem."""

from collections.abc import Sequence

from harness.ecosystems.python.explanation import explain
from harness.ecosystems.python.rules import RULES
from harness.trees.difference import Difference
from harness.trees.explainer import LARGEST, Explanation, TreePair


class PythonEcosystem:
    """Python: distributions, compiled files, and what its installers leave."""

    name = "python"
    rules = RULES

    def largest(self, path: str) -> int:  # noqa: ARG002
        """The same for every file: a compiled file names the hash of any source."""
        return LARGEST

    def is_derived(self, path: str) -> bool:
        """What installers write of a distribution, and what Python compiles."""
        return ".dist-info/" in path or path.endswith(".pyc")

    def explain(self, differences: Sequence[Difference], trees: TreePair) -> Explanation:
        """See `harness.ecosystems.python.explanation`."""
        return explain(differences, trees)
