"""What the cascade tells Prometheus, through Triton's own metrics endpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

from awarenet.cascade import Decisions
from awarenet.policy import Policy
from awarenet.stages import Stage

SCORE_BUCKETS = 10
"""P(fake) is counted in this many buckets of equal width."""

LATENCY_BUCKETS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]

_REASONS = ("INVALID_ARG", "INTERNAL", "UNAVAILABLE", "CANCELLED")


class CascadeMetrics:
    """Metrics of one cascade instance; the instances of a server add to the same ones.

    Every update is a message to the server's process, so faces are summed over the batch first.
    """

    def __init__(self, policy: Policy) -> None:
        family = pb_utils.MetricFamily
        self._policy = policy
        self._exits = family("awarenet_exits", "Faces decided, by exit stage and verdict", family.COUNTER)
        self._scores = family("awarenet_scores", "Faces decided, by P(fake) up to le", family.COUNTER)
        self._failures = family("awarenet_failures", "Requests answered with an error, by reason", family.COUNTER)
        self._latency = family("awarenet_stage_latency_ms", "Milliseconds a batch spent in a stage", family.HISTOGRAM)
        # Here and not above: Triton completes its module after it has imported ours.
        self._reasons = {getattr(pb_utils.TritonError, name): name.lower() for name in _REASONS}
        self._metrics: dict[tuple[tuple[str, str], ...], Any] = {}

    def decided(self, decisions: Decisions, kept: NDArray[np.bool_]) -> None:
        """Counts the decisions of the rows that are answered."""
        probability = decisions.probability[kept]
        distance = probability - self._policy.decide_at
        words = np.where(distance >= 0, "fake", "real")
        words[np.abs(distance) < self._policy.uncertain_margin] = "uncertain"
        exits = Counter(zip(decisions.exit_stage[kept].tolist(), words.tolist(), strict=True))
        for (stage, word), count in exits.items():
            self._metric(self._exits, exit_stage=str(stage), verdict=word).increment(count)
        buckets = Counter(np.minimum(probability * SCORE_BUCKETS, SCORE_BUCKETS - 1).astype(int).tolist())
        for bucket, count in buckets.items():
            self._metric(self._scores, le=f"{(bucket + 1) / SCORE_BUCKETS:.1f}").increment(count)

    def failed(self, codes: Iterable[int]) -> None:
        """Counts requests that got an error, by Triton's code; Triton itself counts them as answered."""
        for code, count in Counter(codes).items():
            self._metric(self._failures, reason=self._reasons.get(code, "other")).increment(count)

    def ran(self, stage: Stage, seconds: float) -> None:
        """Notes how long a stage took for a batch, its queue included."""
        self._metric(self._latency, buckets=LATENCY_BUCKETS_MS, stage=stage.name).observe(seconds * 1e3)

    def _metric(self, family: Any, buckets: list[int] | None = None, **labels: str) -> Any:
        key = tuple(labels.items())
        if key not in self._metrics:
            self._metrics[key] = family.Metric(labels=labels, **({"buckets": buckets} if buckets else {}))
        return self._metrics[key]
