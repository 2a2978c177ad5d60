"""Whether the service takes work, and how much is under way."""

from __future__ import annotations

import asyncio
import contextlib

from awarenet.errors import Overloaded, Unavailable
from gateway.timing import within


class Lifecycle:
    """Counts requests, and lets those under way finish at the end; belongs to one event loop.

    Args:
        limit: Most requests under way at once.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0
        self.ending = asyncio.Event()
        self._leaving = False
        self._changed = asyncio.Condition()

    @property
    def leaving(self) -> bool:
        """Whether callers shall go elsewhere; their work is still taken unless `draining`."""
        return self._leaving or self.draining

    @property
    def draining(self) -> bool:
        """Whether new work is refused."""
        return self.ending.is_set()

    def check(self) -> None:
        """Refuses new work while draining.

        Raises:
            Unavailable: It is.
        """
        if self.draining:
            raise Unavailable("this instance is draining; send the request again, another one will answer")

    def enter(self) -> None:
        """Counts a request in.

        Raises:
            Unavailable: The service is draining.
            Overloaded: Too many are under way.
        """
        self.check()
        if self.in_flight >= self.limit:
            raise Overloaded(f"{self.limit} requests are under way, which is the limit; send it again later")
        self.in_flight += 1

    async def leave(self) -> None:
        """Counts a request out."""
        self.in_flight -= 1
        async with self._changed:
            self._changed.notify_all()

    def check_staying(self) -> None:
        """Tells whoever spreads the work that this instance takes no part in it much longer.

        Raises:
            Unavailable: It is leaving.
        """
        if self.leaving:
            raise Unavailable("this instance is leaving; send requests to another one")

    async def drain(self, timeout_s: float, settle_s: float = 0.0) -> bool:
        """Leaves, refuses new work, and waits for what is under way.

        Args:
            timeout_s: Seconds that what is under way gets.
            settle_s: Seconds before new work is refused, in which those who spread the work see that it is leaving.

        Returns:
            Whether everything was finished in time.
        """
        self._leaving = True
        if settle_s > 0 and not self.draining:
            with contextlib.suppress(asyncio.TimeoutError):
                await within(settle_s, self.ending.wait())
        self.ending.set()
        try:
            async with self._changed:
                await asyncio.wait_for(self._changed.wait_for(lambda: self.in_flight == 0), timeout_s)
        except asyncio.TimeoutError:
            return False
        return True
