"""What the doctor finds on machines that lack things, each with the command that mends it."""

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.commands.checks import (
    bootstrap_check,
    checks,
    disk_check,
    git_check,
    image_check,
    runtimes_check,
    sandbox_check,
    usable,
)
from harness.sandboxes.bubblewrap.check import check_bubblewrap, namespace_advice
from harness.sandboxes.check import Check
from harness.sandboxes.docker import DockerSandbox, sandbox
from harness.stack.image import Image
from harness.storage.store import Store

IMAGE = Image(
    digest="ab" * 32, suite="trixie", recipe="", built="", rootfs=Path("/r"), tar=Path("/t")
)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """An empty PATH to which a test adds the programs that its machine has."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return add


def test_without_bubblewrap_it_says_how_to_install_it(tools: Callable[..., Any]) -> None:
    check = check_bubblewrap()
    assert (check.ok, check.advice) == (False, "sudo apt-get install bubblewrap")


def test_an_old_bubblewrap_is_told_apart(tools: Callable[..., Any]) -> None:
    tools("bwrap", "echo bubblewrap 0.4.1")
    assert "too old" in check_bubblewrap().found


def test_bubblewrap_is_really_run(tools: Callable[..., Any]) -> None:
    tools(
        "bwrap",
        'test "$1" = --version && echo bubblewrap 0.8.0 && exit; echo no uid map >&2; exit 1',
    )
    check = check_bubblewrap()
    assert not check.ok
    assert "no uid map" in check.found
    assert check.advice
    tools("bwrap", "echo bubblewrap 0.11.0")
    assert check_bubblewrap().ok


@pytest.mark.parametrize(
    ("switches", "word"),
    [
        (("1", "1", "100"), "apparmor_restrict_unprivileged_userns=0"),
        (("", "0", "100"), "unprivileged_userns_clone=1"),
        (("", "", "0"), "max_user_namespaces="),
        (("0", "1", "100"), "--security-opt"),
    ],
)
def test_the_switch_that_is_off_is_the_one_to_turn(switches: tuple[str, ...], word: str) -> None:
    apparmor, clone, highest = switches
    assert word in namespace_advice(apparmor=apparmor, clone=clone, highest=highest)


def test_git_needs_the_program_that_serves_repositories(
    tools: Callable[..., Any], tmp_path: Path
) -> None:
    assert git_check().advice == "sudo apt-get install git"
    tools("git", "echo git version 2.17.1")
    assert "too old" in git_check().found
    tools("git", f'test "$1" = --version && echo git version 2.43.0 && exit; echo {tmp_path}')
    assert "without git-http-backend" in git_check().found
    (tmp_path / "git-http-backend").touch()
    assert git_check().ok


def test_an_engine_that_is_not_there_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    check = DockerSandbox.check(())
    assert not check.ok
    assert check.advice.startswith("sudo ")


def test_one_sandbox_of_the_two_is_enough() -> None:
    good = Check(name="", ok=True, found="")
    bad = Check(name="", ok=False, found="", advice="install it")
    found = sandbox_check({"first": bad, "second": good, "third": good})
    assert usable((found,))
    assert found.found == "second is used unless --sandbox names another"
    none = sandbox_check({"first": bad, "second": replace(bad, advice="start it")})
    assert not usable((none,))
    assert none.found == "none of first, second can be used"
    assert none.advice == "install it; or start it"


def test_no_sandbox_is_needed_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "harness.commands.checks.backends", lambda: {"one": Neither, "two": Neither}
    )
    found = checks(Store(root=tmp_path))
    assert [(check.needed, check.ok) for check in found if check.name == "neither"] == [
        (False, False),
        (False, False),
    ]
    assert not usable(found)


class Neither:
    """A kind of sandbox that works nowhere."""

    @staticmethod
    def check(_images: tuple[Image, ...]) -> Check:
        return Check(name="neither", ok=False, found="no", advice="get one")


def test_the_image_is_missing_or_kept() -> None:
    missing = image_check(())
    assert (missing.ok, "cache-harness image build" in missing.advice) == (False, True)
    assert image_check((IMAGE,)).found == f"{IMAGE.tag} of trixie"


@pytest.mark.parametrize(
    ("images", "tags", "found"),
    [
        ((), (), "engine 1"),
        ((IMAGE,), (), "engine 1, gets the stack image when used"),
        ((IMAGE,), (IMAGE.tag,), "engine 1, has the stack image"),
    ],
)
def test_an_engine_has_the_stack_image_or_gets_it(
    monkeypatch: pytest.MonkeyPatch, images: tuple[Image, ...], tags: tuple[str, ...], found: str
) -> None:
    engine = SimpleNamespace(
        version=lambda: {"Version": "1"}, images=lambda **_: [{"RepoTags": [*tags]}]
    )
    monkeypatch.setattr(sandbox, "connected", lambda **_: nullcontext(engine))
    assert DockerSandbox.check(images) == Check(name="Docker", ok=True, found=found)


def test_the_tool_for_images_is_needed_only_while_none_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = shutil.which
    monkeypatch.setattr(
        "harness.commands.checks.shutil.which",
        lambda name, **named: None if "strap" in name else real(name, **named),
    )
    assert usable((bootstrap_check((IMAGE,)),))
    assert not usable((bootstrap_check(()),))
    assert "apt-get install mmdebstrap" in bootstrap_check(()).advice


def test_too_few_runtimes_and_too_little_room_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(root=tmp_path / "not" / "yet")
    assert not runtimes_check(store).ok
    assert disk_check(store).ok == (shutil.disk_usage(tmp_path).free >= 4 * 1000**3)
    monkeypatch.setattr("harness.commands.checks.ROOM", 1 << 60)
    check = disk_check(store)
    assert not check.ok
    assert "--store" in check.advice
    assert not store.root.exists()
