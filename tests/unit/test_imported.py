"""Imported projects: a scenario as a person would have written it."""

from harness.scenarios.imported import (
    NAMED_PYTHON,
    ProjectCommit,
    scenario_text,
    with_root_requirements,
)
from harness.scenarios.line_edits import line_edits

MORE = "celery[redis]==5.4.0\ndjango-celery-beat==2.5.0\npython-decouple==3.8\nUnidecode==1.3.8\n"
BASE = f"Django==4\n# for soup\nlxml==5.2.2\n{MORE}gunicorn==23.0.0\n"
SCENARIO = """\
description = 'What "shop" needs'

[app]
message = "Begin (111111111)"

[app.files]
".python-version" = "${python@default}\\n"
"requirements.txt" = "-r requirements/web.txt\\n"
"requirements/web.txt" = \"""
Django==4
# for soup
lxml==5.2.2
celery[redis]==5.4.0
django-celery-beat==2.5.0
python-decouple==3.8
Unidecode==1.3.8
gunicorn==23.0.0
\"""

[[commits]]
message = "Bump Django (222222222)"
edits = [{ do = "replace", path = "requirements/web.txt", old = "Django==4", new = "Django==5" }]

[[commits]]
message = "Drop lxml, note what the shell says (333333333)"
edits = [
  { do = "write", path = "requirements/notes.txt", text = "$${python@default} ${HOME}\\n" },
  { do = "remove-lines", path = "requirements/web.txt", lines = ["# for soup", "lxml==5.2.2"] },
]

[[commits]]
message = "Change nothing that counts (444444444)"

[[commits]]
message = "Say what a long line is (555555555)"

[[commits.edits]]
do = "delete"
path = "requirements/notes.txt"

[[commits.edits]]
do = "replace"
path = "requirements/web.txt"
old = "gunicorn==23.0.0"
new = \"""
gunicorn==23.0.0
# a line that is so long that it is not to be read beside the other keys of its edit, but by itself
envconfig==2.1.0\"""
"""


def commit(digit: int, subject: str, **files: str) -> ProjectCommit:
    named = {f"requirements/{name}.txt": text for name, text in files.items()}
    made = ProjectCommit(sha=str(digit) * 40, subject=subject, files=named)
    return with_root_requirements(made, "requirements/web.txt")


def test_a_scenario_is_small_and_readable() -> None:
    bumped = BASE.replace("Django==4", "Django==5")
    dropped = f"Django==5\n{MORE}gunicorn==23.0.0\n"
    notes = "${python@default} ${HOME}\n"
    long = (
        "# a line that is so long that it is not to be read beside the other keys of its edit, but"
        " by itself\nenvconfig==2.1.0\n"
    )
    commits = [
        commit(1, "Begin", web=BASE),
        commit(2, "Bump Django", web=bumped),
        commit(3, "Drop lxml, note what the shell says", web=dropped, notes=notes),
        commit(4, "Change nothing that counts", web=dropped, notes=notes),
        commit(5, "Say what a long line is", web=dropped + long),
    ]
    text = scenario_text(commits, description='What "shop" needs', beside=NAMED_PYTHON)
    assert text == SCENARIO


def test_a_root_file_of_the_projects_own_stays() -> None:
    files = {"requirements.txt": "Django\n", "base.txt": "lxml\n"}
    own = ProjectCommit(sha="1" * 40, subject="s", files=files)
    assert with_root_requirements(own, "base.txt") == own


def test_a_line_that_lies_in_another_is_told_apart() -> None:
    old = f"django-redis==8.0\nredis==8.0\n{MORE}"
    (edit,) = line_edits("r.txt", old, f"django-redis==8.0\nredis==8.1\n{MORE}")
    assert (edit.do, edit.old, edit.new) == (
        "replace",
        "django-redis==8.0\nredis==8.0",
        "django-redis==8.0\nredis==8.1",
    )


def test_what_changed_throughout_is_written_anew() -> None:
    (edit,) = line_edits("r.txt", "a\nb\nc\n", "d\ne\nf\n")
    assert (edit.do, edit.text) == ("write", "d\ne\nf\n")


def test_a_file_may_be_emptied() -> None:
    (edit,) = line_edits("r.txt", "a\nb\n", "")
    assert (edit.do, edit.text) == ("write", "")
