"""A scenario of what only real hosts have is recorded once, and runs ever after without them."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from git_repositories import commit, git
from program import PROGRAM, REPOSITORY
from real_hosts import Hosts, Page, Say, real_hosts
from stores import machine_store, store_without_builds
from traces import need
from wheels import wheel, wheel_name

from harness.ecosystems.python.buildpack_scripts import pinned_tools
from harness.ecosystems.python.tools.names import BASE_TOOLS
from harness.ecosystems.python.tools.pip import index_urls
from harness.ecosystems.python.tools.single import fetch_tool
from harness.internet.tape import read_index

pytestmark = [pytest.mark.image, pytest.mark.bubblewrap, pytest.mark.timeout(900)]

TOKEN = "planted-token-0123456789"  # noqa: S105 - it has to be told as one
MIRROR = "https://mirror.example.net/root/main/+simple"
FORGE = "https://forge.example.org/acme/real.git"
NOTES = f"https://files.example.org/notes.txt?token={TOKEN}"
BUILDPACK = REPOSITORY / "fixtures/buildpacks/root-requirements"

SCENARIO = """\
description = "An app of projects that only real hosts have"

[app.files]
"runtime.txt" = "python-${python@default}\\n"
"requirements.txt" = "only-upstream==1.0\\nreal @ git+FORGE@SHA\\n"
"bin/post_compile" = "curl -sSf -H 'Authorization: Bearer TOKEN' 'NOTES' >notes.txt"

[[commits]]
message = "Bump it"
edits = [{ do = "replace", path = "requirements.txt", old = "==1.0", new = "==1.1" }]
reuse = "discarded"
expect = [
  { path = ".heroku/python/lib/python*/site-packages/only_upstream.py", contains = "1.1" },
  { path = ".heroku/python/lib/python*/site-packages/real.py", contains = "from the forge" },
]
"""

SETUP = "from setuptools import setup; setup(name='real', version='3', py_modules=['real'])\n"


def repository(folder: Path) -> str:
    """Makes the repository that only the forge has; its commit's SHA."""

    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "setup.py").write_text(SETUP)
    (folder / "real.py").write_text("ORIGIN = 'from the forge'\n")
    return commit(folder, "one")


class TapedScenario:
    """A scenario, a tape, and the program."""

    def __init__(self, folder: Path, hosts: Hosts, sha: str) -> None:
        self.folder = folder
        self.hosts = hosts
        self.tape = folder / "real.tape"
        self.scenario = folder / "scenarios" / "real.toml"
        self.scenario.parent.mkdir()
        text = SCENARIO.replace("NOTES", NOTES).replace("TOKEN", TOKEN)
        self.scenario.write_text(text.replace("FORGE", FORGE).replace("SHA", sha))

    def does(
        self, *command: str | Path, at: Path, environ: dict[str, str]
    ) -> tuple[int, str, dict[str, Any]]:
        """Runs the program: its status, what it says, its report."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        argv = [*map(str, command), "--store", str(at), "--sandbox", "bubblewrap"]
        argv += ["--buildpack", "root-requirements", "--tape", str(self.tape)]
        if command[0] == PROGRAM:
            argv += ["--report", f"json={report}"]
        kept = {
            name: value
            for name, value in os.environ.items()
            if "PROXY" not in name.upper() and not name.startswith(("PIP_", "CACHE_HARNESS_"))
        }
        done = subprocess.run(
            argv, env={**kept, **environ}, capture_output=True, text=True, check=False,
            cwd=self.folder,
        )  # fmt: skip
        said = f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in said
        return done.returncode, said, json.loads(report.read_text()) if report.exists() else {}

    def records(self, **environ: str) -> tuple[int, str, dict[str, Any]]:
        asking = {**self.hosts.environ, "PIP_INDEX_URL": MIRROR, "REQUESTS_CA_BUNDLE": ""}
        return self.does(
            PROGRAM, "record", self.scenario, at=machine_store().root, environ={**asking, **environ}
        )


UNREACHABLE = {
    "PIP_INDEX_URL": "http://127.0.0.1:1/simple",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "HTTP_PROXY": "http://127.0.0.1:1",
}


@pytest.fixture(scope="module")
def taped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TapedScenario]:
    need("bubblewrap")
    folder = tmp_path_factory.mktemp("tape")
    # As any run would have; the mirror has none of them.
    for pin in (*BASE_TOOLS, *pinned_tools(BUILDPACK)):
        fetch_tool(pin, store=machine_store())
    sha = repository(folder / "real")
    files = "https://mirror.example.net/root/main/packages"
    names = [wheel_name("only-upstream", version) for version in ("1.0", "1.1")]
    pages: dict[str, Page] = {
        f"{MIRROR}/only-upstream/": Say(
            body="".join(f'<a href="../../packages/{name}">{name}</a>' for name in names).encode(),
            headers={"content-type": "text/html"},
        ),
        NOTES: Say(body=b"notes"),
    }
    for name, version in zip(names, ("1.0", "1.1"), strict=True):
        pages[f"{files}/{name}"] = Say(
            body=wheel("only-upstream", version, {"only_upstream.py": f"VERSION = '{version}'\n"})
        )
    with real_hosts(folder, pages, {FORGE: folder / "real" / ".git"}) as hosts:
        yield TapedScenario(folder, hosts, sha)


@pytest.fixture(scope="module")
def recorded(taped: TapedScenario) -> tuple[int, str, dict[str, Any]]:
    return taped.records()


def test_a_recording_that_cannot_be_completed_leaves_no_tape(
    taped: TapedScenario, recorded: tuple[int, str, dict[str, Any]]
) -> None:
    before = taped.tape.read_bytes()
    status, said, report = taped.records(HTTPS_PROXY="http://127.0.0.1:1")
    assert status == 0, said  # all of it is on the tape
    taped.tape.unlink()
    try:
        status, said, report = taped.records(HTTPS_PROXY="http://127.0.0.1:1")
        assert status == 2
        assert "gave no answer to record" in said
        assert "nothing is recorded" in said
        assert report["results"][0]["verdict"] == "failed"
        assert [path.name for path in taped.folder.glob("*.tape*")] == []
    finally:
        taped.tape.write_bytes(before)


def test_a_recording_says_what_the_run_shows_and_what_it_kept(
    taped: TapedScenario, recorded: tuple[int, str, dict[str, Any]]
) -> None:
    status, said, report = recorded
    assert status == 0, said
    assert report["results"][0]["verdict"] == "agrees"
    assert "recorded on" in said
    for host in ("forge.example.org", "files.example.org"):
        assert host in said
    index = read_index(taped.tape)
    sets = {wheel.set for wheel in index.tools}
    assert sets >= {pin.replace("==", "-") for pin in BASE_TOOLS}
    found = index_urls()
    assert found is not None
    assert any(asked.url == f"{found.default}only-upstream/" for asked in index.answers)


def test_nothing_secret_is_on_the_tape_nor_in_the_report(
    taped: TapedScenario, recorded: tuple[int, str, dict[str, Any]]
) -> None:
    with zipfile.ZipFile(taped.tape) as archive:
        held = b"".join(archive.read(name) for name in archive.namelist())
    assert any(TOKEN in ask.url for ask in taped.hosts.log)
    assert any(TOKEN in ask.headers.get("authorization", "") for ask in taped.hosts.log)
    for secret in (TOKEN.encode(), b"mirror.example.net"):
        assert secret not in held
    assert TOKEN not in json.dumps(recorded[2])


def test_a_replay_needs_neither_hosts_nor_index_nor_tools(
    taped: TapedScenario, recorded: tuple[int, str, dict[str, Any]], tmp_path: Path
) -> None:
    fresh = store_without_builds(tmp_path / "store", linked=("images", "runtimes")).root
    asked = len(taped.hosts.log)
    status, said, report = taped.does(PROGRAM, "run", taped.scenario, at=fresh, environ=UNREACHABLE)
    assert status == 0, said
    assert [step["reuse"] for step in report["results"][0]["steps"]] == ["empty", "discarded"]
    assert report["builds"]["run"] == 3
    assert len(taped.hosts.log) == asked
    assert not (fresh / "tools").exists()
    # pytest takes what is stored under the same tape's name.
    status, said, _ = taped.does(
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", taped.scenario, at=fresh,
        environ=UNREACHABLE,
    )  # fmt: skip
    assert status == 0, said
    assert "1 passed" in said


def test_without_the_tape_it_cannot_be_built(
    taped: TapedScenario, recorded: tuple[int, str, dict[str, Any]]
) -> None:
    taped.tape, kept = taped.folder / "empty.tape", taped.tape
    try:
        with zipfile.ZipFile(taped.tape, "w") as archive:
            archive.writestr("index.json", '{"format": 1, "answers": []}')
        status, said, report = taped.does(
            PROGRAM, "run", taped.scenario, at=machine_store().root, environ=UNREACHABLE
        )
    finally:
        taped.tape.unlink()
        taped.tape = kept
    assert status == 2, said
    refused = report["results"][0]["steps"][0]["refused"]
    assert any("not on the tape empty.tape" in each["why"] for each in refused)
