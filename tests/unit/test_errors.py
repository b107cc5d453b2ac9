"""What the system refuses to do with a person's path."""

import errno
import os

import pytest

from harness.errors import ExitCode, refusal
from harness.pytest_plugin.scenarios import ScenarioItem


@pytest.mark.parametrize(
    "number",
    [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOSPC],
)
def test_a_refusal_names_the_path_and_what_to_try(number: int) -> None:
    error = refusal(OSError(number, os.strerror(number), b"/some/pl\xffce"))
    assert error is not None
    assert error.exit_code == ExitCode.UNKNOWN
    assert error.message == f"/some/pl\udcffce: {os.strerror(number)}"
    assert error.hint


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "Permission denied"),  # of no path
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"),
        OSError(errno.EBADF, "Bad file descriptor", "/x"),
        OSError("something else"),
    ],
    ids=repr,
)
def test_what_may_be_the_harness_s_own_fault_is_none(
    error: FileNotFoundError | OSError | PermissionError,
) -> None:
    assert refusal(error) is None


def test_pytest_shows_a_refusal_without_a_traceback() -> None:
    with pytest.raises(PermissionError) as caught:
        raise PermissionError(errno.EACCES, "Permission denied", "/root/store")
    shown = ScenarioItem.repr_failure(ScenarioItem.__new__(ScenarioItem), caught)
    assert shown.startswith("/root/store: Permission denied\n  try: ")
