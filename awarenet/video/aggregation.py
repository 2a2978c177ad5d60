"""The one score of a person from the scores of his faces, with an interval.

There are no learned weights: a track scores the trimmed mean of its faces' logits. Temporal evidence is reported beside
the score and does not enter it, because weights for it would need training clips that the project does not have.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from awarenet.video.sampling import FEW

_TRIMMED = 0.1
"""Share of the faces left out at either end."""

_BLOCKS = 8
"""Most blocks that the interval is computed from."""

_EDGE = 1e-6
"""Probabilities are kept this far from 0 and 1 before their logits are averaged."""


def logits(probability: NDArray[np.float32]) -> NDArray[np.float64]:
    """The finite logits of probabilities in [0, 1], float64 of the same shape."""
    kept = np.clip(probability.astype(np.float64), _EDGE, 1 - _EDGE)
    values: NDArray[np.float64] = np.log(kept / (1 - kept))
    return values


def track_probability(probability: NDArray[np.float32]) -> float:
    """P(fake) of one track: the sigmoid of the trimmed mean (10 % at either end) of the logits of its faces.

    Args:
        probability: P(fake) of each face, float32 `[N]`, N >= 1. A single face keeps its own.
    """
    if len(probability) == 1:
        return float(probability[0])
    return _sigmoid(float(stats.trim_mean(logits(probability), _TRIMMED)))


def interval(probability: NDArray[np.float32]) -> tuple[float, float] | None:
    """The 95 % interval of `track_probability`, or None for fewer than three faces.

    Neighbouring frames are alike, so the faces are cut in time order into at most eight blocks as equal as can be. The
    interval is Student's t over the mean logits of the blocks, put around the logit of the track. It says how much the
    score depends on which frames were looked at, and nothing about how often the models are wrong.

    Args:
        probability: P(fake) of each face in time order, float32 `[N]`.

    Returns:
        Lower and upper bound in [0, 1].
    """
    if len(probability) < FEW:
        return None
    values = logits(probability)
    blocks = np.array([block.mean() for block in np.array_split(values, min(_BLOCKS, len(values)))])
    half = float(stats.t.ppf(0.975, len(blocks) - 1) * blocks.std(ddof=1) / math.sqrt(len(blocks)))
    centre = float(stats.trim_mean(values, _TRIMMED))
    return _sigmoid(centre - half), _sigmoid(centre + half)


def _sigmoid(logit: float) -> float:
    small = math.exp(-abs(logit))
    return 1 / (1 + small) if logit >= 0 else small / (1 + small)
