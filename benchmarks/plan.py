"""The measurement itself: what is run in which order, and how the figures come from it.

Everything that is compared is measured in the same run, in rounds that go once through all contenders, so that a
machine that slows down slows all of them. Ratios are taken within a round; their median is reported.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from awarenet.errors import ModelError
from benchmarks.contender import Contender, Faces, Running, Score
from benchmarks.load import Window, drive_load, percentile
from benchmarks.workload import Workload

CALLERS: Final = (1, 2, 4, 8)
"""Numbers of callers among which each contender's own best is looked for."""

BATCH: Final = 8
"""Faces a request at saturation."""

ROUNDS: Final = 5

TRITON, EAGER = "triton", "eager_ensemble"
IN_PROCESS: Final = "in_process_"
"""Names of the in-process contenders begin so; the better one is what Triton is held against."""

GROWTH_BATCHES: Final = (1, 8, 32)
GROWTH_FACES: Final = (1, 2, 4, 8, 16)
GROWTH_DEFERRED: Final = (0.0, 0.1, 0.25, 0.5, 1.0)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Opened:
    """A contender that is up, with callers that are connected."""

    contender: Contender
    running: Running
    callers: tuple[Score, ...]

    @classmethod
    def of(cls, contender: Contender, running: Running) -> Opened:
        """Connects as many callers as will ever be needed."""
        return cls(contender, running, tuple(running.connect() for _ in range(max(CALLERS))))


def check_answers(opened: Sequence[Opened], workload: Workload) -> dict[str, float]:
    """Holds every contender's probabilities against the first one's before anything is timed.

    Returns:
        The largest difference of a probability, by contender.

    Raises:
        ModelError: A contender that runs the same cascade gives other answers: timing it would compare nothing.
    """
    faces = np.concatenate([workload.sure[:BATCH], workload.doubtful[:BATCH]])
    reference = opened[0].callers[0](faces)
    differences = {}
    for entry in opened:
        difference = float(np.abs(entry.callers[0](faces) - reference).max())
        differences[entry.contender.name] = difference
        # Floating-point sums depend on the batch; a jump over a leaf of the trees is a different answer.
        if entry.contender.same_cascade and not difference < 0.02:
            raise ModelError(
                f"bench: {entry.contender.name} and {opened[0].contender.name} differ by {difference:.3f} in P(fake); "
                "start both with the same models"
            )
    return differences


def saturation(opened: Sequence[Opened], requests: Sequence[Faces], unit: float, say: Say) -> dict[str, Any]:
    """Throughput of each contender with as many callers as suit it best.

    Returns:
        `NAME.{faces_per_s, low, high, callers, rounds}`.
    """
    say("looking for each contender's best number of callers")
    best: dict[str, int] = {}
    for entry in opened:
        rates = {n: drive_load(entry.callers[:n], requests, unit).faces_per_s for n in CALLERS}
        best[entry.contender.name] = max(rates, key=lambda n: rates[n])
    rounds: dict[str, list[float]] = {entry.contender.name: [] for entry in opened}
    for number in range(ROUNDS):
        say(f"throughput at saturation, round {number + 1} of {ROUNDS}")
        for entry in _turned(opened, number):
            name = entry.contender.name
            window = drive_load(entry.callers[: best[name]], requests, 2 * unit)
            rounds[name].append(window.faces_per_s)
    return {
        name: {
            "faces_per_s": float(np.median(rates)),
            "low": min(rates),
            "high": max(rates),
            "callers": best[name],
            "rounds": rates,
        }
        for name, rates in rounds.items()
    }


def latency(opened: Sequence[Opened], workload: Workload, unit: float, say: Say) -> dict[str, Any]:
    """Latency of one face with one caller, apart for faces that the fast filter settles and faces that go through all.

    Returns:
        `sure` and `deferred`, each `NAME.{p50_ms, p99_ms, requests, rounds_p50_ms}`.
    """
    result: dict[str, Any] = {}
    for kind, share in (("sure", 0.0), ("deferred", 1.0)):
        requests = workload.requests(1, share)
        windows: dict[str, list[Window]] = {entry.contender.name: [] for entry in opened}
        for number in range(ROUNDS):
            say(f"latency of {kind} faces, round {number + 1} of {ROUNDS}")
            for entry in _turned(opened, number):
                windows[entry.contender.name].append(drive_load(entry.callers[:1], requests, unit))
        result[kind] = {name: _latency(parts) for name, parts in windows.items()}
    return result


def growth(
    opened: Sequence[Opened], workload: Workload, share: float, best: Mapping[str, int], unit: float, say: Say
) -> dict[str, Any]:
    """How the cost per face grows with the batch, the faces per picture and the share that is deferred.

    Args:
        opened: The contenders to compare.
        workload: Where faces come from.
        share: Share of faces deferred where that is not what varies.
        best: Number of callers by contender.
        unit: Seconds of one window.
        say: Told what is being measured.

    Returns:
        `batch` and `deferred`: `NAME.VALUE` to faces per second with the best number of callers; `faces_per_picture`:
        `NAME.VALUE` to milliseconds (p50) with one caller, all faces of a picture in one request.
    """
    result: dict[str, Any] = {"batch": {}, "deferred": {}, "faces_per_picture": {}}
    points = (
        *(("batch", size, size, share) for size in GROWTH_BATCHES),
        *(("deferred", deferred, BATCH, deferred) for deferred in GROWTH_DEFERRED),
        *(("faces_per_picture", size, size, share) for size in GROWTH_FACES),
    )
    for what, value, size, deferred in points:
        say(f"growth with {what}: {value}")
        requests = workload.requests(size, deferred)
        taken: dict[str, list[float]] = {entry.contender.name: [] for entry in opened}
        for _, entry in itertools.product(range(3), opened):
            name = entry.contender.name
            one = what == "faces_per_picture"
            window = drive_load(entry.callers[: 1 if one else best[name]], requests, unit)
            taken[name].append(percentile(window.latencies_ms, 0.5) if one else window.faces_per_s)
        for name, numbers in taken.items():
            result[what].setdefault(name, {})[str(value)] = float(np.median(numbers))
    return result


def headlines(saturated: Mapping[str, Any], latencies: Mapping[str, Any]) -> dict[str, float | None]:
    """The figures that have targets; None where a contender is missing."""
    local = [name for name in saturated if name.startswith(IN_PROCESS)]
    fastest = max(local, key=lambda name: saturated[name]["faces_per_s"])
    added = {
        kind: entries[TRITON]["p50_ms"] - min(entries[name]["p50_ms"] for name in local)
        for kind, entries in latencies.items()
    }
    return {
        "triton_over_inprocess_throughput": _ratio(saturated, TRITON, fastest),
        "triton_added_p50_ms": max(added.values()),
        "triton_added_p50_ms_sure": added["sure"],
        "triton_added_p50_ms_deferred": added["deferred"],
        "cascade_int8_over_eager_ensemble": _ratio(saturated, TRITON, EAGER),
        "cascade_int8_in_process_over_eager_ensemble": _ratio(saturated, fastest, EAGER),
    }


def _ratio(saturated: Mapping[str, Any], above: str, below: str) -> float | None:
    if above not in saturated or below not in saturated:
        return None
    pairs = zip(saturated[above]["rounds"], saturated[below]["rounds"], strict=True)
    return float(np.median([one / other for one, other in pairs]))


def _latency(windows: Sequence[Window]) -> dict[str, Any]:
    pooled = list(itertools.chain.from_iterable(window.latencies_ms for window in windows))
    return {
        "p50_ms": float(np.median([percentile(window.latencies_ms, 0.5) for window in windows])),
        "p99_ms": percentile(pooled, 0.99),
        "requests": len(pooled),
        "rounds_p50_ms": [percentile(window.latencies_ms, 0.5) for window in windows],
    }


def _turned(opened: Sequence[Opened], number: int) -> list[Opened]:
    """The contenders, each round beginning with another one."""
    start = number % len(opened)
    return [*opened[start:], *opened[:start]]
