"""Everything that a person reads after a mistake, with the exit status; nothing is built."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_sandboxes import Broken
from snapshots import SHA, filtered, folder
from syrupy.assertion import SnapshotAssertion

from harness.sandboxes import registry

FILES = {
    "no.toml": "nothing",
    "wrong.toml": (
        'description = "d"\nsurprise = 1\n'
        '[app]\nfiles = { "requirements.txt" = 1 }\n[[commits]]\nmessage = "First"\n'
    ),
    "known.toml": '[[known]]\nscenario = "s"\ncommit = 0\nlink = "here"\n',
    "file": "",
}
BUILDING = "--sandbox nowhere --image host rebuild.toml"


@pytest.fixture
def transcript(
    invoke: Callable[..., Any],
    scenario: str,
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Any]:
    """What a command that comes to nothing prints, after its line, and its status."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(line: str) -> str:
        line = line.strip()
        status, out, err = invoke(*shlex.split(line))
        assert (status, out) == (2, "")
        text = f"$ cache-harness {line}\n{err}[exit status {status}]\n"
        return filtered(text, folder(tmp_path, "here"), SHA)

    return run


@pytest.mark.parametrize(
    "line",
    ["", "no-such-command", "stor", "image no-such-command", "run --no-such-option",
     "schema html", "runtime pack no-such-prefix", "tape show none.tape", "tape show file"],
)  # fmt: skip
def test_of_a_command(
    transcript: Callable[..., Any], snapshot: SnapshotAssertion, line: str
) -> None:
    assert transcript(line) == snapshot


@pytest.mark.parametrize(
    "line",
    ["run none.toml", "run empty", "run no.toml", "run wrong.toml no.toml",
     "run rebuild.toml --known none.toml", "run rebuild.toml --known known.toml"],
)  # fmt: skip
def test_of_a_file_that_is_read(
    transcript: Callable[..., Any], snapshot: SnapshotAssertion, line: str
) -> None:
    assert transcript(line) == snapshot


@pytest.mark.parametrize(
    "options",
    ["--report xml=report", "--report json", "--report json=", "--report json=none/r.json",
     "--report json=empty", "--write-known none/known.toml", "--write-known empty",
     "--sandbox chroot", "--sandbox broken", "--image no-such-image",
     "--buildpack no-such-one", "--buildpack ./none@v1", "--buildpack shop@v1",
     "--buildpack empty", "--python 2.7.1", "--jobs 0", "--jobs many", "--timeout 0",
     "--timeout -5", "--memory 0", "--store file", "--store file/store",
     "--tape none.tape", "--tape empty", "--tape file"],
)  # fmt: skip
def test_of_an_option_of_run(
    transcript: Callable[..., Any], snapshot: SnapshotAssertion, options: str
) -> None:
    assert transcript(f"run {BUILDING} {options}") == snapshot


@pytest.mark.parametrize("options", ["", "--tape none/t.tape", "--tape empty", "--tape file"])
def test_of_an_option_of_record(
    transcript: Callable[..., Any], snapshot: SnapshotAssertion, options: str
) -> None:
    assert transcript(f"record {BUILDING} {options}") == snapshot


def test_of_a_matrix_without_a_buildpack(
    transcript: Callable[..., Any], snapshot: SnapshotAssertion
) -> None:
    assert transcript(f"matrix {BUILDING}") == snapshot


@pytest.mark.parametrize(
    "arguments",
    ["", "none", "shop no-such-revision", "shop --last 3", "shop --last 1",
     "shop --path '*.lock'", "shop --requirements r.txt", "shop -o none/s.toml",
     "shop --app shop", "--app shop --last 3", "--app none", "--app file", "--app empty"],
)  # fmt: skip
def test_of_an_import(
    transcript: Callable[..., Any], snapshot: SnapshotAssertion, arguments: str
) -> None:
    assert transcript(f"import {arguments}") == snapshot


def test_of_a_variable_that_names_no_store(
    transcript: Callable[..., Any],
    snapshot: SnapshotAssertion,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CACHE_HARNESS_STORE", str(tmp_path / "file"))
    assert transcript(f"run {BUILDING}") == snapshot


def test_of_a_machine_without_a_sandbox(
    transcript: Callable[..., Any], snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "backends", lambda: {"broken": Broken})
    assert transcript("run --image host rebuild.toml") == snapshot
