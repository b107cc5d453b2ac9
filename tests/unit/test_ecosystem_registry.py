"""Which ecosystems there are, and what a broken one says."""

import importlib
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from traces import OUTSIDE

from harness.ecosystems.registry import GROUP, ecosystems, explainers, identities
from harness.errors import EcosystemError
from harness.plugins import entry_points


def installed(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    points = EntryPoints(EntryPoint(name, value, GROUP) for name, value in values.items())
    monkeypatch.setattr(entry_points, "entry_points", points.select)


def test_python_ships_and_git_comes_after_the_languages() -> None:
    assert [each.name for each in ecosystems()] == ["python"]
    names = [rule.name for each in explainers(ecosystems()) for rule in each.rules]
    assert names == [
        "pyc-mtime", "pyc-refs", "pyc-name", "record-lines", "uv-times", "build-path", "pyc-own",
        "pyc-clean", "git-store", "git-history",
    ]  # fmt: skip


def test_another_distribution_s_is_found_and_its_code_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(OUTSIDE)
    importlib.invalidate_caches()
    assert [each.name for each in ecosystems()] == ["acme", "python"]
    known = dict(identities())
    assert known["python"] == ""
    assert len(known["acme"]) == 64


def test_a_harness_without_any_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    with pytest.raises(
        EcosystemError, match=r"no installed distribution(.|\n)*reinstall the harness"
    ):
        ecosystems()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("other", "harness.ecosystems.python.ecosystem:PythonEcosystem", "under another name"),
        ("gone", "harness.nowhere:Gone", "'gone' .* cannot be imported"),
    ],
)
def test_a_broken_one_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    installed(monkeypatch, **{name: value})
    with pytest.raises(EcosystemError, match=told):
        ecosystems()
