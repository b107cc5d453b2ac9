"""A short run of the fuzz of the comparison; `python -m dev.fuzz` is the long one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from stores import machine_store

from dev.fuzz.tree import make
from dev.fuzz.trial import KINDS, Fuzz, Trial
from harness.ecosystems.python import bytecode_difference, ecosystem, explanation
from harness.ecosystems.python.bytecode_use import Use
from harness.ecosystems.python.rules import PYC_MTIME, RECORD_LINES
from harness.trees import difference
from harness.trees import file_reader as contents
from harness.trees.difference import Difference, DifferenceKind
from harness.trees.explainer import Explanation, TreePair
from harness.trees.git import explainer as git_explainer

pytestmark = pytest.mark.timeout(600)

EACH = 2
SEED = 11


@pytest.fixture(scope="module")
def fuzz(tmp_path_factory: pytest.TempPathFactory) -> Fuzz:
    folder = tmp_path_factory.mktemp("fuzz")
    make(folder / "base", store=machine_store())
    return Fuzz(folder / "base", folder / "work", seed=SEED)


def trials(fuzz: Fuzz, kinds: list[str], count: int) -> Iterator[Trial]:
    for number in range(count):
        for kind in kinds:
            if trial := fuzz.trial(number, kind):
                yield trial


def test_every_change_is_told_as_it_should_be(fuzz: Fuzz) -> None:
    fuzz.check()
    found = list(trials(fuzz, list(KINDS), EACH))
    fuzz.check()
    wrong = [(trial.number, trial.kind, trial.change.what, trial.faults) for trial in found
             if trial.faults]  # fmt: skip
    assert wrong == []
    # Some need root, or a file system with all kinds of attributes.
    assert len(found) >= EACH * (len(KINDS) - 6)


_KINDS_OF = difference._kinds
_EXPLAIN = explanation.explain


def _with_new_files(found: Sequence[Difference], trees: TreePair) -> Explanation:
    """Sets new files aside too."""
    said = _EXPLAIN(found, trees)
    new = {one.place for one in found if one.kind is DifferenceKind.LEFTOVER}
    return replace(said, explained={**said.explained, **dict.fromkeys(new, frozenset({PYC_MTIME}))})


BLIND = {
    "modes": (difference, "_kinds",
              lambda *both: (k for k in _KINDS_OF(*both) if k is not DifferenceKind.MODE)),
    "targets": (difference, "_kinds", lambda *both: (k for k in _KINDS_OF(*both) if k != "target")),
    "bytecode in use": (bytecode_difference, "use", lambda *_: Use.USED),
    "code": (explanation, "content_rules", lambda *_: frozenset({PYC_MTIME})),
    "RECORD": (explanation, "record_rules", lambda *_, **__: frozenset({RECORD_LINES})),
    "new files": (ecosystem, "explain", _with_new_files),
    "repositories": (git_explainer, "_meanings", lambda *_: ()),
}  # fmt: skip
SEEN_BY = {
    "modes": "mode: a bit",
    "targets": "link: another target",
    "bytecode in use": "source: another time",
    "code": "bytecode: a constant",
    "RECORD": "RECORD: a line",
    "new files": "more: anything",
    "repositories": "git: any file, cut",
}


@pytest.mark.parametrize("blind", BLIND)
def test_a_blind_comparison_is_seen(
    fuzz: Fuzz, monkeypatch: pytest.MonkeyPatch, blind: str
) -> None:
    module, name, instead = BLIND[blind]
    kind = SEEN_BY[blind]
    assert not any(trial.faults for trial in trials(fuzz, [kind], 2))
    monkeypatch.setattr(module, name, instead)
    assert any(trial.faults for trial in trials(fuzz, [kind], 20))


def test_a_scan_that_passes_attributes_over_is_seen(
    fuzz: Fuzz, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "attributes", lambda _: ())
    found = list(trials(fuzz, ["attributes: of a user"], 20))
    if not found:
        pytest.skip("the file system has no attributes")
    assert any(trial.faults for trial in found)


def test_a_change_that_is_not_undone_is_seen(fuzz: Fuzz, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fuzz._bench.work / "app.py"
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    with pytest.raises(AssertionError, match=r"not as before: \['app.py'\]"):
        fuzz.check()
    fuzz._bench.touch("app.py")
    fuzz._bench.undo()
    fuzz.check()


def test_a_change_can_be_made_again_by_its_number(fuzz: Fuzz) -> None:
    for kind in ("content: a bit", "git: the index", "bytecode: a constant"):
        first, again = fuzz.trial(5, kind), fuzz.trial(5, kind)
        assert first == again, Path(kind)
