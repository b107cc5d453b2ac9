"""Run as root: becomes an ordinary user (in the docker group, for Docker), then tries a sandbox."""

import contextlib
import json
import os
import stat
import sys
from pathlib import Path

from benches import Answers, Bench
from jobs import COUNT, FETCH, HOG, HOSTILE, MANY

from harness.sandboxes import MEBIBYTE, End, Mount
from harness.sandboxes.registry import BaseImage, SandboxSettings, backends
from harness.trees.removal import remove_tree

NOBODY = 65534


def become_ordinary(kind: str) -> None:
    groups = []
    if kind == "docker":
        # The engine's socket tells which group may use it.
        place = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        groups = [Path(place.removeprefix("unix://")).stat().st_gid]
    os.setgroups(groups)
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def tried(bench: Bench, out: Path) -> dict[str, object]:
    mount = Mount(source=out, target="/out", writable=True)
    served = bench.python(FETCH, serve=Answers())
    counted = bench.python(COUNT, processes=40)
    leftovers = bench.python(HOSTILE, mounts=(mount,))
    told: dict[str, object] = {
        "status": max(served.outcome.status, leftovers.outcome.status),
        "lines": served.lines,
        "memory": bench.python(HOG.format(400), memory=128 * MEBIBYTE).outcome.end,
        "memory of many": bench.python(MANY, memory=150 * MEBIBYTE).outcome.end,
        "forks": (counted.outcome.end, counted.outcome.status) == (End.EXITED, 9)
        or counted.outcome.end is End.PROCESSES,
        "timeout": bench.sh("sleep 50", seconds=0.5).outcome.end,
        "named": bench.sh("id -un && id -gn").outcome.status == 0,
        "owned": {entry.lstat().st_uid for entry in out.iterdir()} == {os.getuid()},
    }
    with contextlib.suppress(OSError):
        assert stat.S_IMODE((out / "closed").lstat().st_mode) == 0
    remove_tree(out)
    told["removed"] = not out.exists()
    return told


def main(kind: str, home: str) -> None:
    given = json.load(sys.stdin)
    backend = backends()[kind]
    become_ordinary(kind)
    scratch = Path(home, "scratch")
    out = Path(home, "out")
    for folder in (scratch, out):
        folder.mkdir()
    settings = SandboxSettings(
        image=BaseImage(name=given["image"], rootfs=Path(given["rootfs"])),
        run="ordinary",
        scratch=scratch,
    )
    sandbox = backend(settings)
    with contextlib.closing(sandbox):
        bench = Bench(kind=kind, run_id="ordinary", sandbox=sandbox, settings=settings)
        json.dump(tried(bench, out), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
