"""Closed-loop load: callers that send their next request as soon as the last one is answered."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from benchmarks.contender import Faces, Score


@dataclass(frozen=True)
class Window:
    """What one stretch of load gave.

    Attributes:
        faces_per_s: Faces scored per second by all callers together.
        latencies_ms: Duration of each request in milliseconds.
    """

    faces_per_s: float
    latencies_ms: tuple[float, ...]


def drive_load(callers: Sequence[Score], requests: Sequence[Faces], seconds: float) -> Window:
    """Sends requests in turn from every caller for a while.

    A request that is under way at the end is finished and counted with the time it took: slow contenders lose nothing
    at the edge, and callers that are served one after another are not counted as if at once.

    Args:
        callers: One a thread.
        requests: Batches of faces; each caller goes round them, beginning at a place of its own.
        seconds: How long new requests are sent.
    """
    barrier = threading.Barrier(len(callers))

    def call(number: int) -> tuple[int, float, list[float]]:
        score = callers[number]
        turn = itertools.cycle(range(len(requests)))
        for _ in range(number * len(requests) // len(callers)):
            next(turn)
        faces, latencies = 0, []
        barrier.wait()
        now = time.perf_counter()
        end = now + seconds
        while now < end:
            batch = requests[next(turn)]
            score(batch)
            finished = time.perf_counter()
            latencies.append((finished - now) * 1000)
            faces, now = faces + len(batch), finished
        return faces, now - (end - seconds), latencies

    with ThreadPoolExecutor(len(callers)) as pool:
        results = list(pool.map(call, range(len(callers))))
    counts, durations, latencies = zip(*results, strict=True)
    return Window(sum(counts) / max(durations), tuple(itertools.chain.from_iterable(latencies)))


def percentile(latencies: Sequence[float], share: float) -> float:
    """A percentile in milliseconds, not interpolated."""
    return float(np.percentile(np.asarray(latencies), 100 * share, method="higher"))
