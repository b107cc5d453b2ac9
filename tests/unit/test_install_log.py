"""What installers say in a log, in lines that they wrote."""

import time

import pytest

from harness.ecosystems.python.install_log import InstallLog, read_install_log

SATISFIED = [
    # pip, whole, and as heroku-buildpack-python shortens and indents it
    "Requirement already satisfied: Some_Thing==1.0 in /app/lib/python3.11/site-packages (1.0)",
    "       Requirement already satisfied: some.thing==1.0 (from -r base.txt (line 5)) (1.0)",
    "Requirement already satisfied: some-thing[extra]>=1 in ./lib (1.0)",
    "Requirement already satisfied: some-thing@ https://example.invalid/x.tar.gz in ./lib (1.0)",
    # Poetry with -v
    "  - Installing some-thing (1.0): Skipped for the following reason: Already installed",
]
INSTALLED = [
    "Installing collected packages: a, some-thing, z",
    "\x1b[1mInstalling collected packages: some_thing\x1b[0m\r",
    "  - Installing some-thing (1.0 02deeb3)",
    "  • Updating some-thing (1.0 02deeb3 -> 1.0 6436966)",
    "  - Downgrading some-thing (2.0 -> 1.0)",
    " + some-thing==1.0",
    " ~ some-thing==1.0 (from file:///tmp/build_app/libs/some-thing)",
    "        + some-thing==1.0 (from git+https://example.invalid/x.git@02deeb3)",
]


@pytest.mark.parametrize("line", SATISFIED)
def test_what_was_there_already(line: str) -> None:
    log = read_install_log(f"-----> Installing\n{line}\nmore\n")
    assert log.says_restored("some-thing") is True
    assert log.says_restored("other") is None


@pytest.mark.parametrize("line", INSTALLED)
def test_what_was_installed(line: str) -> None:
    log = read_install_log(f"-----> Installing\n{line}\nmore\n")
    assert log.says_restored("some-thing") is False
    assert log.says_restored("other") is None


@pytest.mark.parametrize(
    "line", ["Audited 12 packages in 0.42ms", "Checked 1 package in 3ms",
             "No dependencies to install or update"],
)  # fmt: skip
def test_all_was_there_but_what_is_named(line: str) -> None:
    log = read_install_log(f"{line}\n + other==1.0\n")
    assert (log.says_restored("some-thing"), log.says_restored("other")) == (True, False)


def test_what_is_upgraded_was_not_kept() -> None:
    log = read_install_log(f"{SATISFIED[0]}\n{INSTALLED[0]}\n")
    assert log.says_restored("some-thing") is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----> Installing Python 3.11.2",
        "Installing build dependencies: started",
        "  Installing collected packagess: x",
        "-----> No change in requirements detected, installing from cache",
        "Installing dependencies from Pipfile.lock (0f0f0f)...",
        " - some-thing==1.0",
        "+ some-thing",
        "\x1b[2J\xff\x00",
    ],
)
def test_other_lines_say_nothing(text: str) -> None:
    assert read_install_log(text) == InstallLog()


def test_a_hostile_log_is_read_soon() -> None:
    lines = ["Installing collected packages: " + "a," * 10**6, "- Installing " + "(" * 10**6,
             "+ a==" + " (from" * 10**5, "\x1b[" * 10**6]  # fmt: skip
    began = time.monotonic()
    read_install_log("\n".join(lines))
    assert time.monotonic() - began < 5
