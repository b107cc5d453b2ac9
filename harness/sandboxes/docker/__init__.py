"""Sandboxes that are containers of a Docker engine."""

from harness.sandboxes.docker.sandbox import DockerSandbox

__all__ = ["DockerSandbox"]
