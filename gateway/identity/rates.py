"""How fast a caller may ask: a token bucket each, in this process.

Several gateways each count for themselves, so n of them let through at most n times the rate; Envoy in front limits
the whole. (The `limits` package has windows but no token bucket.)
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from awarenet.errors import TooManyRequests

_MOST_BUCKETS: Final = 100_000


class RateLimiter:
    """Token buckets by caller: `burst` requests at once, then `per_minute` of them evenly.

    Args:
        per_minute: Requests per minute of a caller without a limit of its own, above 0.
        burst: Requests at once; at least 1.
        clock: Monotone seconds.
    """

    def __init__(self, per_minute: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._burst = float(burst)
        self._clock = clock
        self._lock = threading.Lock()
        # Caller to (tokens, instant of that count); the least recently asked first.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, *, per_minute: float | None = None, cost: float = 1.0) -> None:
        """Lets a request pass and counts it, or raises and does not count it.

        Args:
            caller: What is counted by (`Principal.counted_as`).
            per_minute: The caller's own limit; None for the default.
            cost: How many requests this one counts for; more than the burst costs the whole burst.

        Raises:
            TooManyRequests: The bucket holds too little; it says when it holds enough.
        """
        rate = (self._per_minute if per_minute is None else per_minute) / 60.0
        cost = min(cost, self._burst)
        with self._lock:
            now = self._clock()
            tokens, since = self._buckets.pop(caller, (self._burst, now))
            tokens = min(self._burst, tokens + (now - since) * rate)
            allowed = tokens >= cost - 1e-9  # who waits exactly as long as told is let in
            self._buckets[caller] = (tokens - cost if allowed else tokens, now)
            if len(self._buckets) > _MOST_BUCKETS:
                self._buckets.popitem(last=False)
        if not allowed:
            raise TooManyRequests(f"more than {rate * 60:g} requests a minute; slow down", (cost - tokens) / rate)
