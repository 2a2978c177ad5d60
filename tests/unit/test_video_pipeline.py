"""Stages in threads: order, bounded queues, errors from any stage, and consumers that stop early."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Iterator

import pytest

from awarenet.errors import DamagedMedia
from awarenet.video.pipeline import Pipeline


def numbers(count: int, drawn: list[int] | None = None) -> Generator[int, None, None]:
    for number in range(count):
        if drawn is not None:
            drawn.append(number)
        yield number


def doubled(items: Iterable[int]) -> Generator[int, None, None]:
    for item in items:
        yield 2 * item


def failing(items: Iterable[int], at: int) -> Generator[int, None, None]:
    for item in items:
        if item == at:
            raise DamagedMedia("broken at a stage")
        yield item


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """No thread outlives its pipeline."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_items_come_out_in_order_through_two_stages() -> None:
    with Pipeline() as pipeline:
        first = pipeline.ahead(numbers(100), 2, "first")
        assert list(pipeline.ahead(doubled(first), 3, "second")) == list(range(0, 200, 2))


def test_a_stage_runs_no_further_ahead_than_its_queue_holds() -> None:
    drawn: list[int] = []
    with Pipeline() as pipeline:
        items = pipeline.ahead(numbers(100, drawn), 3, "stage")
        assert next(items) == 0
        time.sleep(0.1)
        assert len(drawn) <= 1 + 3 + 1  # taken, waiting, and the one that found no place


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_an_error_of_any_stage_comes_out_after_the_items_before_it(stage: int) -> None:
    got = []
    with pytest.raises(DamagedMedia, match="broken at a stage"), Pipeline() as pipeline:
        items: Iterator[int] = pipeline.ahead(failing(numbers(50), 10 if stage == 0 else -1), 2, "a")
        items = pipeline.ahead(failing(items, 10 if stage == 1 else -1), 2, "b")
        for item in failing(items, 10 if stage == 2 else -1):
            got.append(item)
    assert got == list(range(10))


def test_a_consumer_that_stops_early_ends_every_stage() -> None:
    closed = threading.Event()

    def endless() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    with Pipeline() as pipeline:
        items = pipeline.ahead(doubled(pipeline.ahead(endless(), 1, "a")), 1, "b")
        assert next(items) == 2
    assert closed.is_set()


def test_an_error_of_the_consumer_ends_every_stage() -> None:
    with pytest.raises(KeyError), Pipeline() as pipeline:
        for _ in pipeline.ahead(doubled(pipeline.ahead(numbers(1000), 1, "a")), 1, "b"):
            raise KeyError


def test_a_stage_that_gives_nothing_for_long_is_stopped_too() -> None:
    def silent(items: Iterable[int]) -> Generator[int, None, None]:
        for item in items:
            time.sleep(0.001)
            if item < 1:
                yield item

    with Pipeline() as pipeline:
        stage = pipeline.ahead(silent(pipeline.while_running(iter(int, 1))), 1, "silent")
        assert next(stage) == 0


def test_a_stage_without_items_ends() -> None:
    with Pipeline() as pipeline:
        assert list(pipeline.ahead(numbers(0), 1, "empty")) == []
