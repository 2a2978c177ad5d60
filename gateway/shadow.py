"""Other models, tried on real traffic: they judge a share of the pictures as well, and only the comparison is kept."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any, Final

import structlog

from awarenet.errors import AwareNetError, Overloaded
from gateway.metrics import Metrics
from gateway.workers import Task, WorkerPool

_WAITING: Final = 2
"""Pictures that wait for the shadow's worker; more are let go, because a shadow must cost its service nothing."""

_log = structlog.get_logger("shadow")


class Shadow:
    """Asks another Triton server about pictures whose callers have their answer; belongs to one event loop.

    It runs every stage (`route=full`), so that what the fast filter settles is looked at too. Nothing is awaited by a
    request, and no picture or verdict leaves it: `awarenet_gateway_shadow` counts how the two verdicts compare.

    Args:
        pool: Workers of the other server.
        share: Share of the pictures, 0 to 1.
        metrics: Where comparisons are counted.
        timeout_s: Longest time for one picture.
    """

    def __init__(self, pool: WorkerPool, share: float, metrics: Metrics, timeout_s: float) -> None:
        self._pool = pool
        self._share = share
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._looks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Starts the workers."""
        await self._pool.start()

    async def close(self) -> None:
        """Gives up what is under way; idempotent."""
        for look in self._looks:
            look.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)
        await self._pool.close()

    def offer(self, media: int, verdict: dict[str, Any]) -> None:
        """Has a picture judged again, perhaps.

        Args:
            media: Its file descriptor; stays the caller's.
            verdict: What the service answered.
        """
        if random.random() >= self._share:
            return
        if len(self._looks) >= self._pool.size + _WAITING:
            self._metrics.shadowed("skipped")
            return
        look = asyncio.ensure_future(self._look(os.dup(media), verdict))
        self._looks.add(look)
        look.add_done_callback(self._looks.discard)

    async def _look(self, media: int, verdict: dict[str, Any]) -> None:
        try:
            task = Task("picture", "the picture", "full", self._timeout_s)
            other = (await self._pool.run(task, media))["verdict"]
        except Overloaded:
            self._metrics.shadowed("skipped")
        except AwareNetError as error:
            _log.warning("the shadow does not answer", reason=str(error))
            self._metrics.shadowed("failed")
        else:
            self._metrics.shadowed(compare(verdict, other), difference(verdict, other))
        finally:
            os.close(media)


def compare(verdict: dict[str, Any], other: dict[str, Any]) -> str:
    """`same`, `flipped` where one says real and the other fake, or `different`."""
    words = {verdict["verdict"], other["verdict"]}
    if len(words) == 1:
        return "same"
    return "flipped" if words == {"real", "fake"} else "different"


def difference(verdict: dict[str, Any], other: dict[str, Any]) -> float | None:
    """How far the two P(fake) lie apart; None where there is no face."""
    one, two = verdict["probability"], other["probability"]
    return None if one is None or two is None else abs(float(one) - float(two))
