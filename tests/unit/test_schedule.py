"""Tasks that wait for one another, run on a few threads."""

import threading
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError, ManifestError, SandboxError
from harness.runs.plan import build
from harness.runs.schedule import Schedule
from harness.runs.tasks import BuildTask, CompareTask, SettleTask, building_rank, judging_rank


def fail(error: BaseException) -> Callable[..., Any]:
    def work() -> None:
        raise error

    return work


@given(
    before=st.lists(st.sets(st.integers(0, 9), max_size=3), min_size=1, max_size=10),
    jobs=st.integers(1, 4),
)
def test_each_task_runs_once_and_after_those_that_it_waits_for(
    before: list[set[int]], jobs: int
) -> None:
    schedule: Schedule[str] = Schedule()
    ended: list[int] = []
    lock = threading.Lock()

    def note(number: int) -> None:
        with lock:
            ended.append(number)

    for number, numbers in enumerate(before):
        after = [str(other) for other in numbers if other < number]
        schedule.add(str(number), partial(note, number), after=after, rank=(0,))
    schedule.run(jobs)
    assert sorted(ended) == list(range(len(before)))
    for number, numbers in enumerate(before):
        for other in numbers:
            if other < number:
                assert ended.index(other) < ended.index(number)


def test_the_lowest_rank_goes_first() -> None:
    schedule: Schedule[Any] = Schedule()
    order: list[Any] = []
    for name, rank in (("c", (2, 0)), ("a", (0, 5)), ("b", (1, 1))):
        schedule.add(name, partial(order.append, name), rank=rank)
    schedule.run(1)
    assert order == ["a", "b", "c"]


def test_of_the_same_rank_the_first_added_goes_first() -> None:
    schedule: Schedule[Any] = Schedule()
    order: list[Any] = []
    for key in (BuildTask("b"), CompareTask(0, 1), BuildTask("a"), SettleTask(0, 1)):
        schedule.add(key, partial(order.append, key), rank=(0,))
    schedule.run(1)
    assert order == [BuildTask("b"), CompareTask(0, 1), BuildTask("a"), SettleTask(0, 1)]


def test_a_run_goes_case_by_case_and_commit_by_commit_and_judges_before_it_builds() -> None:
    commit: Any = SimpleNamespace(stage=SimpleNamespace(index=1))
    first, second = (build(commit, inputs) for inputs in "ab")
    ranks = [
        judging_rank(0, 1),
        *sorted((building_rank(0, first), building_rank(0, second))),
        judging_rank(0, 2),
        judging_rank(1, 0),
        building_rank(1, first),
    ]
    assert ranks == sorted(ranks)
    assert building_rank(0, first) != building_rank(0, second), "their order is always the same"


def test_as_many_run_at_once_as_are_allowed_and_no_more() -> None:
    schedule: Schedule[Any] = Schedule()
    lock = threading.Lock()
    now, most = 0, 0
    both = threading.Barrier(2)

    def work() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        both.wait(timeout=20)
        with lock:
            now -= 1

    for number in range(6):
        schedule.add(str(number), work, rank=(number,))
    schedule.run(2)
    assert most == 2


def test_a_task_may_add_others_that_wait_for_what_has_ended() -> None:
    schedule: Schedule[Any] = Schedule()
    order: list[Any] = []

    def first() -> None:
        order.append("first")
        schedule.add("third", lambda: order.append("third"), after=["second"], rank=(0,))

    schedule.add("second", lambda: order.append("second"), rank=(0,))
    schedule.add("first", first, after=["second"], rank=(1,))
    schedule.run(2)
    assert order == ["second", "first", "third"]


def test_a_failure_takes_along_what_waits_for_it_and_nothing_else() -> None:
    schedule: Schedule[Any] = Schedule()
    ran: list[Any] = []
    error = ManifestError("damaged")
    schedule.add("bad", fail(error), rank=(0,))
    schedule.add("next", lambda: ran.append("next"), after=["bad"], rank=(0,))
    schedule.add("last", lambda: ran.append("last"), after=["next"], rank=(0,))
    schedule.add("other", lambda: ran.append("other"), rank=(1,))
    schedule.run(1)
    assert ran == ["other"]
    assert schedule.failed == {"bad": error, "next": error, "last": error}


def test_what_is_added_after_a_failure_fails_as_well() -> None:
    schedule: Schedule[Any] = Schedule()
    ran: list[Any] = []
    error = ManifestError("damaged")

    def later() -> None:
        schedule.add("late", lambda: ran.append("late"), after=["bad"], rank=(0,))

    schedule.add("bad", fail(error), rank=(0,))
    schedule.add("adds", later, rank=(1,))
    schedule.run(1)
    assert ran == []
    assert schedule.failed["late"] is error


@pytest.mark.parametrize("error", [SandboxError("gone"), ValueError("a bug"), KeyboardInterrupt()])
def test_what_every_task_would_meet_ends_the_run(
    error: SandboxError | KeyboardInterrupt | ValueError,
) -> None:
    schedule: Schedule[Any] = Schedule()
    ran: list[Any] = []
    schedule.add("bad", fail(error), rank=(0,))
    schedule.add("other", lambda: ran.append("other"), rank=(1,))
    with pytest.raises(type(error)) as raised:
        schedule.run(1)
    schedule.join()
    assert raised.value is error
    assert ran == []
    assert schedule.stopped


def test_what_is_under_way_when_the_run_ends_is_waited_for() -> None:
    schedule: Schedule[Any] = Schedule()
    ended: list[Any] = []
    going = threading.Event()

    def slow() -> None:
        going.set()
        time.sleep(0.2)
        ended.append("slow")

    def bad() -> None:
        going.wait(timeout=20)
        raise SandboxError("gone")

    schedule.add("slow", slow, rank=(0,))
    schedule.add("bad", bad, rank=(0,))
    with pytest.raises(HarnessError):
        schedule.run(2)
    schedule.join()
    assert ended == ["slow"]


def test_a_key_is_run_once() -> None:
    schedule: Schedule[Any] = Schedule()
    ran: list[Any] = []
    for _ in range(2):
        schedule.add("one", lambda: ran.append(1), rank=(0,))
    schedule.run(2)
    assert ran == [1]


def test_nothing_to_do_ends_at_once() -> None:
    Schedule().run(2)
