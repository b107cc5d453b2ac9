"""What all tests share."""

import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from harness.storage.store import Store

# A shell that starts tests in the background has them ignore ^C, and what they start as well;
# a handler is reset to the default in what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes tells of what else the machine does, and of no fault.
settings.register_profile("unhurried", parent=settings(), deadline=None)
settings.load_profile("unhurried")

# For programs of `dev`. Last, so that an installed harness is the one that is tested.
sys.path.append(str(Path(__file__).resolve().parents[1]))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of the test's own, with nothing in it."""
    return Store(root=tmp_path / "store")
