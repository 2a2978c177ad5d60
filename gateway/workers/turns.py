"""When refused callers shall come again: one after the other, as fast as work is done, not all at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

LONGEST_S: Final = 60.0
"""Longest wait that a caller is told: by then much has changed, and other gateways may have room."""


class Turns:
    """A queue of those who were sent away; all that is kept of it is its end.

    Told to come when the present work is done, ten thousand callers come together, are refused together, and do nothing
    else: refusing then takes the processor that work needs.

    Args:
        clock: Monotone seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = 0.0

    def next(self, room_s: float, each_s: float) -> float:
        """Seconds until the turn of a caller who is sent away now.

        Args:
            room_s: Seconds until the work that was taken is done.
            each_s: Seconds in which one more is done.
        """
        now = self._clock()
        self._end = min(max(self._end, now + room_s) + each_s, now + LONGEST_S)
        return self._end - now
