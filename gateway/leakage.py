"""A second look at a share of the pictures, by every stage, to see what the fast filter alone would let through."""

from __future__ import annotations

from typing import Any

import numpy as np

from awarenet.cascade import sigmoid
from awarenet.errors import AwareNetError
from awarenet.policy import Policy
from gateway.metrics import FastFilter, Metrics, Said
from gateway.models import Models
from gateway.second_look import SecondLook
from gateway.workers import WorkerPool


class LeakageCheck(SecondLook):
    """Scores pictures again on the full route when a worker has nothing to do; nobody waits for it.

    Args:
        pool: The workers.
        models: The policy in force.
        metrics: Where faces are counted.
        share: Share of the pictures, from 0 to 1.
        timeout_s: Longest time for one picture.
    """

    def __init__(self, pool: WorkerPool, models: Models, metrics: Metrics, share: float, timeout_s: float) -> None:
        super().__init__(pool, share, timeout_s)
        self._models = models
        self._metrics = metrics

    def _policy(self) -> str:
        return self._models.policy.version

    def _may_look(self) -> bool:
        return not self._pool.waiting and self._pool.running < self._pool.size

    def _seen(self, verdict: dict[str, Any], again: dict[str, Any]) -> None:
        self.count(again)

    def _failed(self, error: AwareNetError) -> None:
        """A look that fails tells nothing about the fast filter."""

    def count(self, verdict: dict[str, Any]) -> None:
        """Counts the faces of a verdict of the full route."""
        policy = self._models.policy
        if verdict["policy_version"] != policy.version:
            return
        for face in verdict["faces"]:
            said: Said = "fake" if face["probability"] >= policy.decide_at else "real"
            self._metrics.leakage_checked(_filtered(face["evidence"]["fast_filter_logit"], policy), said)


def _filtered(logit: float, policy: Policy) -> FastFilter:
    probability = float(sigmoid(np.array(logit, np.float32)))
    if probability < policy.real_below:
        return "real"
    return "fake" if probability > policy.fake_above else "doubtful"
