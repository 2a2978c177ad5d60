"""How many users there are when, as a share of full load: plain functions of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

Shape = Callable[[float], float]
"""From the share of the time that has passed, in [0, 1], to the share of the users that are there."""

STEPS: Final = 5
OVERLOAD: Final = 3.0


def ramp(passed: float) -> float:
    """Evenly from none to all."""
    return passed


def step(passed: float) -> float:
    """In five equal steps, each long enough to settle."""
    return min(1.0, (math.floor(passed * STEPS) + 1) / STEPS)


def spike(passed: float) -> float:
    """A tenth of the users, then all at once for the middle third, then a tenth again."""
    return 1.0 if 1 / 3 <= passed < 2 / 3 else 0.1


def soak(passed: float) -> float:
    """All of them after a short while, and so they stay."""
    return min(1.0, passed / 0.05)


def overload(passed: float) -> float:
    """All of them, then three times as many for the middle third: it must refuse, and recover."""
    return OVERLOAD if 1 / 3 <= passed < 2 / 3 else 1.0


SHAPES: Final[Mapping[str, Shape]] = {
    "ramp": ramp,
    "step": step,
    "spike": spike,
    "soak": soak,
    "overload": overload,
}
