"""What the command does; nothing here runs a build."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.commands import running
from harness.errors import ExitCode
from harness.internet.exchange import Answer, Asked
from harness.internet.tape import write_tape
from harness.internet.tape_index import TapeIndex
from harness.scenarios.scenario import load_scenario


def test_a_projects_commits_are_imported(
    invoke: Callable[..., Any], project: Path, tmp_path: Path
) -> None:
    file = tmp_path / "shop.toml"
    wanted = (str(project), "--requirements", "requirements/prod.txt")
    status, out, err = invoke("import", *wanted, "--output", str(file))
    assert (status, err) == (0, "")
    assert out.startswith(f"{file}: 2 commits, ")
    first, second = load_scenario(file).trees({"default": "3.11.7"})
    assert {path: first.entries[path].data for path in first} == {
        ".python-version": b"3.11.7\n",
        "requirements.txt": b"-r requirements/prod.txt\n",
        "requirements/prod.txt": b"forms==1.0\nenvconfig==2.1.0\n",
    }
    assert second.entries["requirements/prod.txt"].data == b"forms==1.1\nenvconfig==2.1.0\n"
    assert invoke("import", *wanted) == (0, file.read_text(), "")


def test_an_app_in_a_folder_is_imported_as_it_is(
    invoke: Callable[..., Any], project: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "uv.lock").write_text("")
    wanted = ("--app", str(project), "--app", str(other))
    file = tmp_path / "apps.toml"
    assert invoke("import", *wanted, "-o", str(file)) == (0, f"{file}: shop to other\n", "")
    deployed, again, added, became = load_scenario(file).trees({})
    assert {path: deployed.entries[path].data for path in deployed} == {
        ".python-version": b"3.9.1\n",
        "requirements/prod.txt": b"forms==1.1\nenvconfig==2.1.0\n",
    }
    assert again == deployed
    assert set(added) - set(deployed) == {"added-since.txt"}
    assert set(became) == {"uv.lock"}
    assert invoke("import", *wanted) == (0, file.read_text(), "")


def test_a_project_keeps_its_python_where_that_is_asked_for(
    invoke: Callable[..., Any], project: Path
) -> None:
    status, out, _ = invoke("import", str(project), "--keep-python")
    assert status == 0
    assert '".python-version" = "3.9.1\\n"' in out
    assert "runtime.txt" not in out


@pytest.mark.parametrize(
    "arguments",
    [("image", "list"), ("runtime", "list"), ("run", "--sandbox", "nowhere", "--image", "host")],
    ids=" ".join,
)
def test_a_store_that_cannot_be_one_is_told(
    invoke: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...], scenario: str
) -> None:
    (tmp_path / "file").write_text("")
    more = (scenario,) if arguments[0] == "run" else ()
    status, _, err = invoke(*arguments, "--store", str(tmp_path / "file" / "store"), *more)
    assert "Traceback" not in err
    assert status in {ExitCode.EXPECTED, ExitCode.UNKNOWN}


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "{refused}"),
        ("run", "{scenario}", "--known", "{refused}"),
        ("run", "{scenario}", "--write-known", "{refused}"),
        ("run", "{scenario}", "--report", "json={refused}"),
        ("run", "{scenario}", "--buildpack", "{refused}"),
        ("run", "{scenario}", "--buildpack", "{refused}@v1"),
        ("run", "{scenario}", "--tape", "{refused}"),
        ("run", "{scenario}", "--store", "{refused}"),
        ("record", "{scenario}", "--tape", "{refused}"),
        ("import", "{refused}"),
        ("tape", "show", "{refused}"),
        ("store", "show", "--store", "{refused}"),
        ("store", "prune", "--store", "{refused}"),
        ("store", "verify", "--store", "{refused}"),
        ("doctor", "--store", "{refused}"),
        ("image", "list", "--store", "{refused}"),
        ("image", "build", "--store", "{refused}"),
        ("runtime", "list", "--store", "{refused}"),
        ("runtime", "pack", "{refused}"),
    ],
    ids=lambda arguments: " ".join(arguments).replace("{scenario} ", ""),
)
def test_a_path_that_the_system_refuses_is_told(
    invoke: Callable[..., Any], scenario: str, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    refused = str(tmp_path / ("x" * 300))
    image = ("--image", "host") if arguments[0] in {"run", "record"} else ()
    given = [argument.format(scenario=scenario, refused=refused) for argument in arguments]
    status, _, err = invoke(*given, *image)
    assert "Traceback" not in err
    assert status == ExitCode.UNKNOWN
    assert "x" * 300 in "".join(err.split())


def test_a_tape_is_listed(invoke: Callable[..., Any], tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"x")
    digest = hashlib.sha256(b"x").hexdigest()
    answer = Answer(status=200, headers=(), sha256=digest, size=1)
    asked = Asked(url=f"https://a.example.com/{'long/' * 50}", method="GET")
    write_tape(tmp_path / "t.tape", TapeIndex(answers={asked: answer}), lambda _: body)
    status, out, _ = invoke("tape", "show", str(tmp_path / "t.tape"))
    assert status == ExitCode.EXPECTED
    assert out == f"GET   200            1  {digest[:12]}  {asked.url}\n"


@pytest.mark.parametrize("what", ["scenario", "repo"])
def test_schemas_are_json(invoke: Callable[..., Any], what: str) -> None:
    status, out, _ = invoke("schema", what)
    assert status == 0
    assert json.loads(out)["$schema"]


def test_lists_of_an_empty_store(invoke: Callable[..., Any]) -> None:
    assert invoke("image", "list")[0] == 0
    assert invoke("runtime", "list")[0] == 0


def test_the_interrupt_key_gives_130(
    invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(paths: tuple[Path]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "load_scenarios", interrupted)
    status, _, err = invoke("run")
    assert status == ExitCode.INTERRUPTED
    assert "interrupted" in err


@pytest.mark.parametrize(
    "arguments", [("schema",), ("image", "list"), ("run", "--help")], ids=" ".join
)
def test_a_reader_that_has_gone_is_no_finding(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        (sys.executable, "-c", "from harness.cli import main; main()", *arguments),
        env={**os.environ, "CACHE_HARNESS_STORE": str(tmp_path)},
        stdout=writer, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (ExitCode.UNKNOWN, "")
