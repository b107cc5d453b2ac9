"""Python as an ecosystem."""

from collections.abc import Sequence

from harness.ecosystems import BuiltTree, OwnerOf
from harness.ecosystems.python.distributions import compare_distributions, owners
from harness.ecosystems.python.explanation import explain
from harness.ecosystems.python.install_log import read_install_log
from harness.ecosystems.python.installation import from_text, of_trees, read_installation, to_text
from harness.ecosystems.python.reuse import Traces, judge
from harness.ecosystems.python.rules import RULES
from harness.ecosystems.python.supplier import PythonSupplies
from harness.ecosystems.reuse import Needs, Reused, Trace
from harness.trees.difference import Difference
from harness.trees.explainer import LARGEST, Explanation, TreePair


class PythonEcosystem(PythonSupplies):
    """Python: distributions, compiled files, and what its installers leave."""

    rules = RULES
    headed = (".pyc",)

    def largest(self, path: str) -> int:  # noqa: ARG002
        """The same for every file: a compiled file names the hash of any source."""
        return LARGEST

    def is_derived(self, path: str) -> bool:
        """What installers write of a distribution, and what Python compiles."""
        return ".dist-info/" in path or path.endswith(".pyc")

    def explain(self, differences: Sequence[Difference], trees: TreePair) -> Explanation:
        """See `harness.ecosystems.python.explanation`."""
        return explain(differences, trees)

    def places(self, prefix: str) -> dict[str, str]:
        """The folders of scripts and of packages, the latter of whichever Python is there."""
        return {
            "scripts": f"{prefix}/bin",
            "site-packages": f"{prefix}/lib/python*/site-packages",
        }

    def describe(self, tree: BuiltTree) -> str:
        """Its distributions, and which files of their metadata are older than the build."""
        return to_text(read_installation(tree))

    def owners(self, installed: str) -> OwnerOf:
        """By records, then by folders."""
        return owners(from_text(installed).distributions).owner

    def findings(self, cached: str, clean: str) -> tuple[str, ...]:
        """Distributions by name, version, source and place."""
        found = compare_distributions(
            from_text(cached).distributions, from_text(clean).distributions
        )
        return tuple(map(str, found))

    def reuse(self, cached: Trace, clean: Trace, needs: Needs) -> Reused:
        """By times, requests and what installers print."""
        return judge(self._traces(cached), self._traces(clean), needs)

    def _traces(self, build: Trace) -> Traces:
        installed = of_trees(build.installed.get(self.name, {}))
        return Traces(
            passed=build.passed,
            requests=build.requests,
            distributions=installed.distributions,
            ages=installed.ages,
            log=read_install_log(build.log),
        )
