"""A second look at a share of the pictures, by every stage, to see what the fast filter alone would let through."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
from typing import Any

from awarenet.errors import AwareNetError
from awarenet.policy import Policy
from gateway.metrics import FastFilter, Metrics, Said
from gateway.models import Models
from gateway.uploads import Upload
from gateway.workers import Task, WorkerPool


class LeakageCheck:
    """Scores pictures again on the full route when a worker has nothing to do; nobody waits for it.

    Args:
        pool: The workers.
        models: The policy in force.
        metrics: Where faces are counted.
        share: Share of the pictures, from 0 to 1.
        timeout_s: Longest time for one picture.
    """

    def __init__(self, pool: WorkerPool, models: Models, metrics: Metrics, share: float, timeout_s: float) -> None:
        self._pool = pool
        self._models = models
        self._metrics = metrics
        self._share = share
        self._timeout_s = timeout_s
        self._running: set[asyncio.Task[None]] = set()

    def offer(self, upload: Upload) -> None:
        """Takes a picture that was scored by the cascade, or passes it over."""
        if random.random() >= self._share or self._pool.waiting or self._pool.running >= self._pool.size:
            return
        # The caller closes its own descriptor when it has its answer.
        task = asyncio.create_task(self._look(upload.name, os.dup(upload.descriptor)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _look(self, name: str, media: int) -> None:
        try:
            with contextlib.suppress(AwareNetError):  # A look that fails tells nothing about the fast filter.
                task = Task("picture", name, "full", self._timeout_s, self._models.policy.version)
                self.count((await self._pool.run(task, media))["verdict"])
        finally:
            os.close(media)

    def count(self, verdict: dict[str, Any]) -> None:
        """Counts the faces of a verdict of the full route."""
        policy = self._models.policy
        if verdict["policy_version"] != policy.version:
            return
        for face in verdict["faces"]:
            said: Said = "fake" if face["probability"] >= policy.decide_at else "real"
            self._metrics.leakage_checked(_filtered(face["evidence"]["fast_filter_logit"], policy), said)


def _filtered(logit: float, policy: Policy) -> FastFilter:
    probability = 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0
    if probability < policy.real_below:
        return "real"
    return "fake" if probability > policy.fake_above else "doubtful"
