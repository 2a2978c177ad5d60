"""The queue before the workers: first come, first served, and under lasting overload only who came just now.

When more comes than can be done, somebody must be refused, and if it is always the last who comes, then all who are let
in have waited for the whole length of the queue. So those who have waited for a while make room, and what is accepted
is answered in time. A burst is no overload: it may wait (the idea of controlled delay: Nichols and Jacobson,
"Controlling Queue Delay", 2012).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

STANDING: Final = 2.0
"""In tasks' times: a queue that was never empty for so long is overload, and so is one that was it so lately."""

TARGET: Final = 0.25
"""In tasks' times: who has waited for longer makes room under overload."""


@dataclass(frozen=True, eq=False)
class _Entry(Generic[Item]):
    item: Item
    came: float
    stays: bool


class TaskQueue(Generic[Item]):
    """Tasks that wait, in the order in which they are done.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: deque[_Entry[Item]] = deque()
        self._filled_at = 0.0
        self._displaced_at = float("-inf")

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, item: Item, *, urgent: bool = False, stays: bool = False) -> None:
        """Lets a task wait.

        Args:
            item: The task.
            urgent: It goes before all that wait.
            stays: It waits as long as it must; urgent tasks do.
        """
        entry = _Entry(item, self._clock(), urgent or stays)
        if not self._entries:
            self._filled_at = entry.came
        (self._entries.appendleft if urgent else self._entries.append)(entry)

    def take(self) -> Item | None:
        """The next task; None where none waits."""
        return self._entries.popleft().item if self._entries else None

    def remove(self, item: Item) -> None:
        """Takes a task out, if it is there."""
        self._entries = deque(entry for entry in self._entries if entry.item is not item)

    def displaced(self, task_s: float) -> Item | None:
        """Takes out the task that makes room for one that comes; None as long as there is no overload.

        Args:
            task_s: Seconds that a task takes, about.
        """
        now = self._clock()
        standing = bool(self._entries) and now - self._filled_at > STANDING * task_s
        if not standing and now - self._displaced_at > STANDING * task_s:
            return None
        oldest = next((entry for entry in self._entries if not entry.stays), None)
        if oldest is None or now - oldest.came <= TARGET * task_s:
            return None
        self._displaced_at = now
        self._entries.remove(oldest)
        return oldest.item
