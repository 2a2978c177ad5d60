"""What happens to a picture between camera and detector: re-scaling, blur, noise, colour, JPEG.

A degradation is drawn once and applied to both halves of a pair, so that none of it tells the label.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.forgeries.blending import compress

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Degradation:
    """One drawn chain of degradations; `apply` is a pure function of the picture.

    Attributes:
        gain: Contrast about mid-grey, per channel, float32 `[3]`.
        offset: Brightness in grey levels, per channel, float32 `[3]`.
        scale: Side of the picture on its way down, as a share; 1 for none.
        filters: OpenCV interpolations down and up.
        blur: Sigma in pixels; 0 for none.
        noise: Standard deviation in grey levels; 0 for none.
        quality: JPEG quality; None for none.
        compress_first: Whether compression comes before re-scaling.
        seed: Of the noise.
    """

    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    scale: float
    filters: tuple[int, int]
    blur: float
    noise: float
    quality: int | None
    compress_first: bool
    seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator, difficulty: float) -> Degradation:
        """Draws a chain; the share of pictures that meet each step grows with `difficulty` in [0, 1]."""
        mild = rng.random() < 0.5
        gain = np.full(3, 1.0 if mild else rng.uniform(0.85, 1.15)) * rng.uniform(0.97, 1.03, 3)
        offset = (0.0 if mild else rng.uniform(-15, 15)) + rng.uniform(-4, 4, 3)
        up = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)[rng.integers(2)]
        down = (cv2.INTER_AREA, cv2.INTER_LINEAR)[rng.integers(2)]
        return cls(
            gain=gain.astype(np.float32),
            offset=offset.astype(np.float32),
            scale=rng.uniform(0.5, 1.0) if rng.random() < 0.4 * difficulty else 1.0,
            filters=(down, up),
            blur=rng.uniform(0.3, 1.2) if rng.random() < 0.2 * difficulty else 0.0,
            noise=rng.uniform(1, 6) if rng.random() < 0.2 * difficulty else 0.0,
            quality=int(rng.integers(40, 101)) if rng.random() < 0.7 * difficulty else None,
            compress_first=bool(rng.random() < 0.5),
            seed=int(rng.integers(1 << 31)),
        )

    def apply(self, image: Image) -> Image:
        """Degrades a picture, uint8 `[H, W, 3]`, RGB."""
        ramp = np.arange(256, dtype=np.float32)[:, None]
        table = np.clip((ramp - 128) * self.gain + 128 + self.offset, 0, 255).astype(np.uint8)
        image = np.asarray(cv2.LUT(image, table[None]), np.uint8)
        if self.blur:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self.blur), np.uint8)
        if self.noise:
            field = np.random.default_rng(self.seed).standard_normal(image.shape, np.float32)
            image = np.asarray(np.clip(image + field * np.float32(self.noise), 0, 255), np.uint8)
        if self.compress_first:
            return self._rescale(self._compress(image))
        return self._compress(self._rescale(image))

    def _compress(self, image: Image) -> Image:
        return image if self.quality is None else compress(image, self.quality)

    def _rescale(self, image: Image) -> Image:
        if self.scale == 1.0:
            return image
        height, width = image.shape[:2]
        small = cv2.resize(
            image, (round(width * self.scale), round(height * self.scale)), interpolation=self.filters[0]
        )
        return np.asarray(cv2.resize(small, (width, height), interpolation=self.filters[1]), np.uint8)
