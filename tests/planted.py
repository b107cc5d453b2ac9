"""Buildpacks and scenarios of a test's own."""

import shutil
from pathlib import Path

from program import REPOSITORY, EndedRun, Program


def buildpack(folder: Path, script: str) -> Path:
    """A buildpack whose compile is the script; `$packages` is its site-packages, made."""
    head = (
        "#!/usr/bin/env bash\nset -euo pipefail\n"
        "build=$1 cache=$2\n"
        "packages=$build/.heroku/python/lib/python3.11/site-packages\n"
        'mkdir -p "$packages" "$build/.heroku/python/bin"\n'
    )
    for name, text in (("detect", "#!/bin/sh\nexit 0\n"), ("compile", head + script)):
        program = folder / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    return folder


def bundled_copy(name: str, folder: Path) -> Path:
    """A bundled buildpack as a folder of its own, to plant a fault in."""
    shutil.copytree(REPOSITORY / "fixtures/buildpacks" / name, folder)
    return folder


PLAIN = """\
description = "A page is added to an app of one file"

[app.files]
"requirements.txt" = ""

[[commits]]
message = "Add a page"
edits = [{ do = "write", path = "page.html", text = "<h1>Hello</h1>" }]
"""


ONE_PACKAGE = """\
description = "A page is added to an app of one package"
forks = ["envconfig"]

[app]
copy = "django-app"
releases = [{ fork = "envconfig", revision = "v2.1", do = "publish" }]

[app.files]
"requirements.txt" = "envconfig==2.1.0\\n"

[[commits]]
message = "Add a page"
edits = [{ do = "write", path = "page.html", text = "<h1>Hello</h1>" }]
"""


def scenario(folder: Path, text: str = PLAIN) -> Path:
    """A scenario file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "planted.toml"
    file.write_text(text)
    return file


def run_planted(
    program: Program, folder: Path, script: str, *arguments: str, sandbox: str = "bubblewrap"
) -> EndedRun:
    """A run of the plain scenario with a buildpack whose compile is the script."""
    file, pack = scenario(folder), buildpack(folder / "buildpack", script)
    return program.run(folder / "run", file, "--buildpack", pack, *arguments, sandbox=sandbox)
