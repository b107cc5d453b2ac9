"""What a buildpack is known to do wrong: matched, strict, written and read."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ecosystems.reuse import Reuse
from harness.errors import InputError
from harness.verdicts.divergence import Divergence, DivergenceKind, outcome
from harness.verdicts.known import KnownFile, load_known, matches, with_known, written
from harness.verdicts.result import Builds, Result, Run, Seconds, Step, Verdict

LINK = "https://example.com/1"


def divergence(path: str, kind: str = "content", tree: str = "app") -> Divergence:
    return Divergence(kind=DivergenceKind(kind), tree=tree, path=f"site/{path}", why="w")


def step(*divergences: Divergence, unmet: tuple[str, ...] = ()) -> Step:
    return Step(
        commit="1" * 40,
        message="m",
        verdict=Verdict.DIVERGES if divergences else Verdict.AGREES,
        reuse=Reuse.REUSED,
        seconds=Seconds(cached=1, clean=1),
        divergences=divergences,
        findings=("a finding",) if divergences else (),
        unmet=unmet,
    )


def run(*steps: Step, scenario: str = "a/b", buildpack: str = "repo@v1", error: str = "") -> Run:
    result = Result(
        scenario=scenario, file="a/b.toml", buildpack=buildpack, sandbox="docker", image="i",
        steps=steps, error=error,
    )  # fmt: skip
    return Run(results=(result,), builds=Builds(needed=1, run=1, reused=0))


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., Any]:
    def make(text: str, *, buildpack: str = "") -> KnownFile:
        head = f'buildpack = "{buildpack}"\n' if buildpack else ""
        file = tmp_path / "known.toml"
        file.write_text(
            f'{head}[[known]]\nscenario = "a/b"\ncommit = 2\nreason = "r"\nlink = "{LINK}"\n{text}'
        )
        return load_known(file)

    return make


BAD = run(step(), step(divergence("x.py"), divergence("y", "leftover")))


def test_what_is_known_is_no_finding(listed: Callable[..., Any]) -> None:
    known = listed('content = ["site/x.py"]\nleftover = ["site/y"]\n')
    (result,) = with_known(BAD, [known]).results
    assert (BAD.exit_code, result.exit_code) == (1, 0)
    assert result.verdict is Verdict.DIVERGES
    second = result.steps[1]
    assert second.divergences == ()
    assert [each.divergence for each in second.known] == list(BAD.results[0].steps[1].divergences)
    assert {(each.reason, each.link) for each in second.known} == {("r", LINK)}
    assert result.stale == ()


@pytest.mark.parametrize(
    "text",
    [
        'content = ["site/x.py"]',
        'leftover = ["site/y"]',
        'content = ["site/x.py"]\nleftover = ["site/y.py"]',
        'content = ["site/x.py", "site/y"]',
        'missing = ["site/y"]\ncontent = ["site/x.py"]',
    ],
)
def test_what_is_not_listed_in_its_kind_and_place_stays_a_finding(
    listed: Callable[..., Any], text: str
) -> None:
    (result,) = with_known(BAD, [listed(text)]).results
    assert result.exit_code == 1
    assert result.steps[1].divergences


def test_another_commit_scenario_or_buildpack_is_not_covered(listed: Callable[..., Any]) -> None:
    text = 'content = ["site/x.py"]\nleftover = ["site/y"]\n'
    first = run(step(divergence("x.py"), divergence("y", "leftover")), step())
    (result,) = with_known(first, [listed(text)]).results
    assert len(result.steps[0].divergences) == 2
    assert len(result.stale) == 2
    for other in (
        with_known(run(*BAD.results[0].steps, scenario="c"), [listed(text)]),
        with_known(BAD, [listed(text, buildpack="v2")]),
    ):
        assert other.results[0].steps[1].divergences
        assert other.results[0].stale == ()


@pytest.mark.parametrize("name", ["v1", "repo@v1"])
def test_a_list_may_name_its_buildpack(listed: Callable[..., Any], name: str) -> None:
    known = listed('content = ["site/x.py"]\nleftover = ["site/y"]\n', buildpack=name)
    assert with_known(BAD, [known]).exit_code == 0


def test_what_no_longer_shows_is_a_finding_with_its_line(listed: Callable[..., Any]) -> None:
    known = listed('content = [\n  "site/x.py",\n  "site/gone.py",\n]\nleftover = ["site/y"]\n')
    (result,) = with_known(BAD, [known]).results
    assert result.exit_code == 1
    (told,) = result.stale
    assert "known.toml:8: commit 2 of `a/b` no longer has content site/gone.py" in told
    fixed = run(step(), step())
    assert with_known(fixed, [known]).exit_code == 1
    assert len(with_known(fixed, [known]).results[0].stale) == 3


def test_what_could_not_be_judged_is_not_called_fixed(listed: Callable[..., Any]) -> None:
    known = listed('content = ["site/x.py"]\n')
    (result,) = with_known(run(error="no sandbox"), [known]).results
    assert result.stale == ()
    assert result.exit_code == 2


def test_a_commit_that_is_not_there_is_told(listed: Callable[..., Any]) -> None:
    (result,) = with_known(run(step()), [listed('content = ["x"]\n')]).results
    assert "`a/b` has no commit 2" in result.stale[0]


def test_outcomes_and_unmet_expectations_may_be_known(listed: Callable[..., Any]) -> None:
    sentence = "the cache is discarded, and should be reused"
    known = listed(f'outcome = true\nunmet = ["{sentence}"]\n')
    bad = run(step(), step(outcome("one fails"), unmet=(sentence,)))
    assert with_known(bad, [known]).exit_code == 0
    (result,) = with_known(run(step(), step()), [known]).results
    assert len(result.stale) == 2
    assert "both builds end alike now" in result.stale[0]


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/*", "a/b", True),
        ("a/*", "a/b/c", False),
        ("lib/python*/x", "lib/python3.11/x", True),
        ("a/**", "a", True),
        ("a/**", "a/b/c", True),
        ("a/**", "ab", False),
        ("a.c", "abc", False),
        ("a[b]", "a[b]", True),
        ("a\\xff", "a\udcff", True),
        ("a", "a/b", False),
    ],
)
def test_patterns(pattern: str, key: str, expected: bool) -> None:
    one = Divergence(kind=DivergenceKind.CONTENT, tree="app", path=key, why="w")
    assert matches(pattern, one) is expected


def test_a_path_of_another_tree_is_named_with_it() -> None:
    one = Divergence(kind=DivergenceKind.CONTENT, tree="layers", path="python/x", why="w")
    assert matches("layers: python/*", one)
    assert not matches("python/*", one)
    assert not matches("app: python/*", one)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('content = ["a"]\nother = 1\n', 7, "other"),
        ('content = "a"\n', 6, "content"),
        ('content = [""]\n', 6, "content"),
    ],
)
def test_faults_are_told_with_their_lines(
    listed: Callable[..., Any], text: str, line: int, told: str
) -> None:
    with pytest.raises(InputError) as raised:
        listed(text)
    assert f"known.toml:{line}: " in str(raised.value)
    assert told in str(raised.value)


@pytest.mark.parametrize(("key", "value"), [("reason", ""), ("link", ""), ("link", "see there")])
def test_an_entry_needs_a_reason_and_a_link(tmp_path: Path, key: str, value: str) -> None:
    entry = {"scenario": "a", "commit": "1", "reason": "r", "link": LINK} | {key: value}
    lines = [f'{name} = "{text}"' if name != "commit" else "commit = 1"
             for name, text in entry.items()]  # fmt: skip
    file = tmp_path / "known.toml"
    file.write_text("[[known]]\n" + "\n".join(lines))
    with pytest.raises(InputError, match=f"`{key}`"):
        load_known(file)


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=()), min_size=1)
KEYS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
ONES = st.builds(divergence, KEYS, st.sampled_from(["content", "leftover", "missing", "mode"]))


@given(st.lists(ONES, min_size=1, max_size=6, unique_by=lambda one: (one.path, one.kind)))
def test_what_is_written_covers_all_that_showed_and_nothing_is_stale(
    tmp_path_factory: pytest.TempPathFactory, ones: list[Divergence]
) -> None:
    bad = run(step(), step(*ones, unmet=("a sentence",)))
    file = tmp_path_factory.mktemp("known") / "known.toml"
    file.write_text(written(bad).replace('link = ""', f'link = "{LINK}"'), encoding="utf-8")
    known = load_known(file)
    (result,) = with_known(bad, [known]).results
    assert result.exit_code == 0
    assert result.stale == ()
    assert with_known(bad, [known]) == with_known(with_known(bad, [known]), [])


def test_reasons_and_links_are_taken_over_when_it_is_written_again(
    listed: Callable[..., Any],
) -> None:
    known = listed('content = ["site/gone"]\n', buildpack="v1")
    text = written(with_known(BAD, [known]), [known])
    assert 'reason = "r"' in text
    assert f'link = "{LINK}"' in text
    assert 'buildpack = "v1"' in text
    assert "site/x.py" in text
    assert "gone" not in text


def test_a_folder_that_one_side_lacks_is_written_as_one_line() -> None:
    ones = [divergence(path, "leftover") for path in ("p", "p/a", "p/b/c", "q")]
    text = written(run(step(*ones)))
    assert '"site/p/**"' in text
    assert '"site/q"' in text
    assert "site/p/a" not in text


def test_a_step_without_findings_is_not_written() -> None:
    assert "scenario" not in written(run(step()))
    assert replace(BAD, results=()).exit_code == 0


ROOT = Path(__file__).parents[2]
SHIPPED = sorted(ROOT.glob("known/*/*.toml"))


def test_lists_are_shipped() -> None:
    assert SHIPPED


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_list_is_of_its_release_and_of_scenarios_that_ship(file: Path) -> None:
    known = load_known(file)
    assert known.table.buildpack == file.stem
    for entry in known.table.known:
        assert (ROOT / "scenarios" / f"{entry.scenario}.toml").is_file()


FAILS = replace(step(), verdict=Verdict.FAILED)


def test_a_buildpack_that_is_known_to_refuse_is_no_doubt(listed: Callable[..., Any]) -> None:
    file = listed("fails = true\n")
    (result,) = with_known(run(step(), FAILS), [file]).results
    assert [one.failed for one in result.steps[1].known] == [True]
    assert (result.exit_code, result.stale) == (0, ())
    # At another commit it is one.
    (result,) = with_known(run(FAILS, FAILS), [file]).results
    assert result.exit_code == 2


def test_a_buildpack_that_no_longer_refuses_is_a_finding(listed: Callable[..., Any]) -> None:
    (result,) = with_known(run(step(), step()), [listed("fails = true\n")]).results
    assert "the builds of commit 2 of `a/b` no longer fail" in result.stale[0]
    assert result.exit_code == 1


def test_a_scenario_that_is_skipped_makes_nothing_stale(listed: Callable[..., Any]) -> None:
    skipped = run()
    skipped = replace(skipped, results=(replace(skipped.results[0], missing=("uv",)),))
    (result,) = with_known(skipped, [listed('leftover = ["x"]\n')]).results
    assert result.stale == ()


def test_a_failing_step_is_written(tmp_path: Path) -> None:
    file = tmp_path / "written.toml"
    file.write_text(written(run(step(), FAILS)).replace('""', f'"{LINK}"'))
    (entry,) = load_known(file).table.known
    assert (entry.commit, entry.fails) == (2, True)
