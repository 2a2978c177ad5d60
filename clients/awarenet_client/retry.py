"""When to try again: bounded, with full jitter, and never so often that clients multiply an overload."""

from __future__ import annotations

import random
import threading
from typing import Final

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0


def pause(attempt: int, uniform: float | None = None) -> float:
    """Seconds to wait after a failed attempt: uniform in [0, min(longest, first * 2^attempt)].

    Args:
        attempt: Number of the attempt that failed, from 0.
        uniform: A number in [0, 1] in place of a random one.
    """
    share = random.random() if uniform is None else uniform
    doublings = min(attempt, 32)  # beyond any ceiling, and no overflow
    return share * float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**doublings))


class RetryBudget:
    """Stops retrying when most calls fail (gRPC proposal A6, retry throttling).

    A failure takes one token, a success gives a tenth back; there are retries only while more than half are left.
    """

    def __init__(self, tokens: float) -> None:
        self._lock = threading.Lock()
        self._full = tokens
        self._tokens = tokens

    def succeeded(self) -> None:
        """Notes an answer."""
        with self._lock:
            self._tokens = min(self._full, self._tokens + 0.1)

    def failed(self) -> bool:
        """Notes a failure, and says whether to try again."""
        with self._lock:
            self._tokens = max(0.0, self._tokens - 1.0)
            return self._tokens > self._full / 2
