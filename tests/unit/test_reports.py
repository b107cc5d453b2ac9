"""What a run's results look like as text and as JSON, and while the run goes on."""

import io
import json
import time
from dataclasses import replace

from rich.console import Console
from sample_results import (
    AGREES,
    DIVERGES,
    FAILED,
    ONLY_PYTHON,
    PARTS,
    SITE,
    divergence,
    result,
    run,
)

from harness.ecosystems.reuse import Reuse
from harness.ecosystems.serving import StandIn
from harness.internet import Request
from harness.reports import console as console_report
from harness.reports import json as json_report
from harness.reports import matrix as matrix_report
from harness.reports.counts import builds_line
from harness.reports.matrix import shortened
from harness.runs.display import showing
from harness.runs.progress import Label
from harness.verdicts.result import Builds, CleanMade, Failure, Result, Run, Step, Verdict


def shown(of: Run) -> str:
    printed = io.StringIO()
    Console(file=printed, width=200, soft_wrap=True).print(console_report.render(of))
    return printed.getvalue()


def test_one_of_each_count_is_singular() -> None:
    assert (
        builds_line(Builds(needed=1, run=1, reused=1)) == "1 build needed, 1 run, 1 result reused"
    )


def test_what_people_wrote_comes_before_what_tools_derived() -> None:
    paths = (divergence("a.lock", derived=True), divergence("b.py"), divergence("c.py"))
    text = shown(run(result(replace(DIVERGES, divergences=paths))))
    assert text.index("b.py") < text.index("c.py") < text.index("a.lock")


def test_a_failure_shows_the_end_of_its_log_as_it_is() -> None:
    text = shown(run(result(FAILED)))
    assert "the clean build fails with exit status 4, in compile" in text
    assert "| [red]last[/red] line" in text


def test_nothing_that_a_build_wrote_commands_the_terminal() -> None:
    clipboard = "\x1b]52;c;cm0gLXJmIH4=\x1b\\"
    failure = replace(FAILED.failures[0], log_tail=(f"{clipboard}a\x1b[2Jb\u202e",))
    request = Request(method="GET", url=f"http://x\x9b31m/{clipboard}", status=599, refused="no")
    text = shown(run(result(replace(FAILED, failures=(failure,), refused=(request,)))))
    assert "| ab\ufffd" in text
    assert "refused: GET http://x/" in text
    assert text.replace("\n", "").isprintable()


def test_each_part_of_the_cache_is_told_by_name_with_what_it_rests_on() -> None:
    told = console_report.plain(result(AGREES, replace(ONLY_PYTHON, unmet=("x",))))
    lines = [line.strip() for line in told.splitlines()]
    assert "runtime reused (by requests): from the cache: python-3.11.2.tar.zst" in lines
    assert (
        "packages discarded (by requests, log): new: forms, \\xff, p0, p1, p2, p3, p4, p5 and 3"
        " more; unknown: vendored"
    ) in lines


def test_what_only_the_clean_build_had_is_told() -> None:
    clean = CleanMade(files=(".python-version", "\udcff"), env=("LEVEL",), buildpack="v350")
    step = replace(AGREES, clean=clean)
    named = ".python-version, \\xff, LEVEL, the buildpack at v350"
    assert f"empty(clean build with {named})" in shown(run(result(step)))
    told = console_report.plain(result(replace(step, unmet=("x",))))
    assert f"\n    the clean build was made with {named}\n" in told
    report = json.loads(json_report.render(run(result(AGREES, step))))
    assert [each["clean"] for each in report["results"][0]["steps"]] == [
        None,
        {"files": [".python-version", "\\xff"], "env": ["LEVEL"], "buildpack": "v350"},
    ]


def test_a_clean_build_s_other_python_is_told() -> None:
    python = replace(PARTS[0], instead=("python-3.14.8.tar.zst",))
    told = console_report.plain(result(replace(ONLY_PYTHON, reuse_parts=(python,), unmet=("x",))))
    assert "; a clean build has python-3.14.8.tar.zst\n" in told


def test_a_cache_that_is_reused_but_for_the_packages_is_told_apart() -> None:
    reused = replace(ONLY_PYTHON, reuse_parts=PARTS[:1])
    assert "empty reused(packages reinstalled) reused " in shown(
        run(result(AGREES, ONLY_PYTHON, reused))
    )
    diverges = replace(ONLY_PYTHON, verdict=Verdict.DIVERGES)
    assert "reused(diverges, packages reinstalled)" in shown(run(result(diverges)))
    assert "packages reinstalled" not in shown(
        run(result(replace(ONLY_PYTHON, reuse=Reuse.DISCARDED)))
    )
    row = matrix_lines(result(AGREES, ONLY_PYTHON, reused))[1]
    assert row.split()[1:] == ["agrees", "pr"]


def test_an_earlier_finding_shows_in_the_verdict() -> None:
    text = shown(run(result(DIVERGES, AGREES)))
    row = next(line for line in text.splitlines() if line.startswith("reuse/x "))
    assert "agrees (diverged earlier), unmet" in row
    assert "discarded(diverges)" in row


def test_what_is_in_a_leftover_folder_is_told_by_the_folder() -> None:
    inside = [divergence(f"forms/{name}") for name in "abc"]
    beside = divergence("forms.py")
    step = replace(DIVERGES, divergences=(divergence("forms"), *inside, beside))
    text = shown(run(result(step)))
    assert f"{SITE}/forms" in text.split()
    assert "site-packages/forms.py" in text
    assert "site-packages/forms/a" not in text


def test_many_paths_are_cut_short_with_their_count() -> None:
    step = replace(DIVERGES, divergences=tuple(divergence(f"f{n:02}") for n in range(30)))
    text = shown(run(result(step)))
    assert "site-packages/f11" in text
    assert "site-packages/f12" not in text
    assert "and 18 more" in text


def test_json_names_every_field_of_a_step_and_a_result() -> None:
    report = json.loads(json_report.render(run(result(AGREES))))
    (only,) = report["results"]
    assert set(only) == {*Result.__dataclass_fields__, "verdict"}
    assert set(only["steps"][0]) == {*Step.__dataclass_fields__}
    assert set(report) == {*Run.__dataclass_fields__, "format"}


def test_json_can_be_written_whatever_a_file_is_called() -> None:
    odd = replace(result(AGREES), file="s\udcff.toml", scenario="s\udcff", buildpack="/b\udcff")
    text = json_report.render(run(odd))
    assert json.loads(text.encode())["results"][0]["file"]
    assert text.endswith("}\n")


def test_elsewhere_than_on_a_terminal_each_build_has_a_line() -> None:
    printed = io.StringIO()
    console = Console(file=printed, width=20)
    with showing(console) as observer:
        observer.note("[image] is built, which takes a while")
        a = Label(scenario="a", commit=1, commits=2, arm="cached")
        b = Label(scenario="b", commit=2, commits=2, arm="clean")
        observer.build_started(a)
        observer.build_started(b)
        observer.build_line(a, "-----> Installing")
        observer.build_ended(b, "passes", 1.26)
        observer.build_ended(a, "fails with exit status 4", 61.0)
        observer.scenario_ended("a", Verdict.AGREES)
    assert printed.getvalue().splitlines() == [
        "[image] is built, which takes a while",
        "b: commit 2/2 clean passes (1.3 s)",
        "a: commit 1/2 cached fails with exit status 4 (61.0 s)",
        "a: agrees",
    ]


def test_a_build_under_way_does_not_command_the_terminal() -> None:
    printed = io.StringIO()
    console = Console(file=printed, force_terminal=True, width=200)
    with showing(console) as observer:
        label = Label(scenario="a", commit=1, commits=2, arm="cached")
        observer.build_started(label)
        observer.build_line(label, "\x1b]52;c;cm0gLXJmIH4=\x1b\\Installing\x1b[2J")
        time.sleep(0.5)
    text = printed.getvalue()
    assert "Installing" in text
    assert "\x1b]52" not in text
    assert "\x1b[2J" not in text


def test_a_scenario_that_could_not_be_judged_says_why_and_is_no_agreement() -> None:
    broken = replace(result(AGREES), error="nothing to compare\n  try: --compare GLOB")
    assert broken.verdict is Verdict.FAILED
    assert broken.exit_code == 2
    text = console_report.plain(broken)
    assert "nothing to compare" in text
    assert "try: --compare GLOB" in text
    (told,) = json.loads(
        json_report.render(Run(results=(broken,), builds=Builds(needed=1, run=1, reused=0)))
    )["results"]
    assert (told["verdict"], told["error"]) == ("failed", broken.error)
    assert result(AGREES).error == ""


def test_a_failing_control_build_is_not_called_a_difference_of_two_clean_builds() -> None:
    failure = Failure(arm="control", command="compile", how="fails", log_tail=())
    step = replace(AGREES, verdict=Verdict.UNSTABLE, noise=(divergence("x"),), failures=(failure,))
    text = console_report.plain(result(step))
    assert "a second clean build fails" in text
    assert "two clean builds differ" not in text


def matrix_lines(*results: Result, width: int = 120) -> list[str]:
    printed = io.StringIO()
    Console(file=printed, width=width, soft_wrap=True).print(matrix_report.render(run(*results)))
    return [line.rstrip() for line in printed.getvalue().splitlines()]


def test_a_matrix_wider_than_the_terminal_keeps_a_row_on_a_line() -> None:
    columns = [f"../repo@v{number}" for number in range(8)]
    lines = matrix_lines(
        *(replace(result(AGREES, DIVERGES, scenario="some/scenario"), buildpack=one)
          for one in columns), width=80,
    )  # fmt: skip
    assert lines[0].split() == ["scenario", *(f"v{number}" for number in range(8))]
    assert lines[1].startswith("some/scenario ")
    assert lines[1].count("diverges") == 8


def test_columns_that_would_be_called_alike_keep_their_whole_names() -> None:
    assert shortened(("a@v1", "b@v1")) == {"a@v1": "a@v1", "b@v1": "b@v1"}
    assert shortened(("root-requirements", "a@v1")) == {
        "root-requirements": "root-requirements", "a@v1": "v1",
    }  # fmt: skip


def test_a_python_that_stood_in_for_another_is_told_once_and_in_json_where_it_did() -> None:
    taken = replace(AGREES, stand_ins=(StandIn(asked="3.14.7", served="3.14.8"),))
    told = run(result(AGREES, taken), result(taken))
    assert shown(told).count("Python 3.14.7 was served by 3.14.8") == 1
    assert "was served by" not in shown(run(result(AGREES)))
    steps = [
        step for each in json.loads(json_report.render(told))["results"] for step in each["steps"]
    ]
    one = {"asked": "3.14.7", "served": "3.14.8"}
    assert [step["stand_ins"] for step in steps] == [[], [one], [one]]
