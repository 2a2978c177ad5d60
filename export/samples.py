"""Real faces, and forgeries of them where a set has none, for calibration and for the gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from awarenet.errors import DataError
from training.crops import CropCache
from training.loader import validation_pairs


@dataclass(frozen=True)
class Samples:
    """Labelled faces.

    Attributes:
        faces: uint8 `[N, 256, 256, 3]`, RGB.
        labels: 0 real, 1 fake, int8 `[N]`.
        subsets: Name of the subset of each face, `[N]`.
    """

    faces: NDArray[np.uint8]
    labels: NDArray[np.int8]
    subsets: NDArray[np.str_]

    @classmethod
    def of(cls, crops: Path, split: str | None, *, limit: int, seed: int = 0) -> Samples:
        """Faces of a crop cache.

        Where the split holds real faces alone, each comes with a forgery of it, degraded alike; otherwise the faces are
        what serving would cut.

        Args:
            crops: Folder of the crop cache.
            split: The split, or None for every face.
            limit: About how many faces at most, drawn evenly over the rows.
            seed: Of the forgeries.

        Raises:
            DataError: The folder is no crop cache, or the split is empty.
        """
        cache = CropCache.open(crops)
        rows = cache.rows(split)
        if not len(rows):
            raise DataError(f"crops: {crops} has no face in the split {split!r}; name another split, or none")
        labels = cache.table["label"].to_numpy(np.int8)
        subsets = cache.table["subset"].to_numpy(str)
        if labels[rows].any():
            rows = _spread(rows, limit)
            return cls(np.stack([cache.serving_crop(row) for row in rows]), labels[rows], subsets[rows])
        rows = _spread(rows, max(1, limit // 2))
        draws = max(1, limit // (2 * len(rows)))
        pairs = list(validation_pairs(cache, rows, draws=draws, seed=seed))
        return cls(
            np.stack([face for _, pair in pairs for face in (pair.real, pair.fake)]),
            np.tile(np.array([0, 1], np.int8), len(pairs)),
            np.repeat([subsets[row] for row, _ in pairs], 2),
        )

    @classmethod
    def together(cls, parts: Sequence[Samples]) -> Samples:
        """Several samples as one."""
        return cls(
            np.concatenate([part.faces for part in parts]),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.subsets for part in parts]),
        )


def _spread(rows: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """At most `limit` rows, evenly over the whole."""
    return rows[np.linspace(0, len(rows) - 1, min(limit, len(rows))).round().astype(np.int64)]
