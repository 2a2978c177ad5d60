"""Pairs of a real face and a forgery of it, of people on whom no stage was trained, not degraded yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awarenet.errors import DataError


@dataclass(frozen=True)
class CleanPairs:
    """The pairs, the real faces first.

    Attributes:
        faces: uint8 `[2 P, 256, 256, 3]`, RGB.
        labels: 0 real, 1 fake, `[2 P]`.
        groups: The person, `[2 P]`.
    """

    faces: NDArray[np.uint8]
    labels: NDArray[np.int64]
    groups: NDArray[Any]

    @classmethod
    def of(cls, crops: Path, count: int, seed: int) -> CleanPairs:
        """Draws pairs from the validation split of a crop cache.

        Raises:
            DataError: It holds no real faces for validation.
        """
        from training.crops import CropCache
        from training.loader import make_pair

        cache = CropCache.open(crops)
        rows = np.random.default_rng(seed).permutation(cache.rows("validation", 0))[:count]
        if not len(rows):
            raise DataError(f"{crops} has no real faces in its validation split; give another crop cache")
        made = [make_pair(cache, int(row), np.random.default_rng([seed, row]), degrade=False) for row in rows]
        return cls(
            np.stack([pair.real for pair in made] + [pair.fake for pair in made]),
            np.repeat([0, 1], len(made)),
            np.tile(cache.table["group"].iloc[rows].to_numpy(), 2),
        )
