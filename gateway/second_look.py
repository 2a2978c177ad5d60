"""A share of the pictures judged again, by every stage, after their callers have their answers."""

from __future__ import annotations

import asyncio
import os
import random
from abc import ABC, abstractmethod
from typing import Any

from awarenet.errors import AwareNetError
from gateway.workers import Task, WorkerPool


class SecondLook(ABC):
    """Looks again at pictures that are offered to it; belongs to one event loop, and nobody waits for it.

    Args:
        pool: The workers that look.
        share: Share of the pictures, 0 to 1.
        timeout_s: Longest time for one picture.
    """

    def __init__(self, pool: WorkerPool, share: float, timeout_s: float) -> None:
        self._pool = pool
        self._share = share
        self._timeout_s = timeout_s
        self._looks: set[asyncio.Task[None]] = set()

    def offer(self, media: int, verdict: dict[str, Any]) -> None:
        """Has a picture judged again, perhaps.

        Args:
            media: Its file descriptor; stays the caller's.
            verdict: What the service answered.
        """
        if random.random() >= self._share or not self._may_look():
            return
        look = asyncio.ensure_future(self._look(os.dup(media), verdict))
        self._looks.add(look)
        look.add_done_callback(self._looks.discard)

    async def close(self) -> None:
        """Gives up what is under way; idempotent."""
        for look in self._looks:
            look.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)

    async def _look(self, media: int, verdict: dict[str, Any]) -> None:
        try:
            task = Task("picture", "the picture", "full", self._timeout_s, self._policy())
            self._seen(verdict, (await self._pool.run(task, media))["verdict"])
        except AwareNetError as error:
            self._failed(error)
        finally:
            os.close(media)

    def _policy(self) -> str | None:
        """Version of the policy that must be in force for the look; None for whichever is."""
        return None

    @abstractmethod
    def _may_look(self) -> bool:
        """Whether there is room for another look now."""

    @abstractmethod
    def _seen(self, verdict: dict[str, Any], again: dict[str, Any]) -> None:
        """Takes what the look has seen, beside what the service answered."""

    @abstractmethod
    def _failed(self, error: AwareNetError) -> None:
        """Takes why a look failed."""
