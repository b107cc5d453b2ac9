"""What a buildpack's scripts say of the tools that it pins, and of the Pythons that it knows."""

from pathlib import Path

import pytest

from harness.ecosystems.python.buildpack_scripts import (
    KnownPythons,
    known_pythons,
    pinned_managers,
    pinned_tools,
)


@pytest.fixture
def buildpack(tmp_path: Path) -> Path:
    for name in ("bin", "lib", "requirements", "test"):
        (tmp_path / name).mkdir()
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


def test_tools_are_pinned_in_scripts_and_requirements(buildpack: Path) -> None:
    write(buildpack, "bin/compile", "PIP_VERSION='22.0.4'\n  SETUPTOOLS_VERSION=63.4.3\n")
    write(buildpack, "lib/pip.sh", 'WHEEL_VERSION="0.37.1"\nMY_PIP_VERSION_OLD=1\n')
    write(buildpack, "requirements/pip.txt", "pip==23.0\nrequests==1.0\n# pip==9\n")
    write(buildpack, "test/spec", "PIP_VERSION=1.0\n")
    write(buildpack, "lib/other", "PIP_VERSION=$version\nSETUPTOOLS_VERSION=\n")
    assert pinned_tools(buildpack) == (
        "pip==22.0.4", "pip==23.0", "setuptools==63.4.3", "wheel==0.37.1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "default"),
    [
        ('DEFAULT_PYTHON_VERSION="${LATEST_311}"', "3.11"),
        ('DEFAULT_PYTHON_FULL_VERSION="${LATEST_PYTHON_3_13}"', "3.13"),
        ("DEFAULT_PYTHON_VERSION=python-3.10.4", "3.10"),
        ('DEFAULT_PYTHON_MAJOR_VERSION="${DEFAULT_PYTHON_FULL_VERSION%.*}"', ""),
        ("", ""),
    ],
)
def test_pythons_are_those_with_a_latest_release(buildpack: Path, said: str, default: str) -> None:
    write(buildpack, "bin/default_pythons", 'LATEST_311="python-3.11.4"\nLATEST_27="2.7.18"\n')
    write(buildpack, "lib/python", f'LATEST_PYTHON_3_13="3.13.1"\n# LATEST_39=x\n{said}\n')
    latest = {"3.11": "3.11.4", "3.13": "3.13.1"}
    assert known_pythons(buildpack) == KnownPythons(latest=latest, default=default)


def test_a_buildpack_that_says_nothing_pins_nothing(buildpack: Path) -> None:
    (buildpack / "lib/binary").write_bytes(b"\xff\0PIP_VERSION=9" + b"\0" * 600_000)
    assert pinned_tools(buildpack) == ()
    assert known_pythons(buildpack) == KnownPythons()


@pytest.mark.parametrize(
    ("files", "pins"),
    [
        (("Pipfile",), ("pipenv==2024.0.1", "uv==0.6.0")),
        (("Pipfile.lock", "requirements.txt"), ("pipenv==2024.0.1", "uv==0.6.0")),
        (("uv.lock", "poetry.lock"), ("poetry==2.1.1", "uv==0.6.0")),
        (("app/uv.lock",), ()),
        (("requirements.txt",), ()),
    ],
)
def test_managers_are_those_whose_files_the_app_has_and_what_installs_them(
    buildpack: Path, files: tuple[str, ...], pins: tuple[str, ...]
) -> None:
    write(buildpack, "lib/uv.sh", "UV_VERSION=0.6.0\n")
    write(buildpack, "requirements/poetry.txt", "poetry==2.1.1\n")
    write(buildpack, "lib/pipenv.sh", "PIPENV_VERSION='2024.0.1'\nPIP_VERSION=25.0\n")
    assert pinned_managers(buildpack, files) == pins
