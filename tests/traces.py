"""What a run may leave on the machine, and whether this machine can run it at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.sandboxes.registry import backends

KINDS = ("docker", "bubblewrap")
"""The kinds of sandbox that ship."""
SANDBOXES = tuple(pytest.param(kind, marks=getattr(pytest.mark, kind)) for kind in KINDS)
OUTSIDE = Path(__file__).with_name("outside")
"""A folder with a distribution that brings a kind of sandbox of its own, `acme`."""
WITH_OUTSIDE = (*SANDBOXES, pytest.param("acme", marks=pytest.mark.bubblewrap))


def need(kind: str) -> None:
    """Skips where a kind of sandbox cannot be used, except where it must be."""
    check = backends()[kind].check(())
    if not check.ok:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{kind}: {check.found}")


def below(folder: Path) -> Iterator[Path]:
    """All below a folder in which things come and go meanwhile, which `Path.rglob` cannot read."""
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(parent, name)


def containers(run_id: str) -> list[str]:
    """The ids of the engine's containers of a run, dead or alive."""
    return _of_the_engine("containers", run_id)


def networks(run_id: str) -> list[str]:
    """The ids of the engine's networks of a run."""
    return _of_the_engine("networks", run_id)


def _of_the_engine(what: str, run_id: str) -> list[str]:
    if not backends()["docker"].check(()).ok:
        return []
    import docker

    every = {"all": True} if what == "containers" else {}
    with contextlib.closing(docker.from_env()) as client:
        found = getattr(client.api, what)(filters={"label": f"cache-harness.run={run_id}"}, **every)
    return [str(one["Id"]) for one in found]


def groups(run_id: str) -> list[Path]:
    """The control groups of a run."""
    prefix = f"cache-harness-{run_id}"
    return [path for path in below(Path("/sys/fs/cgroup")) if path.name.startswith(prefix)]


def processes(marker: str) -> list[str]:
    """Command lines of the machine's processes that hold `marker`, this one's apart."""
    return [line for pid, line in _processes() if marker in line and pid != os.getpid()]


def mounting(part: str) -> list[str]:
    """Command lines of the processes among whose mounts is one that holds `part`."""
    return [line for pid, line in _processes() if part in _mounts(pid)]


def _processes() -> Iterator[tuple[int, str]]:
    for process in psutil.process_iter(["cmdline"]):
        yield process.pid, " ".join(process.info["cmdline"] or ())


def _mounts(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/mountinfo").read_text(errors="replace")
    return ""
