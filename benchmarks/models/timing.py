"""Times and memory of forms, in rounds that go once through all of them, so that ratios are of one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np

from awarenet.errors import ServiceError
from benchmarks.load import percentile
from benchmarks.models.form_process import FormProcess

ROUNDS: Final = 3
BATCHES: Final = (1, 8, 32)
REFERENCES: Final = ("onnx-fp32", "pytorch-fp32")
"""The forms that others are held against, where they are at hand."""

ALWAYS_ON: Final = "pytorch-fp32, always on"
"""Every stage on every face in eager PyTorch: what the cascade replaces."""

_LATENCY_WINDOWS: Final = 3
"""Length of a window for single faces, in windows of one batch size: a p95 needs many faces."""

Say = Callable[[str], None]


@dataclass
class _Rounds:
    """What was measured of one form, a round at a time."""

    cascade_ms: list[list[float]] = field(default_factory=list)
    full_ms: list[list[float]] = field(default_factory=list)
    faces_per_s: dict[int, list[float]] = field(default_factory=lambda: {batch: [] for batch in BATCHES})
    peak_mb: float = 0.0

    def add(self, process: FormProcess, unit: float) -> None:
        taken = process.latency(_LATENCY_WINDOWS * unit)
        rates = {batch: process.throughput(batch, unit) for batch in BATCHES}
        self.cascade_ms.append(taken["cascade"])
        self.full_ms.append(taken["full"])
        for batch, window in rates.items():
            self.faces_per_s[batch].append(window["faces_per_s"])
            self.peak_mb = window["peak_mb"]


def measure(processes: Sequence[FormProcess], seconds: float, say: Say) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Measures forms in turns.

    Args:
        processes: The forms, up and idle.
        seconds: Time for all of it; every form runs at least once at every size in every round.
        say: Told what is being measured.

    Returns:
        One row a form, and why forms are missing that failed while they were measured. A row has `form`, `format`,
        `precision`, `threads`; `p50_ms`, `p95_ms` of one face through the cascade, `always_on_p50_ms` through every
        stage, `cost` (time of the cascade over that of every stage); `faces_per_s` by batch size; `faster_than` (times
        as fast with one face as another form with as many threads); `load_s`, `peak_mb` with single faces,
        `peak_batch_mb` with the largest batch.
    """
    unit = seconds / (ROUNDS * max(1, len(processes)) * (_LATENCY_WINDOWS + len(BATCHES)))
    alive, failed = list(processes), {}
    rounds = {id(process): _Rounds() for process in processes}
    for number in range(ROUNDS):
        # Each round begins with another form, so that none always follows the same one.
        for process in alive[number % max(1, len(alive)) :] + alive[: number % max(1, len(alive))]:
            say(f"round {number + 1} of {ROUNDS}: {process.name}")
            try:
                rounds[id(process)].add(process, unit)
            except ServiceError as error:
                failed[process.name] = str(error)
                alive.remove(process)
    measured = {(process.form.name, process.threads): rounds[id(process)] for process in alive}
    return [_row(process, measured) for process in alive], failed


def _row(process: FormProcess, measured: dict[tuple[str, int], _Rounds]) -> dict[str, Any]:
    mine = measured[process.form.name, process.threads]
    costs = [sum(some) / sum(every) for some, every in zip(mine.cascade_ms, mine.full_ms, strict=True)]
    faster = {}
    for name in REFERENCES:
        other = measured.get((name, process.threads))
        if other is not None and name != process.form.name:
            faster[name] = _ratio(other.cascade_ms, mine.cascade_ms)
    eager = measured.get(("pytorch-fp32", process.threads))
    if eager is not None:
        faster[ALWAYS_ON] = _ratio(eager.full_ms, mine.cascade_ms)
    pooled = list(chain.from_iterable(mine.cascade_ms))
    return {
        "form": process.form.name,
        "format": process.form.format,
        "precision": process.form.precision,
        "threads": process.threads,
        "p50_ms": percentile(pooled, 0.5),
        "p95_ms": percentile(pooled, 0.95),
        "always_on_p50_ms": percentile(list(chain.from_iterable(mine.full_ms)), 0.5),
        "cost": float(np.median(costs)),
        "single_faces": len(pooled),
        "faces_per_s": {str(batch): float(np.median(rates)) for batch, rates in mine.faces_per_s.items()},
        "faster_than": faster,
        "load_s": process.load_s,
        "peak_mb": process.peak_mb,
        "peak_batch_mb": mine.peak_mb,
    }


def _ratio(above: list[list[float]], below: list[list[float]]) -> float:
    """The median over rounds of the ratio of medians."""
    pairs = zip(above, below, strict=True)
    return float(np.median([np.median(one) / np.median(other) for one, other in pairs]))
