"""What each kind of sandbox says of itself, one that another distribution brings among them."""

from contextlib import closing
from pathlib import Path

import pytest
from benches import Stack
from click.testing import CliRunner
from traces import WITH_OUTSIDE, need

from harness.cli import cli
from harness.errors import ImageError, SandboxError
from harness.runs.workspace import Workspace
from harness.sandboxes import Job
from harness.sandboxes.registry import (
    SandboxSettings,
    backend,
    backends,
    choose,
    identity_of,
    open_sandbox,
)
from harness.stack.image import Image, build_image
from harness.storage.store import Store, default_root

IMAGE = Image(
    digest="ab" * 32, suite="trixie", recipe="", built="", rootfs=Path("/r"), tar=Path("/t")
)


def test_it_comes_by_its_preference() -> None:
    assert [*backends()] == ["docker", "bubblewrap", "acme"]


def test_the_doctor_lists_it(store: Store) -> None:
    shown = CliRunner().invoke(cli, ["doctor", "--store", str(store.root)]).output
    assert "Acme rooms: 0 images; " in shown
    assert "Docker: " in shown


@pytest.mark.bubblewrap
def test_it_is_used_where_it_is_asked_for(store: Store, stack: Stack) -> None:
    need("acme")
    name = choose("acme")
    said = bytearray()
    with Workspace.open(store) as workspace:
        settings = SandboxSettings(
            image=backend(name).named_image(f"tree:{stack.rootfs}"),
            run=workspace.id,
            scratch=workspace.scratch(name),
        )
        job = Job(argv=("/usr/bin/echo", "here"))
        with closing(open_sandbox(name, settings)) as sandbox:
            assert identity_of(name, sandbox)
            assert sandbox.run(job, on_output=said.extend).passed
    assert said == b"here\n"


def test_it_says_itself_what_an_image_may_be() -> None:
    with pytest.raises(ImageError, match="acme needs tree:FOLDER"):
        backend("acme").named_image("host")
    assert backend("acme").stack_image(IMAGE).identity == f"acme {IMAGE.digest}"


def test_its_own_folder_is_what_it_sweeps(store: Store) -> None:
    with Workspace.open(store) as workspace:
        assert workspace.scratch("acme").parent == workspace.folder
        with pytest.raises(SandboxError, match="no folder of acme's"):
            backend("acme").sweep(workspace.id, workspace.scratch("acme"))
    assert not workspace.folder.exists()


@pytest.mark.parametrize("kind", WITH_OUTSIDE)
def test_jobs_run_in_the_stack_image(kind: str, store: Store) -> None:
    need(kind)
    image = build_image(Store(root=default_root()))
    ready = backend(kind).stack_image(image)
    assert image.digest in ready.identity
    assert ready.name.endswith(image.tag)
    job = Job(argv=("/usr/bin/test", "-x", "/usr/bin/gcc"))
    with Workspace.open(store) as workspace:
        scratch = workspace.scratch(kind)
        settings = SandboxSettings(image=ready, run=workspace.id, scratch=scratch)
        with closing(open_sandbox(kind, settings)) as sandbox:
            assert sandbox.run(job, on_output=bytearray().extend).passed
