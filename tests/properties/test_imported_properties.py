"""Properties of imported projects: the scenario's commits have just the files of the project's."""

import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.scenarios.edits import apply, edit_texts
from harness.scenarios.imported import NAMED_PYTHON, ProjectCommit, scenario_text
from harness.scenarios.imported_app import App, app_scenario_text, read_app
from harness.scenarios.interpolation import Names, escaped, substitute
from harness.scenarios.line_edits import line_edits
from harness.scenarios.scenario import load_scenario
from harness.scenarios.toml_text import on_lines, on_one_line
from harness.scenarios.tree import File, Link, Tree, write_tree

Kept = TypeVar("Kept")
NAMES = Names(pythons={"default": "3.11.7"})
# Lines that meet again and lie in one another, and all that TOML and references make special.
LINES = st.sampled_from(
    ["Django==4.2", "django-Django==4.2.1", "", "    # via django", "${python@default}",
     "$${python@default}", "${a@b:short}", "${HOME}", '"""', "'", '"', "\\", "\\n",
     "é\u2028\U0001f600", "a\r", "\r", "\f", "\v\x1c", "\0\x7f\x1b", "\ufeff",
     " trailing ", "\t", "]", "'''"]
)  # fmt: skip
ENDS = st.sampled_from(["", "\n", "\n\n"])
TEXTS = st.builds(
    lambda lines, end: "\n".join(lines) + end, st.lists(LINES, max_size=6), ENDS
) | st.text(max_size=12)
PATHS = st.sampled_from(
    ["requirements.txt", "requirements", "requirements/base.txt", "runtime.txt", 'a "b"\\.txt',
     "é'.txt", "a/b/c", "a"]
)  # fmt: skip
SUBJECTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10) | LINES


def settled(files: Mapping[str, Kept]) -> dict[str, Kept]:
    """The files that do not lie below another."""
    return {
        path: text
        for path, text in files.items()
        if not any(path.startswith(f"{other}/") for other in files)
    }


FILES = st.dictionaries(PATHS, TEXTS, max_size=5).map(settled)
COMMITS = st.builds(
    ProjectCommit,
    sha=st.text("0123456789abcdef", min_size=40, max_size=40),
    subject=SUBJECTS,
    files=FILES,
)


@given(commits=st.lists(COMMITS, min_size=2, max_size=5), is_kept=st.booleans())
@settings(deadline=None, max_examples=200)
def test_playing_a_scenario_gives_each_commits_files(
    commits: list[ProjectCommit], is_kept: bool
) -> None:
    assume(commits[0].files or not is_kept)
    beside = {} if is_kept else NAMED_PYTHON
    text = scenario_text(commits, description='Of "a" project', beside=beside)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.toml"
        path.write_text(text, encoding="utf-8", newline="")
        stages = load_scenario(path).stages(NAMES.pythons)
    for commit, stage in zip(commits, stages, strict=True):
        always = {path: substitute(text, NAMES) for path, text in beside.items()}
        files = {**commit.files, **always}
        assert stage.tree == Tree(
            entries={path: File(data=text.encode()) for path, text in files.items()}
        )
        assert stage.message == f"{commit.subject} ({commit.short})".strip()


@given(old=TEXTS, new=TEXTS)
@settings(max_examples=300)
def test_edits_make_the_new_text_and_are_no_longer_than_it(old: str, new: str) -> None:
    if old == new:
        return
    tree = Tree(entries={"f": File(data=old.encode())})
    edits = line_edits("f", old, new)
    for edit in edits:
        tree = apply(tree, edit, lambda _: Tree())
    assert tree.entries["f"] == File(data=new.encode())
    said = [text for edit in edits for texts in edit_texts(edit).values() for text in texts]
    assert len("".join(said)) <= len(new)


@given(text=TEXTS)
def test_what_is_escaped_stands_for_itself(text: str) -> None:
    assert substitute(escaped(text), NAMES) == text


@given(text=TEXTS)
def test_toml_reads_what_was_written(text: str) -> None:
    for form in (on_one_line, on_lines):
        assert tomllib.loads(f"a = {form(text)}")["a"] == text
    assert "\n" not in on_one_line(text)


DATA = TEXTS.map(str.encode) | st.binary(max_size=6)
LEAVES = st.builds(File, data=DATA, executable=st.booleans()) | st.builds(
    Link, target=st.sampled_from(["requirements.txt", "../a", "/nowhere", "${a@b} \\\"'"])
)
TREES = st.dictionaries(PATHS, LEAVES, min_size=1, max_size=5).map(
    lambda leaves: Tree(entries=settled(leaves))
)


@given(trees=st.lists(TREES, min_size=1, max_size=3))
@settings(deadline=None, max_examples=200)
def test_playing_a_scenario_gives_each_app_s_files(trees: list[Tree]) -> None:
    apps = [App(name=f"app {number}", files=tree) for number, tree in enumerate(trees)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.toml"
        path.write_text(app_scenario_text(apps), encoding="utf-8", newline="")
        deployed, again, added, *others = load_scenario(path).trees({})
    assert deployed == again == trees[0]
    assert {*added} - {*deployed} == {"added-since.txt"}
    assert {name: added.entries[name] for name in deployed} == deployed.entries
    assert others == trees[1:]


@given(tree=TREES)
@settings(deadline=None, max_examples=50)
def test_an_app_is_read_as_it_was_written(tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_tree(tree, Path(folder) / "shop")
        (Path(folder) / "shop" / ".git").write_text("gitdir: elsewhere")
        assert read_app(Path(folder) / "shop") == App(name="shop", files=tree)
