"""Quality features of a face crop, computed the same way in training and in serving.

NumPy alone, because they run inside the Triton stub.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FLAT = 4
"""Laplacian responses of the 4x luma below this (one grey level) count as flat."""


def _laplacian(faces: NDArray[np.uint8]) -> NDArray[np.int16]:
    """The 4-neighbour Laplacian of 4x the luma (R + 2G + B), int16 `[N, H-2, W-2]`; |values| <= 4080."""
    luma = faces[..., 1].astype(np.int16)
    luma += luma
    luma += faces[..., 0]
    luma += faces[..., 2]
    response = luma[:, 1:-1, 1:-1] * np.int16(-4)
    response += luma[:, :-2, 1:-1]
    response += luma[:, 2:, 1:-1]
    response += luma[:, 1:-1, :-2]
    response += luma[:, 1:-1, 2:]
    return response


def sharpness(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Natural logarithm of 1 + the Laplacian's variance in squared grey levels, float32 `[N]`; low means blurred."""
    response = _laplacian(faces).astype(np.float32) / 4
    variance: NDArray[np.float32] = response.var(axis=(1, 2))
    return np.log1p(variance)


def compression(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Share of pixels with a Laplacian under one grey level, float32 `[N]` in [0, 1].

    Quantisation removes weak high frequencies first, so the share grows with the strength of lossy compression.
    """
    share: NDArray[np.float64] = (np.abs(_laplacian(faces)) < _FLAT).mean(axis=(1, 2))
    return share.astype(np.float32)
