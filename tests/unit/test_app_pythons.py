"""Which Pythons an app's files name."""

import pytest

from harness.ecosystems.python.app_pythons import named_pythons


@pytest.mark.parametrize(
    ("files", "asked"),
    [
        ({".python-version": b"3.14\n"}, {"3.14"}),
        ({".python-version": b"# why\n  3.14.2 \r\n", "runtime.txt": b"python-3.9.1"},
         {"3.14.2", "3.9.1"}),
        ({".python-version": b"3.14\xff", "runtime.txt": b"pypy3.6-7.3.2\n3"}, set()),
        ({"Pipfile.lock": b'{"_meta": {"requires": {"python_version": "3.13"}}}'}, {"3.13"}),
        ({"Pipfile.lock": b'{"_meta": {"requires": {"python_full_version": "3.13.2"}}}'},
         {"3.13.2"}),
        ({"Pipfile.lock": b'{"_meta": {"requires": []}}'}, set()),
        ({"Pipfile.lock": b"3.13"}, set()),
        ({"src/.python-version": b"3.13"}, set()),
        ({}, set()),
    ],
)  # fmt: skip
def test_an_app_asks_for_the_pythons_that_its_files_name(
    files: dict[str, bytes], asked: set[str]
) -> None:
    assert named_pythons(files.get) == asked
