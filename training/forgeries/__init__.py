"""Forgeries made from real faces alone, always as a pair of a real and a fake picture under the same degradation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.forgeries.augmentation import Degradation
from training.forgeries.blending import self_blend
from training.forgeries.masks import blend_mask
from training.forgeries.upsampling import decode, resample

__all__ = ["Degradation", "Pair", "forge"]

KINDS = ("blend", "decoded_blend", "decoded")
"""Self-blend; self-blend whose source went through a decoder (a face swap); whole face decoded (a synthetic face)."""

_SHARES = (0.58, 0.15, 0.27)


@dataclass(frozen=True)
class Pair:
    """A real face and a forgery of it.

    Attributes:
        real: uint8 `[S, S, 3]`, RGB.
        fake: uint8 `[S, S, 3]`, RGB.
        mask: How much of each pixel of `fake` is replaced, float32 `[S, S]` in [0, 1].
        kind: One of `KINDS`.
    """

    real: NDArray[np.uint8]
    fake: NDArray[np.uint8]
    mask: NDArray[np.float32]
    kind: str


def forge(
    face: NDArray[np.uint8],
    landmarks: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    difficulty: float = 1.0,
    window: int | None = None,
    decoded: NDArray[np.uint8] | None = None,
    degrade: bool = True,
) -> Pair:
    """Makes a forgery of a face and degrades both alike.

    Args:
        face: uint8 `[S, S, 3]`, RGB, a real face.
        landmarks: Five points in its pixels, float32 `[5, 2]`.
        rng: Source of every choice: the same state gives the same pair.
        difficulty: In [0, 1]: 0 for strong, clean forgeries, 1 for the full range.
        window: Side of a square window in pixels to which the pair is cut, placed where the mask changes most;
            None for the whole face.
        decoded: The face through an autoencoder, uint8 `[S, S, 3]`; where there is one, two in three of the forgeries
            that need a decoder take it, the rest a random up-sampling layer.
        degrade: Whether both are degraded; if not, they are as clean as the face.
    """
    kind = KINDS[rng.choice(len(KINDS), p=_SHARES)]
    size = len(face)
    mask = np.ones((size, size), np.float32) if kind == "decoded" else blend_mask(landmarks, size, rng)
    if window is not None and window < size:
        rows, columns = _place(mask, window, rng)
        face, mask = np.ascontiguousarray(face[rows, columns]), np.ascontiguousarray(mask[rows, columns])
        decoded = None if decoded is None else np.ascontiguousarray(decoded[rows, columns])
    if kind == "blend":
        real = face
        fake, mask = self_blend(face, mask, rng, difficulty)
    else:
        if decoded is None or rng.random() < 0.33:
            decoded, plain = decode(face, rng, difficulty)
        else:
            plain = resample(face, rng.uniform(0.3, 0.7), rng)
        if kind == "decoded":
            # Half of the twins are as soft as the decoded face, half as sharp as the camera made them.
            real, fake = (plain if rng.random() < 0.5 else face), decoded
        else:
            real = face
            fake, mask = self_blend(face, mask, rng, difficulty, source=decoded)
    if not degrade:
        return Pair(real, fake, mask, kind)
    degradation = Degradation.draw(rng, difficulty)
    return Pair(degradation.apply(real), degradation.apply(fake), mask, kind)


def _place(mask: NDArray[np.float32], window: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """Of a few random windows the one in which the mask varies most: where there is a trace to be seen."""
    corners = rng.integers(0, len(mask) - window + 1, (3, 2))
    best = max(corners, key=lambda corner: mask[corner[0] :, corner[1] :][:window:8, :window:8].var())
    return slice(best[0], best[0] + window), slice(best[1], best[1] + window)
