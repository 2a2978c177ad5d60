"""Stages that run at once, each in a thread of its own, with short queues between them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Pipeline:
    """Runs iterators ahead of whoever reads them; a context manager.

    An error in a stage comes out where its items are read, and so, through the stages behind it, at the consumer. When
    the block ends, for whatever reason, every stage is stopped and awaited.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._stopped = False
        self._threads: list[threading.Thread] = []

    def ahead(self, items: Generator[T, None, None], capacity: int, name: str) -> Iterator[T]:
        """Starts a thread that draws items until `capacity` of them wait.

        Args:
            items: The stage; closed in its thread when it ends or is stopped.
            capacity: Most items that wait.
            name: Name of the thread.
        """
        queue = _Queue[T](capacity)
        thread = threading.Thread(target=self._fill, args=(items, queue), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return self._drain(queue)

    def while_running(self, items: Iterable[T]) -> Iterator[T]:
        """The items, until the pipeline is stopped: for stages that draw many items before they give one."""
        for item in items:
            if self._stopped:
                return
            yield item

    def _fill(self, items: Generator[T, None, None], queue: _Queue[T]) -> None:
        error: BaseException | None = None
        try:
            for item in items:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped or len(queue.waiting) < queue.capacity)
                    if self._stopped:
                        break
                    queue.waiting.append(item)
                    self._changed.notify_all()
            items.close()
        except BaseException as raised:  # raised again where the items are read
            error = raised
        with self._changed:
            queue.error, queue.ended = error, True
            self._changed.notify_all()

    def _drain(self, queue: _Queue[T]) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or queue.waiting or queue.ended)
                if self._stopped or not queue.waiting:
                    break
                item = queue.waiting.popleft()
                self._changed.notify_all()
            yield item
        if queue.error:
            raise queue.error

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()


class _Queue(Generic[T]):
    """What waits between two stages."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.waiting: deque[T] = deque()
        self.ended = False
        self.error: BaseException | None = None
