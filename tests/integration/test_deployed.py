"""Commands that are run of what builds deployed."""

from pathlib import Path

import pytest
from planted import buildpack, scenario
from program import EndedRun, Program
from traces import need

pytestmark = [pytest.mark.image, pytest.mark.bubblewrap, pytest.mark.timeout(300)]

SCENARIO = """\
description = "d"

[app]
files = {{ "requirements.txt" = "", ".profile" = "export FROM_PROFILE=profile\\n" }}
env = {{ VAR = "config", PORT = "1" }}
run = [{first}]

[[commits]]
message = "Second"
run = [{second}]
"""
PROFILE = """
mkdir -p "$build/.profile.d"
echo 'export FROM_SCRIPT=$HOME/script' >"$build/.profile.d/x.sh"
touch "$packages/module.py"
"""


def text(*, first: str = "", second: str = "") -> str:
    return SCENARIO.format(first=first, second=second)


def commands(*lines: str, **rest: str) -> str:
    """Commands as a scenario has them, all with the same expectations."""
    more = "".join(f", {key} = '{value}'" for key, value in rest.items())
    return ", ".join(f"{{ command = '''{line}'''{more} }}" for line in lines)


def ran_of(
    program: Program, folder: Path, script: str, *arguments: object, kind: str, **said: str
) -> EndedRun:
    pack, file = buildpack(folder / "pack", script), scenario(folder, text(**said))
    number = len(list(folder.iterdir()))
    options = map(str, arguments)
    return program.run(folder / f"{number}", file, "--buildpack", pack, *options, sandbox=kind)


ALONE = (
    # Nothing of the build is there, and no network.
    '[ -z "$(ls -d /tmp/* /run/build-steps /run/built 2>/dev/null)" ]',
    "! curl --silent --insecure --max-time 5 https://example.com/",
    "! (exec 3<>/dev/tcp/127.0.0.80/443)",
    # It may write, and each command has an app of its own.
    "[ ! -e mark ] && touch mark .heroku/python/lib/python3.11/site-packages/module.py",
    "touch mark2; [ ! -e mark ]",
)


def test_a_command_starts_in_what_was_deployed_and_sees_nothing_else(
    program: Program, tmp_path: Path, kind: str
) -> None:
    told = "echo $PWD $HOME $VAR $PORT $DYNO $FROM_SCRIPT $FROM_PROFILE $STACK"
    said = "/app /app config 1 run.1 /app/script profile heroku-24"
    ran = ran_of(
        program, tmp_path, PROFILE, kind=kind,
        first=commands(*ALONE),
        second=commands(*ALONE) + "," + commands(told, matches=f"^{said}$"),
    )  # fmt: skip
    assert [step["verdict"] for step in ran.steps] == ["agrees", "agrees"], ran.said
    assert [step["unmet"] for step in ran.steps] == [[], []], ran.said
    assert ran.status == 0, ran.said


def test_what_is_not_as_expected_is_reported_with_what_was_printed(
    program: Program, tmp_path: Path
) -> None:
    need("bubblewrap")
    ran = ran_of(
        program, tmp_path, PROFILE, kind="bubblewrap",
        second=commands("echo two; exit 3")
        + ","
        + commands("echo three", contains="four"),
    )  # fmt: skip
    assert ran.status == 1
    assert ran.steps[1]["unmet"] == [
        "in both builds `echo two; exit 3` fails with exit status 3, and should pass",
        "in both builds `echo three` does not print 'four'",
    ], ran.said
    assert "it prints: two" in ran.out
    assert "it prints: three" in ran.out


# A module that the cache brings, and that no clean build has.
STALE = PROFILE + (
    'if [ -e "$cache/seen" ]; then echo stale >"$packages/module.py"; fi\ntouch "$cache/seen"\n'
)
SHOW = "cat .heroku/python/lib/python3.11/site-packages/module.py"


def test_what_a_command_does_in_one_app_alone_is_a_divergence(
    program: Program, tmp_path: Path
) -> None:
    need("bubblewrap")
    known = tmp_path / "known.toml"
    arguments = {"kind": "bubblewrap", "second": commands(SHOW, f"! grep stale {SHOW[4:]}")}
    ran = ran_of(program, tmp_path, STALE, "--write-known", known, **arguments)
    found = [one for one in ran.steps[1]["divergences"] if one["kind"] == "run"]
    assert [one["path"] for one in found] == [f"! grep stale {SHOW[4:]}", SHOW], ran.said
    assert [one["why"] for one in found] == [
        "in the cached app it fails with exit status 1 (stale), in the clean app it passes",
        "it prints different things: in the cached app stale, in the clean app nothing",
    ]
    assert ran.status == 1
    lines = known.read_text().replace('reason = ""', 'reason = "r"')
    known.write_text(lines.replace('link = ""', 'link = "https://example.com/1"'))
    again = ran_of(program, tmp_path, STALE, "--known", known, **arguments)
    assert again.status == 0, again.said


def test_a_command_that_never_does_the_same_is_no_divergence(
    program: Program, tmp_path: Path
) -> None:
    need("bubblewrap")
    second = commands("cat /proc/sys/kernel/random/uuid")
    ran = ran_of(program, tmp_path, PROFILE, kind="bubblewrap", second=second)
    assert ran.steps[1]["verdict"] == "unstable", ran.said
    assert [one["kind"] for one in ran.steps[1]["noise"]] == ["run"]


def test_a_stored_build_runs_again_only_for_a_command_that_was_not_run(
    program: Program, tmp_path: Path
) -> None:
    need("bubblewrap")
    script = PROFILE + f"# {tmp_path}\n"
    asked = [commands("true"), commands("true"), commands("true", "echo more"), commands("true")]
    runs = [ran_of(program, tmp_path, script, kind="bubblewrap", second=second) for second in asked]
    # The first commit's build is run again for its cache alone, which is stored.
    assert [run.report["builds"]["run"] for run in runs] == [3, 0, 2, 0]
    assert {run.status for run in runs} == {0}


HOSTILE = r"""
echo safe >"$packages/safe.py"
mkfifo "$packages/fifo"
ln -s SECRET "$packages/secret"
ln -sf SECRET/METADATA "$build/.profile"
mkdir -p "$build/.profile.d"
ln -s SECRET/METADATA "$build/.profile.d/a.sh"
echo 'rm -rf SECRET /app/*; echo hacked >/app/.heroku/new' >"$build/.profile.d/b.sh"
echo 'yes | head -c 200000; for i in 1 2 3; do sleep 100 & done' >"$build/.profile.d/c.sh"
"""


def test_a_hostile_app_harms_nothing_and_its_output_is_bounded(
    program: Program, tmp_path: Path, kind: str
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "METADATA").write_text("echo stolen\n")
    script = HOSTILE.replace("SECRET", str(secret))
    ran = ran_of(program, tmp_path, script, kind=kind, second=commands("echo end", matches="never"))
    assert ran.verdicts == {"planted": "agrees"}, ran.said
    assert (secret / "METADATA").read_text() == "echo stolen\n"
    assert "stolen" not in ran.said + str(ran.report)
    sizes = [facts.stat().st_size for facts in program.store.builds.glob("??/*/facts")]
    assert max(sizes) < 400_000
    # It was run: what it printed is there, and it wrote to a copy.
    (unmet,) = ran.steps[1]["unmet"]
    assert unmet == "in both builds `echo end` prints no match of 'never'", ran.said
    assert ran.out.count("it prints: y") <= 5
