"""Runtimes as values, for tests that pack none."""

from pathlib import Path

from harness.ecosystems.python.runtimes.runtime import Runtime

NOWHERE = Path("/nowhere")


def runtime(version: str, folder: Path = NOWHERE, *, content: str = "a") -> Runtime:
    """A runtime whose archives are in a folder, if anywhere; `content` stands for what they are."""
    return Runtime(
        version=version,
        digest=f"{version}-{content}",
        origin="a test",
        bundled=(),
        gz=folder / f"{version}.gz",
        zst=folder / f"{version}.zst",
        pip=folder / f"pip-{version}.zst",
        gz_sha256=content * 64,
        zst_sha256=content * 64,
        pip_sha256=content * 64,
    )
