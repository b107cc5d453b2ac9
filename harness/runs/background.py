"""A call that is made beside what its caller goes on to do."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Value = TypeVar("Value")


def in_background(call: Callable[[], Value]) -> Future[Value]:
    """Begins a call in a thread of its own, for which a process that ends does not wait.

    Args:
        call: What has nothing to clean up where it is cut short.

    Returns:
        Its result, or what it raises.
    """
    future: Future[Value] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised by whoever waits for the result
            future.set_exception(error)

    threading.Thread(target=work, name="background", daemon=True).start()
    return future
