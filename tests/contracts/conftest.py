"""Sandboxes to hold to the contract: every kind, on the stack image."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from benches import Bench, Stack
from traces import OUTSIDE, WITH_OUTSIDE, containers, groups, need

from harness.sandboxes.docker.images import load_image
from harness.sandboxes.registry import BaseImage, SandboxSettings, backends
from harness.stack.image import build_image
from harness.storage.store import Store, default_root


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The stack image, or the one that the environment names."""
    image = os.environ.get("CACHE_HARNESS_TEST_IMAGE")
    rootfs = os.environ.get("CACHE_HARNESS_TEST_ROOTFS")
    if image and rootfs:
        return Stack(image=image, rootfs=Path(rootfs))
    built = build_image(Store(root=default_root()))
    if backends()["docker"].check(()).ok:
        load_image(built)
    return Stack(image=built.tag, rootfs=built.rootfs)


@pytest.fixture(scope="module", autouse=True)
def outside() -> Iterator[None]:
    """Has a distribution installed that brings a kind of sandbox."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(OUTSIDE)
        yield


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter (pytest's own may not be)."""
    folder = Path(tempfile.mkdtemp(prefix="contract-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def open_rootfs(stack: Stack, open_folder: Path) -> Iterator[Path]:
    """The image's tree where other users may reach it, for a test that is root."""
    place = open_folder / "rootfs"
    place.mkdir()
    subprocess.run(["mount", "--bind", str(stack.rootfs), str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture(
    scope="module",
    params=WITH_OUTSIDE,
)
def opened(request: pytest.FixtureRequest, stack: Stack, open_folder: Path) -> Iterator[Bench]:
    kind = str(request.param)
    need(kind)
    run_id = uuid.uuid4().hex[:12]
    scratch = open_folder / f"scratch-{kind}"
    scratch.mkdir()
    image = BaseImage(name=stack.image, rootfs=stack.rootfs)
    settings = SandboxSettings(image=image, run=run_id, scratch=scratch)
    sandbox = backends()[kind](settings)
    yield Bench(kind=kind, run_id=run_id, sandbox=sandbox, settings=settings)
    sandbox.close()
    assert not scratch.exists()
    assert not containers(run_id)
    assert not groups(run_id)


@pytest.fixture
def bench(opened: Bench) -> Iterator[Bench]:
    yield opened
    while opened.made:
        opened.made.pop().close()
