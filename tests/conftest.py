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


# Workers begin at once: what one of them has to make first is of use to the other tests when
# their turn comes.
_TURNS = (
    "integration/test_stack_image.py",  # makes the image, beside
    "unit",  # and
    "properties",  # which need nothing;
    "integration/test_packed_runtimes.py",  # makes the runtimes, beside
    "contracts",  # which need the image alone;
    "integration",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts tests in the order in which they have what they need."""
    here = Path(__file__).parent

    def turn(item: pytest.Item) -> int:
        path = item.path.relative_to(here).as_posix()
        return next(number for number, part in enumerate(_TURNS) if path.startswith(part))

    items.sort(key=turn)
