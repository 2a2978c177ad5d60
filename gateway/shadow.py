"""Other models, tried on real traffic: they judge a share of the pictures as well, and only the comparison is kept."""

from __future__ import annotations

from typing import Any, Final

import structlog

from awarenet.errors import AwareNetError, Overloaded
from gateway.metrics import Metrics
from gateway.second_look import SecondLook
from gateway.workers import WorkerPool

_WAITING: Final = 2
"""Pictures that wait for the shadow's worker; more are let go, because a shadow must cost its service nothing."""

_log = structlog.get_logger("shadow")


class Shadow(SecondLook):
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
        super().__init__(pool, share, timeout_s)
        self._metrics = metrics

    async def start(self) -> None:
        """Starts the workers."""
        await self._pool.start()

    async def close(self) -> None:
        """Gives up what is under way, and ends the workers; idempotent."""
        await super().close()
        await self._pool.close()

    def _may_look(self) -> bool:
        if len(self._looks) < self._pool.size + _WAITING:
            return True
        self._metrics.shadowed("skipped")
        return False

    def _seen(self, verdict: dict[str, Any], again: dict[str, Any]) -> None:
        self._metrics.shadowed(compare(verdict, again), difference(verdict, again))

    def _failed(self, error: AwareNetError) -> None:
        if isinstance(error, Overloaded):
            self._metrics.shadowed("skipped")
            return
        _log.warning("the shadow does not answer", reason=str(error))
        self._metrics.shadowed("failed")


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
