"""What the cascade tells Prometheus, through Triton's own metrics endpoint."""

from __future__ import annotations

import os
import threading
import time
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

Key = tuple[Any, ...]
"""Name of a metric family, then its labels as pairs."""

_REASONS = ("INVALID_ARG", "INTERNAL", "UNAVAILABLE", "CANCELLED")


FLUSH_S = 0.25
"""Pause between two updates."""

SHARED_MEMORY = "/dev/shm"
SHARED_MEMORY_S = 2.0
"""Pause between two looks at the shared memory, which tensors of all stages go through."""


class CascadeMetrics:
    """Metrics of one cascade instance; the instances of a server add to the same ones.

    Every update of Triton's metrics is a message to the server's process that costs as much as a small stage, so each
    batch is only noted here, and a thread of its own sends the sums.
    """

    def __init__(self, policy: Policy) -> None:
        family = pb_utils.MetricFamily
        self._policy = policy
        self._families = {
            "exits": family("awarenet_exits", "Faces decided, by exit stage and verdict", family.COUNTER),
            "scores": family("awarenet_scores", "Faces decided, by P(fake) up to le", family.COUNTER),
            "failures": family("awarenet_failures", "Requests answered with an error, by reason", family.COUNTER),
        }
        # Kept beside its metrics, which Triton ends when their family is gone.
        self._space_family = family(
            "awarenet_shared_memory_bytes", "Shared memory of the server, by kind", family.GAUGE
        )
        self._space = {kind: self._space_family.Metric(labels={"kind": kind}) for kind in ("size", "free")}
        self._latency = family("awarenet_stage_latency_ms", "Milliseconds a batch spent in a stage", family.HISTOGRAM)
        # Here and not above: Triton completes its module after it has imported ours.
        self._reasons = {getattr(pb_utils.TritonError, name): name.lower() for name in _REASONS}
        self._metrics: dict[Key, Any] = {}
        self._counts: Counter[Key] = Counter()
        self._times: list[tuple[str, float]] = []
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._sender = threading.Thread(target=self._send_regularly, name="metrics", daemon=True)
        self._sender.start()

    def decided(self, decisions: Decisions, kept: NDArray[np.bool_]) -> None:
        """Counts the decisions of the rows that are answered."""
        exits: list[int] = decisions.exit_stage[kept].tolist()
        scores: list[float] = decisions.probability[kept].tolist()
        counts: Counter[Key] = Counter()
        for stage, score in zip(exits, scores, strict=True):
            counts["exits", ("exit_stage", str(stage)), ("verdict", self._word(score))] += 1
            bucket = min(int(score * SCORE_BUCKETS), SCORE_BUCKETS - 1) + 1
            counts["scores", ("le", f"{bucket / SCORE_BUCKETS:.1f}")] += 1
        with self._lock:
            self._counts.update(counts)

    def failed(self, codes: Iterable[int]) -> None:
        """Counts requests that got an error, by Triton's code; Triton itself counts them as answered."""
        with self._lock:
            for code in codes:
                self._counts["failures", ("reason", self._reasons.get(code, "other"))] += 1

    def ran(self, stage: Stage, seconds: float) -> None:
        """Notes how long a stage took for a batch, its queue included."""
        with self._lock:
            self._times.append((stage.name, seconds * 1e3))

    def close(self) -> None:
        """Sends what is left."""
        self._ending.set()
        self._sender.join()

    def _word(self, score: float) -> str:
        distance = score - self._policy.decide_at
        if abs(distance) < self._policy.uncertain_margin:
            return "uncertain"
        return "fake" if distance >= 0 else "real"

    def _send_regularly(self) -> None:
        ended, look_at = False, 0.0
        while not ended:
            ended = self._ending.wait(FLUSH_S)
            with self._lock:
                counts, self._counts = self._counts, Counter()
                times, self._times = self._times, []
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + SHARED_MEMORY_S
                status = os.statvfs(SHARED_MEMORY)
                self._space["size"].set(status.f_blocks * status.f_frsize)
                self._space["free"].set(status.f_bavail * status.f_frsize)
            for key, count in counts.items():
                self._counter(key).increment(count)
            for stage, milliseconds in times:
                self._histogram(stage).observe(milliseconds)

    def _counter(self, key: Key) -> Any:
        if key not in self._metrics:
            name, *labels = key
            self._metrics[key] = self._families[name].Metric(labels=dict(labels))
        return self._metrics[key]

    def _histogram(self, stage: str) -> Any:
        key: Key = ("latency", ("stage", stage))
        if key not in self._metrics:
            self._metrics[key] = self._latency.Metric(labels={"stage": stage}, buckets=LATENCY_BUCKETS_MS)
        return self._metrics[key]
