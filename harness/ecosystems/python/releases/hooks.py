"""Calls a project's build hooks (PEP 517) with what they require; run in a sandbox, as a script."""

# An image's Python runs this file by itself: it imports nothing of the harness and keeps to what
# Python 3.8 knows.
from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HOOKS = ("build_sdist", "build_wheel")


def build(spec: dict[str, Any]) -> None:
    """Builds an sdist and a wheel into the folder `out`, each from a fresh copy of `source`."""
    work = Path(tempfile.mkdtemp())
    packages = work / "packages"
    install(spec, spec["requires"], packages)
    for name in HOOKS:
        source = work / name
        shutil.copytree(spec["source"], str(source), symlinks=True)
        wanted = work / (name + ".json")
        call_apart(spec, "get_requires_for_" + name, wanted, packages, source)
        install(spec, json.loads(wanted.read_text(encoding="utf-8")), packages)
        call_apart(spec, name, Path(spec["out"]), packages, source)


def install(spec: dict[str, Any], requirements: list[str], packages: Path) -> None:
    """Installs requirements from the folder `tools`, and from nowhere else."""
    if not requirements:
        return
    command = [sys.executable, spec["pip"] + "/pip", "install", "--quiet", "--no-index"]
    command += ["--find-links", spec["tools"], "--target", str(packages), "--upgrade"]
    command += ["--disable-pip-version-check", "--no-compile", "--no-cache-dir"]
    command += ["--no-warn-script-location", "--root-user-action=ignore", *requirements]
    if subprocess.run(command, check=False).returncode:
        sys.exit("cannot install what the build requires: " + ", ".join(requirements))


def call_apart(spec: dict[str, Any], hook: str, result: Path, packages: Path, source: Path) -> None:
    """Calls a hook in a process of its own, in the source's folder, as the standard has it."""
    request = {key: spec[key] for key in ("backend", "path")}
    request.update(hook=hook, result=str(result))
    script = str(Path(__file__).resolve())
    command = [sys.executable, "-S", "-s", script, "call", json.dumps(request)]
    environment = dict(os.environ, PYTHONPATH=str(packages))
    if subprocess.run(command, cwd=str(source), env=environment, check=False).returncode:
        sys.exit("the build backend's " + hook + " failed")


def call(request: dict[str, Any]) -> None:
    """Calls one hook; a missing `get_requires_for_...` stands for one that wants nothing."""
    sys.path[0:1] = [str(Path(part).resolve()) for part in request["path"]]
    module, _, attributes = request["backend"].partition(":")
    backend: Any = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        backend = getattr(backend, attribute)
    hook, result = request["hook"], request["result"]
    if hook in HOOKS:
        getattr(backend, hook)(result)
        return
    wanted = getattr(backend, hook)() if hasattr(backend, hook) else []
    Path(result).write_text(json.dumps(list(wanted)), encoding="utf-8")


if __name__ == "__main__":
    {"build": build, "call": call}[sys.argv[1]](json.loads(sys.argv[2]))
