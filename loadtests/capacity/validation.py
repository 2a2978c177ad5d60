"""The model held against what the service did, with one and with two worker processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from loadtests.capacity.demands import Demands
from loadtests.capacity.model import saturate, simulate

_SIMULATED_S: Final = 600.0
_COMPARED: Final = ("goodput_per_s", "p50", "p95")


def compare(demands: Demands, measured: Mapping[int, Mapping[str, Any]], queue: int, callers: int) -> dict[str, Any]:
    """Simulates what was measured.

    Args:
        demands: What the parts cost.
        measured: Results of `loadtests.curve.measure` by number of workers.
        queue: Of the gateway, while measuring.
        callers: Beyond the workers, while saturation was measured.

    Returns:
        `rows` (each with workers, rate, measured and simulated figures) and `errors`: the mean and largest relative
        error of each figure over all rows.
    """
    rows = []
    for workers, curve in measured.items():
        host = demands.host(workers, queue)
        pictures = demands.pictures()
        full = saturate(host, pictures, workers + callers, _SIMULATED_S)
        rows.append(
            {"workers": workers, "offered_per_s": None}
            | {"measured": {"goodput_per_s": curve["saturation_per_s"]}, "simulated": {"goodput_per_s": full.goodput}}
        )
        for point in curve["points"]:
            rate = point["offered_per_s"]
            outcome = simulate(host, pictures, rate, _SIMULATED_S)
            summary = outcome.latencies.summary()
            rows.append(
                {
                    "workers": workers,
                    "offered_per_s": rate,
                    "measured": {
                        "goodput_per_s": point["goodput_per_s"],
                        "refused_share": point["refused_share"],
                        "p50": point["accepted_ms"]["p50"],
                        "p95": point["accepted_ms"]["p95"],
                    },
                    "simulated": {
                        "goodput_per_s": outcome.goodput,
                        "refused_share": outcome.refused_share,
                        "p50": summary["p50"],
                        "p95": summary["p95"],
                    },
                }
            )
    return {"rows": rows, "errors": errors(rows)}


def errors(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean and largest relative error of each figure."""
    found: dict[str, dict[str, float]] = {}
    for name in _COMPARED:
        pairs = [(row["simulated"].get(name), row["measured"].get(name)) for row in rows]
        relative = [abs(model - real) / real for model, real in pairs if model is not None and real]
        if relative:
            found[name] = {"mean": float(np.mean(relative)), "largest": float(max(relative))}
    return found
