"""Which projects an app's own files ask for."""

import pytest

from harness.ecosystems.python.app_requirements import required
from harness.scenarios.tree import File, Link, Tree

PYPROJECT = """\
[build-system]
requires = ["setuptools"]
[project]
dependencies = ["pip>1"]
[project.optional-dependencies]
x = ["uv"]
[tool.poetry.dependencies]
wheel = "*"
"""


@pytest.mark.parametrize(
    ("path", "text", "names"),
    [
        (
            "requirements/base.txt",
            "Setup_Tools==1\n# pip\n-r x.txt\n  wheel >=1 ; python_version < '3'\n",
            {"setup-tools", "wheel"},
        ),
        ("requirements.in", "pip\n", {"pip"}),
        (
            "requirements.txt",
            "-e git+https://example.invalid/x.git@main#egg=pip\nuv @ https://example.invalid/y\n",
            {"pip", "uv"},
        ),
        ("Pipfile", "[packages]\npip = '*'\n[dev-packages]\nuv = '*'\n", {"pip", "uv"}),
        ("Pipfile.lock", '{"default": {"pip": {}}, "develop": {"uv": {}}}', {"pip", "uv"}),
        ("sub/poetry.lock", '[[package]]\nname = "pip"\n', {"pip"}),
        ("uv.lock", '[[package]]\nname = "pip"\n', {"pip"}),
        (
            "pyproject.toml",
            PYPROJECT,
            {"pip", "uv", "wheel"},
        ),
        ("uv.lock", "[[package]\n", set()),
        ("uv.lock", 'package = "x"\n', set()),
        ("Pipfile.lock", "[]", set()),
        ("pyproject.toml", 'project = "pip"\n', set()),
        ("app.py", "pip\n", set()),
    ],
)  # fmt: skip
def test_a_file_asks_for_projects(path: str, text: str, names: set[str]) -> None:
    assert required(Tree(entries={path: File(data=text.encode())})) == names


def test_what_is_no_text_and_what_is_no_file_asks_for_nothing() -> None:
    tree = Tree(entries={"a.txt": File(data=b"\xff\xfe"), "b.txt": Link(target="c.txt")})
    assert required(tree) == frozenset()
