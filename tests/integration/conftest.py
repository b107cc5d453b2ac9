"""What tests that build share: one store for all of a session's builds."""

from pathlib import Path

import pytest
from program import Program
from stores import machine_store, store_without_builds
from traces import SANDBOXES, need

from harness.stack.image import Image, build_image
from harness.storage.locks import locked
from harness.storage.store import Store


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of this session of pytest share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def session_store(session_folder: Path) -> Store:
    """A store whose builds are this session's: the same build in two tests is run once."""
    with locked(session_folder / "store.lock"):
        return store_without_builds(session_folder / "store")


@pytest.fixture(scope="session")
def program(session_store: Store) -> Program:
    """The program with that store."""
    return Program(store=session_store)


@pytest.fixture(params=SANDBOXES)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of sandbox that ships."""
    need(request.param)
    return str(request.param)


@pytest.fixture(scope="session")
def image() -> Image:
    """The stack image, in the store of whoever runs the tests."""
    return build_image(machine_store())
