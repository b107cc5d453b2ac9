"""The server of a run's sealed internet, and what makes a sandbox trust it."""

from collections.abc import Sequence
from pathlib import Path

from harness.internet.package_index import PackageIndex
from harness.internet.server import InternetServer
from harness.internet.tape import Beyond
from harness.internet.trust import Authority, trust_env, trust_mounts
from harness.sandboxes import Mount

Trust = tuple[tuple[Mount, ...], tuple[tuple[str, str], ...]]
"""Mounts and variables by which a sandbox trusts a server."""


def make_server(
    folder: Path, indexes: Sequence[PackageIndex], beyond: Beyond | None
) -> tuple[InternetServer, Trust]:
    """A server with an authority of its own.

    Args:
        folder: An existing folder, in which it makes folders of its own.
        indexes: The package indexes.
        beyond: What answers where a scenario has nothing.
    """
    authority = Authority()
    scratch, trust = folder / "internet", folder / "trust"
    for each in (scratch, trust):
        each.mkdir()
    server = InternetServer(authority, scratch=scratch, indexes=indexes, beyond=beyond)
    return server, (trust_mounts(authority, trust), tuple(trust_env().items()))
