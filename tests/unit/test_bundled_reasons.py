"""Why bundled buildpacks drop their cache, in their own words, by their functions in a bash."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.buildpacks.classic import ClassicKind
from harness.bundled import bundled_buildpacks

FILES = {
    "runtime.txt": "python-3.11.9\n",
    "requirements.txt": "-r base.txt\n",
    "base.txt": "a==1\n",
}
LOCKED = {"runtime.txt": "python-3.11.9\n", "Pipfile.lock": '{"default": {}}\n'}


@pytest.fixture
def restored(tmp_path: Path) -> Callable[..., Any]:
    """What a buildpack says of a cache that was saved for some files, when it gets others."""

    def said(name: str, before: dict[str, str], after: dict[str, str], **config: str) -> str:
        build, cache, env = (tmp_path / part for part in ("build", "cache", "env"))
        (cache / "python").mkdir(parents=True)
        env.mkdir()
        *code, last = (bundled_buildpacks() / name / "bin" / "compile").read_text().splitlines()
        assert last == "compile"
        program = tmp_path / name / "bin" / "program"
        program.parent.mkdir(parents=True)
        (tmp_path / name / "lib").symlink_to(bundled_buildpacks() / "lib")

        def run(last: str, files: dict[str, str], stack: str) -> str:
            for old in build.glob("*"):
                old.unlink()
            build.mkdir(exist_ok=True)
            for path, text in files.items():
                (build / path).write_text(text)
            program.write_text("\n".join([*code, last]) + "\n")
            return subprocess.run(
                ("bash", str(program), str(build), str(cache), str(env)),
                env={"PATH": "/usr/bin:/bin", "STACK": stack}, capture_output=True, text=True,
                check=True,
            ).stdout  # fmt: skip

        run('cache_key "$cache/python" >"$cache/key"', before, "heroku-22")
        stack = config.pop("stack", "heroku-22")
        for variable, value in config.items():
            (env / variable).write_text(value)
        for line in (cache / "key").read_text().splitlines():
            assert re.fullmatch(r"\S*  [^-\s].*", line), line
        return run('mkdir "$build/.heroku"; restore "$(cache_key "$cache/python")"', after, stack)

    return said


@pytest.mark.parametrize(
    ("name", "before", "after", "reason"),
    [
        (
            "root-requirements",
            FILES,
            FILES | {"requirements.txt": "b==1\n"},
            "requirements.txt changed",
        ),
        (
            "root-requirements",
            LOCKED,
            LOCKED | {"Pipfile.lock": "{}"},
            "Pipfile.lock changed",
        ),
        (
            "root-requirements",
            FILES,
            FILES | {"runtime.txt": "python-3.12.1\n"},
            "Python version changed from 3.11.9 to 3.12.1",
        ),
        ("every-input", FILES, FILES | {"base.txt": "a==2\n"}, "base.txt changed"),
        (
            "every-input",
            FILES,
            FILES | {"base.txt": "a==1\n-c limits.txt\n", "limits.txt": "a<2\n"},
            "base.txt changed",
        ),
        ("every-input", LOCKED | {"Pipfile": ""}, LOCKED, "Pipfile is gone"),
        ("every-input", LOCKED, LOCKED | {"Pipfile": ""}, "Pipfile is new"),
        (
            "every-input",
            FILES,
            LOCKED,
            "package manager changed from pip to pipenv==2026.7.1",
        ),
        ("every-input", LOCKED, LOCKED | {"Pipfile.lock": "{}"}, "Pipfile.lock changed"),
    ],
)
def test_a_reason_names_the_input_that_changed(
    restored: Callable[..., Any],
    name: str,
    before: dict[str, str],
    after: dict[str, str],
    reason: str,
) -> None:
    said = restored(name, before, after)
    assert ClassicKind().reasons(said) == (reason,)


def test_what_is_no_file_is_named_as_well(restored: Callable[..., Any]) -> None:
    said = restored("every-input", FILES, FILES, PIP_EXTRA_INDEX_URL="https://index.invalid/")
    assert ClassicKind().reasons(said) == ("extra index changed",)


def test_a_stack_is_named_with_both_values(restored: Callable[..., Any]) -> None:
    said = restored("root-requirements", FILES, FILES, stack="heroku-24")
    assert ClassicKind().reasons(said) == ("stack changed from heroku-22 to heroku-24",)


def test_an_equal_key_is_no_reason(restored: Callable[..., Any]) -> None:
    assert "cache: reused" in restored("root-requirements", FILES, FILES)
