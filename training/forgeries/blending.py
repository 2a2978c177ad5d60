"""Self-blended forgeries: a face blended with an altered copy of itself (Shiohara & Yamasaki 2022).

Source and target are the same picture, so identity, pose and light agree; what remains are the traces of any face
swap: a blending edge, and statistics (colour, sharpness, sampling grid) that differ across it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.forgeries.upsampling import resample

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]

RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
"""Blending ratios: how much of the source shows through where the mask is 1 (Shiohara & Yamasaki 2022, section 3.2)."""


def self_blend(
    image: Image, mask: Floats, rng: np.random.Generator, difficulty: float, *, source: Image | None = None
) -> tuple[Image, Floats]:
    """Blends a picture with an altered copy of itself.

    Args:
        image: uint8 `[H, W, 3]`, RGB.
        mask: float32 `[H, W]` in [0, 1].
        rng: Source of every choice.
        difficulty: In [0, 1]; at 0 the copy is shifted in colour twice and blended in full, at 1 as published.
        source: What takes the place of the masked part, uint8 `[H, W, 3]`; the picture itself by default.

    Returns:
        The forgery, uint8 `[H, W, 3]`, and the mask times the blending ratio that was used.
    """
    ratio = float(rng.choice(RATIOS)) if rng.random() < difficulty else 1.0
    weight = mask * np.float32(ratio)
    source = image if source is None else source
    # Swaps differ from their background in either direction: alter the inner face or the surroundings.
    inner = rng.random() < 0.5
    altered = shift_frequency(shift_colour(source if inner else image, rng), rng)
    if rng.random() >= difficulty:
        altered = shift_colour(altered, rng)
    source, target = (altered, image) if inner else (source, altered)
    if rng.random() < 0.9:
        source = displace(source, rng)
    blended = cv2.blendLinear(source, target, weight, 1 - weight)
    return np.asarray(blended, np.uint8), weight


def shift_colour(image: Image, rng: np.random.Generator) -> Image:
    """Shifts red, green and blue apart, or hue, saturation and value, or brightness and contrast."""
    ramp = np.arange(256, dtype=np.float32)
    kind = int(rng.integers(3))
    if kind == 0:
        table = ramp[:, None] + rng.uniform(-20, 20, 3).astype(np.float32)
        return _look_up(image, table)
    if kind == 1:
        hue, saturation, value = rng.uniform([-10, 0.7, 0.75], [10, 1.3, 1.25])
        hsv = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), np.uint8)
        table = np.stack([(ramp + hue) % 180, ramp * saturation, ramp * value], axis=1)
        return np.asarray(cv2.cvtColor(_look_up(hsv, table), cv2.COLOR_HSV2RGB), np.uint8)
    contrast, brightness = rng.uniform([0.75, -25], [1.25, 25])
    return _look_up(image, np.repeat(((ramp - 128) * contrast + 128 + brightness)[:, None], 3, axis=1))


def shift_frequency(image: Image, rng: np.random.Generator) -> Image:
    """Changes sharpness or sampling grid: softer, sharper, re-sampled, compressed once more, or left alone."""
    kind = int(rng.integers(5))
    if kind == 0:
        return resample(image, rng.uniform(0.35, 0.9), rng)
    if kind == 1:
        soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.6))
        amount = rng.uniform(0.3, 1.2)
        return np.asarray(cv2.addWeighted(image, 1 + amount, soft, -amount, 0), np.uint8)
    if kind == 2:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4)), np.uint8)
    if kind == 3:
        return compress(image, int(rng.integers(40, 95)))
    return image


def displace(image: Image, rng: np.random.Generator) -> Image:
    """Moves and scales by up to 3 and 5 % of the side, as a badly fitted swap would be."""
    height, width = image.shape[:2]
    scale = rng.uniform(0.95, 1.05)
    dx, dy = rng.uniform(-0.03, 0.03, 2) * max(height, width)
    x0, y0 = width / 2, height / 2
    matrix = np.array([[scale, 0, x0 - scale * x0 + dx], [0, scale, y0 - scale * y0 + dy]], np.float32)
    interpolation = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)[rng.integers(2)]
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), flags=interpolation, borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def compress(image: Image, quality: int) -> Image:
    """A JPEG round trip at a quality of 1 to 100."""
    # The channel order does not matter to a round trip that ends as it began, save for chroma: swap it properly.
    encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)


def _look_up(image: Image, table: NDArray[np.float32]) -> Image:
    """Maps each channel by its own table, `[256, 3]`."""
    return np.asarray(cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8)[None]), np.uint8)
