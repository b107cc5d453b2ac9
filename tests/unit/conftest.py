"""The command line as a person uses it, without builds."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_sandboxes import Broken, Nowhere
from git_repositories import commit, git

from harness.cli import main
from harness.sandboxes import registry

SCENARIO = """
description = "An unchanged rebuild."
[app]
files = { "requirements.txt" = "", "runtime.txt" = "python-3.11.9" }
[[commits]]
message = "Rebuild"
"""


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    file = tmp_path / "rebuild.toml"
    file.write_text(SCENARIO)
    return str(file)


@pytest.fixture
def invoke(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Any]]:
    """Runs the command as installed: exit status, stdout, stderr."""
    monkeypatch.setenv("CACHE_HARNESS_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(registry, "backends", lambda: {"nowhere": Nowhere, "broken": Broken})

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cache-harness", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, *capfd.readouterr()

    terminated = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, terminated)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone with two commits that touch its requirements."""
    folder = tmp_path / "shop"
    (folder / "requirements").mkdir(parents=True)
    (folder / ".python-version").write_text("3.9.1\n")
    git(folder, "init", "--quiet")
    for pin in ("1.0", "1.1"):
        (folder / "requirements" / "prod.txt").write_text(f"forms=={pin}\nenvconfig==2.1.0\n")
        commit(folder, f"Pin forms {pin}")
    return folder
