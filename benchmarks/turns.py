"""Times of things that do the same, taken in turns, so that each ratio is of neighbouring runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray


def in_turns(contenders: Sequence[Callable[[int], object]], seconds: float, *, at_least: int) -> NDArray[np.float64]:
    """Runs all of them, round by round.

    Args:
        contenders: Each is given the number of the round.
        seconds: How long new rounds are begun.
        at_least: Rounds that are made however long they take.

    Returns:
        Milliseconds, float64 `[R, C]`: a row a round, a column a contender.
    """
    rounds: list[list[float]] = []
    end = time.perf_counter() + seconds
    while len(rounds) < at_least or time.perf_counter() < end:
        number, taken = len(rounds), [0.0] * len(contenders)
        # Who goes first changes, so that none always meets a cold cache.
        for turn in range(number, number + len(contenders)):
            which = turn % len(contenders)
            started = time.perf_counter()
            contenders[which](number)
            taken[which] = 1000 * (time.perf_counter() - started)
        rounds.append(taken)
    return np.array(rounds)
