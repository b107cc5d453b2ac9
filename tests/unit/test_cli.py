"""The command line: its help, and what it says to mistakes; nothing here runs a build."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from fake_sandboxes import Broken, Nowhere
from git_repositories import commit, git

from harness import __version__
from harness.cli import cli, main
from harness.commands import running
from harness.commands.lazy import Listed
from harness.errors import ExitCode
from harness.internet.exchange import Answer, Asked
from harness.internet.tape import write_tape
from harness.internet.tape_index import TapeIndex
from harness.sandboxes import registry
from harness.scenarios.scenario import load_scenario

SCENARIO = """
description = "An unchanged rebuild."
[app]
files = { "requirements.txt" = "", "runtime.txt" = "python-3.11.9" }
[[commits]]
message = "Rebuild"
"""


@pytest.fixture
def scenario(tmp_path):
    file = tmp_path / "rebuild.toml"
    file.write_text(SCENARIO)
    return str(file)


@pytest.fixture
def invoke(tmp_path, monkeypatch, capfd):
    """Runs the command as installed: exit status, stdout, stderr."""
    monkeypatch.setenv("CACHE_HARNESS_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(registry, "backends", lambda: {"nowhere": Nowhere, "broken": Broken})

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cache-harness", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        return exit_.value.code, *capfd.readouterr()

    terminated = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, terminated)


def commands(group: click.Group, path: tuple[str, ...] = ()):
    yield path, group
    for name, listed in group.commands.items():
        command = listed.load() if isinstance(listed, Listed) else listed
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(cli))
VERBS = {
    "Build", "Check", "Drop", "List", "Make", "Pack", "Print", "Prove", "Read", "Run", "Show",
}  # fmt: skip


def test_every_command_is_here():
    assert set(ALL) == {
        (),
        ("run",),
        ("matrix",),
        ("record",),
        ("import",),
        ("tape",),
        ("tape", "show"),
        ("image",),
        ("image", "build"),
        ("image", "list"),
        ("runtime",),
        ("runtime", "pack"),
        ("runtime", "list"),
        ("store",),
        ("store", "show"),
        ("store", "prune"),
        ("store", "verify"),
        ("doctor",),
        ("schema",),
    }


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_says_what_each_command_option_and_argument_is(invoke, path):
    status, out, err = invoke(*path, "--help")
    assert (status, err) == (0, "")
    command = ALL[path]
    assert command.help
    assert command.help.split(".")[0][:40] in " ".join(out.split())
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert all(option in out for option in parameter.opts)
            assert parameter.is_flag or parameter.show_default or "[default:" in parameter.help or (
                parameter.multiple or parameter.required or parameter.default is None
                or not parameter.expose_value
            )  # fmt: skip
        else:
            name = parameter.make_metavar(click.Context(command)).strip("[]").split("]")[0]
            assert name.split(".")[0] in out


@pytest.mark.parametrize("path", [path for path in ALL if path], ids=" ".join)
def test_help_lists_the_first_sentence_of_each_command_whole(invoke, monkeypatch, path):
    monkeypatch.setenv("COLUMNS", "80")
    (sentence, *_) = ALL[path].help.split("\n\n")
    status, out, _ = invoke(*path[:-1], "--help")
    assert status == 0
    assert f"  {path[-1]} " in out
    assert f" {sentence}\n" in out


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_begins_with_an_imperative_verb(path):
    (verb, *_) = ALL[path].help.split()
    assert verb.strip(",") in VERBS


def test_a_near_miss_is_named(invoke):
    _, _, err = invoke("stor")
    assert "Did you mean" in err
    assert "'store'" in err


def test_the_version_is_told(invoke):
    status, out, _ = invoke("--version")
    assert (status, out) == (0, f"cache-harness, version {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--report", "xml=report"), "--report xml=report: unknown report"),
        (("--report", "json"), "--report json: unknown report"),
        (("--report", "json="), "--report json=: unknown report"),
        (("--report", "json=/no/such/folder/r.json"), "/no/such/folder/r.json cannot be written"),
        (("--report", "json=/"), "/ cannot be written"),
        (("--sandbox", "chroot"), "there is no sandbox called 'chroot'"),
        (("--sandbox", "broken"), "the engine is not there"),
        (("--buildpack", "no-such-one"), "no such folder, bundled name or REPOSITORY@REF"),
        (("--buildpack", "/no/such/repo@v1"), "there is no repository at /no/such/repo"),
        (("--buildpack", "."), "no buildpack of a known kind (classic)"),
        (("--image", "no-such-image"), "nowhere needs another"),
        (("--python", "2.7.1"), "--python 2.7.1: there is no runtime of that version"),
        (("/no/such/scenario.toml",), "/no/such/scenario.toml: is not there"),
        (("/",), "/: holds no scenario"),
        (("--jobs", "0"), "Invalid value for '--jobs'"),
        (("--jobs", "many"), "Invalid value for '--jobs'"),
        (("--timeout", "0"), "Invalid value for '--timeout'"),
        (("--timeout", "-5"), "Invalid value for '--timeout'"),
        (("--memory", "0"), "Invalid value for '--memory'"),
        (("--no-such-option",), "No such option"),
        (("--tape", "no-such.tape"), "--tape no-such.tape: there is no such file"),
        (("--tape", "/"), "/ is no whole tape: Is a directory"),
    ],
)
def test_a_mistake_is_told_with_status_2(invoke, scenario, monkeypatch, arguments, told):
    empty = Path(scenario).parent / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    if arguments == ("/",):
        arguments, told = (str(empty),), f"{empty}: holds no scenario"
    status, out, err = invoke(
        "run", "--sandbox", "nowhere", "--image", "host", scenario, *arguments
    )
    assert (status, out) == (ExitCode.UNKNOWN, "")
    assert told in " ".join(err.split())
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Missing option '--tape'"),
        (("--tape", "/no/such/folder/t.tape"), "--tape /no/such/folder/t.tape cannot be written"),
        (("--tape", "/"), "--tape / cannot be written"),
        (("--tape", "{scenario}"), "is no whole tape: File is not a zip file"),
    ],
)
def test_a_tape_that_cannot_be_recorded_to_is_told(invoke, scenario, arguments, told):
    arguments = [argument.format(scenario=scenario) for argument in arguments]
    status, out, err = invoke(
        "record", "--sandbox", "nowhere", "--image", "host", scenario, *arguments
    )
    assert (status, out) == (ExitCode.UNKNOWN, "")
    assert told in " ".join(err.split())
    assert "Traceback" not in err


@pytest.fixture
def project(tmp_path):
    """A clone with two commits that touch its requirements."""
    folder = tmp_path / "shop"
    (folder / "requirements").mkdir(parents=True)
    (folder / ".python-version").write_text("3.9.1\n")
    git(folder, "init", "--quiet")
    for pin in ("1.0", "1.1"):
        (folder / "requirements" / "prod.txt").write_text(f"forms=={pin}\nenvconfig==2.1.0\n")
        commit(folder, f"Pin forms {pin}")
    return folder


def test_a_projects_commits_are_imported(invoke, project, tmp_path):
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
        "runtime.txt": b"python-3.11.7\n",
    }
    assert second.entries["requirements/prod.txt"].data == b"forms==1.1\nenvconfig==2.1.0\n"
    assert invoke("import", *wanted) == (0, file.read_text(), "")


def test_an_app_in_a_folder_is_imported_as_it_is(invoke, project, tmp_path):
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


def test_a_project_keeps_its_python_where_that_is_asked_for(invoke, project):
    status, out, _ = invoke("import", str(project), "--keep-python")
    assert status == 0
    assert '".python-version" = "3.9.1\\n"' in out
    assert "runtime.txt" not in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("/no/such",), "/no/such: there is no git repository"),
        (("{project}", "nope"), "{project}: there is no revision `nope`"),
        (("{project}", "--last", "3"), "only 2 commits of `HEAD` touch requirements; 3 are asked"),
        (("{project}", "--last", "1"), "Invalid value for '--last'"),
        (("{project}", "--path", "*.lock"), "no commit of `HEAD` touches *.lock"),
        (("{project}", "--requirements", "r.txt"), "--requirements r.txt: there is no such file"),
        (("{project}", "-o", "/no/such/s.toml"), "--output: /no/such/s.toml cannot be written"),
        ((), "name a REPOSITORY, or an app's folder with --app"),
        (("{project}", "--app", "{project}"), "--app takes folders as they are"),
        (("--app", "{project}", "--last", "3"), "--app takes folders as they are"),
        (("--app", "/no/such"), "--app /no/such: cannot read /no/such: No such file"),
        (("--app", "{project}/.git/refs/tags"), "--app {project}/.git/refs/tags: there are no"),
    ],
)
def test_what_cannot_be_imported_is_told(invoke, project, arguments, told):
    arguments = [argument.format(project=project) for argument in arguments]
    status, out, err = invoke("import", *arguments)
    assert (status, out) == (ExitCode.UNKNOWN, "")
    assert told.format(project=project) in " ".join(err.split())
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [("no-such-command",), ("image", "no-such-command"), ()])
def test_an_unknown_command_is_told_with_status_2(invoke, arguments):
    status, out, err = invoke(*arguments)
    assert (status, out) == (ExitCode.UNKNOWN, "")
    assert "Usage: cache-harness" in err


def test_faults_of_a_scenario_name_file_and_line(invoke, tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text('description = "d"\nforks = ["nothing"]\nsurprise = 1\n' + SCENARIO[38:])
    status, out, err = invoke("run", str(file))
    assert (status, out) == (ExitCode.UNKNOWN, "")
    assert f"{file}:3: " in err
    assert "Traceback" not in err


def test_without_any_sandbox_each_ones_reason_is_told(invoke, monkeypatch, scenario):
    monkeypatch.setattr(registry, "backends", lambda: {"broken": Broken})
    status, _, err = invoke("run", "--image", "host", scenario)
    assert status == ExitCode.UNKNOWN
    assert "broken: the engine is not there" in err


@pytest.mark.parametrize(
    "arguments",
    [("image", "list"), ("runtime", "list"), ("run", "--sandbox", "nowhere", "--image", "host")],
    ids=" ".join,
)
def test_a_store_that_cannot_be_one_is_told(invoke, tmp_path, arguments, scenario):
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
def test_a_path_that_the_system_refuses_is_told(invoke, scenario, tmp_path, arguments):
    refused = str(tmp_path / ("x" * 300))
    image = ("--image", "host") if arguments[0] in {"run", "record"} else ()
    given = [argument.format(scenario=scenario, refused=refused) for argument in arguments]
    status, _, err = invoke(*given, *image)
    assert "Traceback" not in err
    assert status == ExitCode.UNKNOWN
    assert "x" * 300 in "".join(err.split())


def test_a_tape_is_listed(invoke, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(b"x")
    digest = hashlib.sha256(b"x").hexdigest()
    answer = Answer(status=200, headers=(), sha256=digest, size=1)
    asked = Asked(url=f"https://a.example.com/{'long/' * 50}", method="GET")
    write_tape(tmp_path / "t.tape", TapeIndex(answers={asked: answer}), lambda _: body)
    status, out, _ = invoke("tape", "show", str(tmp_path / "t.tape"))
    assert status == ExitCode.EXPECTED
    assert out == f"GET   200            1  {digest[:12]}  {asked.url}\n"
    status, _, err = invoke("tape", "show", str(tmp_path / "none.tape"))
    assert status == ExitCode.UNKNOWN
    assert "there is no tape at" in err


@pytest.mark.parametrize("what", ["scenario", "repo"])
def test_schemas_are_json(invoke, what):
    status, out, _ = invoke("schema", what)
    assert status == 0
    assert json.loads(out)["$schema"]


def test_an_unknown_schema_is_told(invoke):
    status, _, err = invoke("schema", "html")
    assert status == ExitCode.UNKNOWN
    assert "html" in err


def test_lists_of_an_empty_store(invoke):
    assert invoke("image", "list")[0] == 0
    assert invoke("runtime", "list")[0] == 0


def test_a_missing_prefix_is_told(invoke):
    status, _, err = invoke("runtime", "pack", "/no/such/prefix")
    assert status == ExitCode.UNKNOWN
    assert "/no/such/prefix" in err


def test_the_interrupt_key_gives_130(invoke, monkeypatch):
    def interrupted(paths):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "load_scenarios", interrupted)
    status, _, err = invoke("run")
    assert status == ExitCode.INTERRUPTED
    assert "interrupted" in err


@pytest.mark.parametrize(
    "arguments", [("schema",), ("image", "list"), ("run", "--help")], ids=" ".join
)
def test_a_reader_that_has_gone_is_no_finding(tmp_path, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        (sys.executable, "-c", "from harness.cli import main; main()", *arguments),
        env={**os.environ, "CACHE_HARNESS_STORE": str(tmp_path)},
        stdout=writer, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (ExitCode.UNKNOWN, "")
