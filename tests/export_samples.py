"""Faces that are none, for what compares one form of a network with another."""

from __future__ import annotations

import numpy as np

from export.difference import Tolerance
from export.samples import Samples

ANYTHING = Tolerance(score=float("inf"), auc_loss=1.0, flips=1.0)


def light_and_dark() -> Samples:
    """Smooth pictures in two classes, light and dark."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 120, (12, 8, 8, 3))
    coarse[::2] += 110
    faces = coarse.repeat(32, axis=1).repeat(32, axis=2).astype(np.uint8)
    return Samples(faces, np.arange(12).astype(np.int8) % 2, np.full(12, "squares"))
