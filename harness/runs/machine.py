"""What the builds of a run work on: its sandbox, and the server of its sealed internet."""

from collections.abc import Sequence
from pathlib import Path

from harness.builds.run import Machine
from harness.internet.package_index import PackageIndex
from harness.internet.server import InternetServer
from harness.internet.tape import FallbackResponder
from harness.internet.trust import Authority, trust_env, trust_mounts
from harness.sandboxes import Sandbox


def make_machine(
    sandbox: Sandbox,
    folder: Path,
    indexes: Sequence[PackageIndex],
    beyond: FallbackResponder | None,
) -> Machine:
    """A machine whose server has an authority of its own.

    Args:
        sandbox: Where builds run.
        folder: An existing folder, in which folders for the server are made.
        indexes: The package indexes.
        beyond: What answers where a scenario has nothing.
    """
    authority = Authority()
    scratch, trust = folder / "internet", folder / "trust"
    for each in (scratch, trust):
        each.mkdir()
    return Machine(
        sandbox=sandbox,
        server=InternetServer(authority, scratch=scratch, indexes=indexes, beyond=beyond),
        trust_mounts=trust_mounts(authority, trust),
        trust_env=tuple(trust_env().items()),
    )
