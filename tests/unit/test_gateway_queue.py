"""The queue before the gateway's workers, on a clock of the test's own."""

from __future__ import annotations

import pytest

from gateway.workers.queue import STANDING, TARGET, TaskQueue

TASK_S = 1.0


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> TaskQueue[str]:
    return TaskQueue(clock)


def overload(queue: TaskQueue[str], clock: Clock) -> None:
    """Lets the queue stand until what waits makes room."""
    queue.put("early")
    clock.now += STANDING * TASK_S + 0.1
    assert queue.displaced(TASK_S) == "early"


def test_tasks_are_done_in_the_order_in_which_they_came_but_for_urgent_ones(queue: TaskQueue[str]) -> None:
    queue.put("first")
    queue.put("second")
    queue.put("health", urgent=True)
    assert [queue.take() for _ in range(4)] == ["health", "first", "second", None]


def test_a_burst_makes_no_room_as_long_as_two_tasks_take(queue: TaskQueue[str], clock: Clock) -> None:
    queue.put("first")
    queue.put("second")
    clock.now += STANDING * TASK_S
    assert queue.displaced(TASK_S) is None
    assert len(queue) == 2


def test_a_queue_that_is_emptied_in_between_is_no_overload(queue: TaskQueue[str], clock: Clock) -> None:
    for _ in range(10):
        queue.put("task")
        clock.now += 0.9 * STANDING * TASK_S
        assert queue.displaced(TASK_S) is None
        assert queue.take() == "task"


def test_under_overload_the_oldest_makes_room_and_who_came_just_now_does_not(
    queue: TaskQueue[str], clock: Clock
) -> None:
    overload(queue, clock)
    queue.put("late")
    queue.put("a little late")
    clock.now += 1.1 * TARGET * TASK_S
    queue.put("fresh")
    assert [queue.displaced(TASK_S) for _ in range(3)] == ["late", "a little late", None]
    assert queue.take() == "fresh"


def test_overload_lasts_as_long_as_tasks_make_room(queue: TaskQueue[str], clock: Clock) -> None:
    overload(queue, clock)
    for _ in range(5):
        clock.now += 0.7 * STANDING * TASK_S
        queue.put("late")
        clock.now += 1.1 * TARGET * TASK_S
        assert queue.displaced(TASK_S) == "late"


def test_after_overload_a_burst_may_wait_again(queue: TaskQueue[str], clock: Clock) -> None:
    overload(queue, clock)
    clock.now += STANDING * TASK_S + 0.1
    queue.put("task")
    clock.now += 2 * TARGET * TASK_S
    assert queue.displaced(TASK_S) is None


def test_parts_of_what_was_let_in_never_make_room(queue: TaskQueue[str], clock: Clock) -> None:
    queue.put("part", stays=True)
    queue.put("health", urgent=True)
    clock.now += 100 * TASK_S
    assert queue.displaced(TASK_S) is None
    assert len(queue) == 2


def test_a_task_whose_caller_left_is_taken_out(queue: TaskQueue[str]) -> None:
    queue.put("gone")
    queue.put("here")
    queue.remove("gone")
    queue.remove("never there")
    assert queue.take() == "here"
