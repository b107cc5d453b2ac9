"""`docs/suite.md` says what the scenarios and the list of what is known say now."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_as_the_scenarios_are() -> None:
    written = (ROOT / "docs" / "suite.md").read_text(encoding="utf-8")
    page = runpy.run_path(str(ROOT / "dev" / "suite_page.py"))["page"]
    assert written == page(), "run .venv/bin/python dev/suite_page.py"
