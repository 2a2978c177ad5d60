"""The queue between a live source and whoever looks at its frames: short, drop-oldest, with a deadline."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from awarenet.errors import AwareNetError, InvalidInput

T = TypeVar("T")

LARGEST: Final = 2
"""Most frames that may wait: what waits longer is late anyway."""


@dataclass(frozen=True)
class Arrived(Generic[T]):
    """A frame and when it came.

    Attributes:
        frame: The frame.
        arrived_s: Its arrival on the queue's clock, in seconds.
    """

    frame: T
    arrived_s: float


@dataclass
class QueueCounts:
    """What became of the frames that were put in.

    Attributes:
        arrived: Frames put in.
        replaced: Frames that gave way to newer ones while nobody looked.
        late: Frames that were past the deadline when it was their turn.
        taken: Frames that were handed out.
    """

    arrived: int = 0
    replaced: int = 0
    late: int = 0
    taken: int = 0

    @property
    def dropped(self) -> int:
        """Frames that nobody will look at."""
        return self.replaced + self.late


class FrameQueue(Generic[T]):
    """Hands the newest frames to one consumer; safe between threads. A producer is never held up.

    Attributes:
        counts: What became of the frames so far.
    """

    def __init__(self, *, deadline_s: float, size: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        """Makes an empty queue.

        Args:
            deadline_s: Seconds after its arrival from which a frame is not worth looking at, above 0.
            size: Frames that may wait, 1 or 2.
            clock: Monotone time in seconds.

        Raises:
            InvalidInput: A value is out of range.
        """
        if not deadline_s > 0:
            raise InvalidInput(f"live: the deadline must be above 0 s, got {deadline_s}")
        if not 1 <= size <= LARGEST:
            raise InvalidInput(f"live: 1 to {LARGEST} frames may wait, got {size}")
        self.counts = QueueCounts()
        self._deadline_s = deadline_s
        self._clock = clock
        self._size = size
        self._waiting: deque[Arrived[T]] = deque()
        self._closed = False
        self._error: AwareNetError | None = None
        self._change = threading.Condition()

    def put(self, frame: T) -> None:
        """Adds a frame that arrives now; the oldest gives way. Ignored once the queue is closed."""
        with self._change:
            if self._closed:
                return
            self.counts.arrived += 1
            if len(self._waiting) == self._size:
                self._waiting.popleft()
                self.counts.replaced += 1
            self._waiting.append(Arrived(frame, self._clock()))
            self._change.notify()

    def take(self, wait_s: float = 0.0) -> Arrived[T] | None:
        """The oldest frame that is still in time.

        Args:
            wait_s: Seconds to wait for one (of the real clock).

        Returns:
            The frame, or None where none came or the queue is closed and empty.

        Raises:
            AwareNetError: The queue was closed with this error and is empty.
        """
        end = time.monotonic() + wait_s
        with self._change:
            while True:
                while self._waiting:
                    arrived = self._waiting.popleft()
                    if self._clock() - arrived.arrived_s <= self._deadline_s:
                        self.counts.taken += 1
                        return arrived
                    self.counts.late += 1
                if self._closed:
                    if self._error is not None:
                        raise self._error
                    return None
                if (left := end - time.monotonic()) <= 0:
                    return None
                self._change.wait(left)

    def close(self, error: AwareNetError | None = None) -> None:
        """Ends the queue: what waits can still be taken, nothing is added. The first call decides.

        Args:
            error: Why the source ended before its end; None for an orderly end.
        """
        with self._change:
            if not self._closed:
                self._closed, self._error = True, error
                self._change.notify_all()

    @property
    def ended(self) -> bool:
        """Whether nothing waits, nothing will come, and nothing went wrong (an error comes from `take`)."""
        with self._change:
            return self._closed and not self._waiting and self._error is None
