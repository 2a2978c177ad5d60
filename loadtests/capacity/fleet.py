"""How many replicas of which kind serve a crowd in time, and what a thousand pictures cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from awarenet.errors import DataError
from loadtests.capacity.demands import STAGES, Demands
from loadtests.capacity.model import Host, Picture, Stage, affine, simulate

P95_MS: Final = 500.0
REFUSED: Final = 0.01
_FRACTION: Final = 0.02
"""How exactly the highest rate is found."""
_PICTURES: Final = 4000
"""Simulated for each rate that is tried."""


@dataclass(frozen=True)
class Accelerator:
    """A kind of replica.

    Attributes:
        name: What it is called.
        teraflops: Peak of its card.
        cores: Of its processor.
        price_per_hour: Of one.
    """

    name: str
    teraflops: float
    cores: int
    price_per_hour: float


@dataclass(frozen=True)
class Assumptions:
    """What is not measured.

    Attributes:
        efficiency: Share of the peak that the networks reach.
        launch_s: Time of a batch beside its operations.
        instances: Batches at once of each stage.
        kinds: The replicas to compare.
    """

    efficiency: float
    launch_s: float
    instances: int
    kinds: tuple[Accelerator, ...]

    @classmethod
    def read(cls, path: Path) -> Assumptions:
        """Reads a file like `accelerators.yaml`.

        Raises:
            DataError: It is not like that.
        """
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8"))
            kinds = tuple(Accelerator(name, **kind) for name, kind in raw["kinds"].items())
            return cls(raw["efficiency"], raw["launch_ms"] / 1000, raw["instances"], kinds)
        except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
            raise DataError(f"capacity: {path} is no file of assumptions ({error!r}); see accelerators.yaml") from error


def replica(
    demands: Demands, kind: Accelerator, assumptions: Assumptions, operations: Mapping[str, float], efficiency: float
) -> Host:
    """A replica on an accelerator: everything but the networks costs what was measured.

    Args:
        demands: What was measured.
        kind: The replica.
        assumptions: What was not.
        operations: 10^9 operations of each stage for one face.
        efficiency: In place of that of the assumptions.
    """
    stages = {
        stage: Stage(
            affine(assumptions.launch_s, operations[stage] / (kind.teraflops * 1000 * efficiency)),
            assumptions.instances,
            on_processor=False,
        )
        for stage in STAGES
    }
    return Host(
        cores=kind.cores,
        workers=2 * kind.cores,  # A worker waits while its faces are scored.
        queue=2 * kind.cores,
        stages=stages,
        gateway_s=demands.mean("gateway"),
        router_s=demands.mean("triton") + demands.mean("router"),
        hop_s=demands.hop_s(),
        busy_speed=demands.busy_speed,
    )


def highest_rate(host: Host, pictures: Sequence[Picture]) -> float:
    """Pictures a second that one replica serves in time: p95 under 500 ms, at most one in a hundred refused."""
    low, high = 0.0, 1.0
    while _holds(host, pictures, high):
        low, high = high, 2 * high
    while high - low > _FRACTION * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _holds(host, pictures, middle) else (low, middle)
    return low


def _holds(host: Host, pictures: Sequence[Picture], rate: float) -> bool:
    outcome = simulate(host, pictures, rate, _PICTURES / rate)
    p95 = outcome.latencies.ms(95)
    return p95 is not None and p95 < P95_MS and outcome.refused_share <= REFUSED


def fleet(
    demands: Demands,
    assumptions: Assumptions,
    operations: Mapping[str, float],
    rate: float,
) -> list[dict[str, Any]]:
    """Replicas of each kind for a rate of pictures that nobody has seen before.

    Args:
        demands: What was measured.
        assumptions: What was not.
        operations: 10^9 operations of each stage for one face.
        rate: Pictures a second, after the cache.
    """
    rows = []
    for kind in assumptions.kinds:
        for factor in (0.5, 1.0, 2.0):
            efficiency = factor * assumptions.efficiency
            each = highest_rate(replica(demands, kind, assumptions, operations, efficiency), demands.pictures())
            count = max(2, math.ceil(rate / each)) if each else None  # Two, so that one may go.
            cost = None if count is None else count * kind.price_per_hour / (rate * 3600) * 1000
            rows.append(
                {
                    "kind": kind.name,
                    "efficiency": efficiency,
                    "pictures_per_s_each": each,
                    "replicas": count,
                    "price_per_1000_pictures": cost,
                }
            )
    return rows
