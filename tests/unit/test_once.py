"""Values that are made once, though several threads want them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.storage.once import Once


def test_several_that_want_the_same_get_one() -> None:
    once: Once[str, object] = Once()
    begun = threading.Barrier(4)
    made = []

    def make() -> object:
        time.sleep(0.05)  # long enough for all to come
        made.append(object())
        return made[-1]

    def want(_: int) -> object:
        begun.wait(10)
        return once.get("a", make)

    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(want, range(4)))
    assert got == made * 4


def test_nobody_waits_for_another_key() -> None:
    once: Once[str, str] = Once()
    held = threading.Event()

    def slow() -> str:
        assert held.wait(10)
        return "slow"

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(once.get, "a", slow)
        assert once.get("b", lambda: "quick") == "quick"
        held.set()
        assert waiting.result() == "slow"


def test_what_could_not_be_made_is_tried_again() -> None:
    once: Once[str, int] = Once()
    with pytest.raises(ZeroDivisionError):
        once.get("a", lambda: 1 // 0)
    assert once.get("a", lambda: 1) == 1
    assert once.get("a", lambda: 2) == 1
