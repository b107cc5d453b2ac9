"""Sandboxes that bubblewrap makes of the kernel's namespaces: no daemon, no root."""

from harness.sandboxes.bubblewrap.sandbox import BubblewrapSandbox

__all__ = ["BubblewrapSandbox"]
