"""What happens to a picture between camera and detector: light, colour, re-scaling, blur, noise, JPEG, H.264.

A degradation is drawn once and applied to both halves of a pair, so that none of it tells the label.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.forgeries.blending import compress
from training.forgeries.video_codec import h264

Image = NDArray[np.uint8]

_LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in luma (ITU-R BT.601)."""


@dataclass(frozen=True)
class Degradation:
    """One drawn chain of degradations; `apply` is a pure function of the picture.

    Attributes:
        tone: What each channel makes of each level, uint8 `[256, 3]`: exposure, white balance and contrast.
        saturation: Distance of colours from grey, as a share: 0 for a grey picture, 1 for no change.
        scale: Side of the picture on its way down, as a share; 1 for none.
        filters: OpenCV interpolations down and up.
        blur: Sigma in pixels; 0 for none.
        noise: Standard deviation in grey levels; 0 for none.
        quality: JPEG quality; None for none.
        rate_factor: H.264's constant rate factor; None for a picture that was never part of a video.
        compress_first: Whether compression comes before re-scaling.
        seed: Of the noise.
    """

    tone: NDArray[np.uint8]
    saturation: float
    scale: float
    filters: tuple[int, int]
    blur: float
    noise: float
    quality: int | None
    rate_factor: int | None
    compress_first: bool
    seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator, difficulty: float) -> Degradation:
        """Draws a chain; the share of pictures that meet each step grows with `difficulty` in [0, 1]."""
        up = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)[rng.integers(2)]
        down = (cv2.INTER_AREA, cv2.INTER_LINEAR)[rng.integers(2)]
        return cls(
            tone=_tone(rng),
            saturation=_saturation(rng),
            scale=float(np.exp(rng.uniform(np.log(0.22), 0.0))) if rng.random() < 0.4 * difficulty else 1.0,
            filters=(down, up),
            blur=float(np.exp(rng.uniform(np.log(0.3), np.log(3.0)))) if rng.random() < 0.25 * difficulty else 0.0,
            noise=rng.uniform(1, 6) if rng.random() < 0.2 * difficulty else 0.0,
            quality=int(rng.integers(30, 101)) if rng.random() < 0.7 * difficulty else None,
            rate_factor=int(rng.integers(18, 42)) if rng.random() < 0.3 * difficulty else None,
            compress_first=bool(rng.random() < 0.5),
            seed=int(rng.integers(1 << 31)),
        )

    def apply(self, image: Image) -> Image:
        """Degrades a picture, uint8 `[H, W, 3]`, RGB."""
        image = np.asarray(cv2.LUT(image, self.tone[None]), np.uint8)
        if self.saturation != 1.0:
            image = np.asarray(cv2.transform(image, self._colour_matrix()), np.uint8)
        if self.blur:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self.blur), np.uint8)
        if self.noise:
            field = np.random.default_rng(self.seed).standard_normal(image.shape, np.float32)
            image = np.asarray(np.clip(image + field * np.float32(self.noise), 0, 255), np.uint8)
        if self.compress_first:
            return self._rescale(self._compress(image))
        return self._compress(self._rescale(image))

    def _colour_matrix(self) -> NDArray[np.float32]:
        return (self.saturation * np.eye(3) + (1 - self.saturation) * np.tile(_LUMA, (3, 1))).astype(np.float32)

    def _compress(self, image: Image) -> Image:
        if self.rate_factor is not None:
            image = h264(image, self.rate_factor)
        return image if self.quality is None else compress(image, self.quality)

    def _rescale(self, image: Image) -> Image:
        if self.scale == 1.0:
            return image
        height, width = image.shape[:2]
        small = cv2.resize(
            image, (round(width * self.scale), round(height * self.scale)), interpolation=self.filters[0]
        )
        return np.asarray(cv2.resize(small, (width, height), interpolation=self.filters[1]), np.uint8)


def _tone(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Light and colour of other rooms and cameras; half of the pictures stay close to what they were."""
    levels = np.linspace(0, 1, 256)[:, None]
    balance = rng.uniform(0.97, 1.03, 3)
    if rng.random() < 0.5:
        balance = balance * np.exp(rng.uniform(-0.18, 0.18, 3))
        levels = (levels ** np.exp(rng.uniform(-0.45, 0.45)) - 0.5) * rng.uniform(0.7, 1.3) + 0.5
        levels = (levels + rng.uniform(-0.08, 0.08)) * np.exp(rng.uniform(-0.45, 0.25))
    return np.clip(levels * balance * 255 + 0.5, 0, 255).astype(np.uint8)


def _saturation(rng: np.random.Generator) -> float:
    """Colours of most pictures stay; some are paler or stronger, and some pictures are grey."""
    chance = rng.random()
    if chance < 0.08:
        return 0.0
    return rng.uniform(0.2, 1.5) if chance < 0.25 else 1.0
