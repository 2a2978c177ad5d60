"""Traces of generators without a generator: the up-sampling layers of decoders, applied to real faces.

What a synthetic face shares with every other is the path from a small feature map to pixels: zero insertion and a
learned kernel (transposed convolution: checkerboards where the kernel's taps overlap unevenly, Odena et al. 2016),
repeated pixels and a convolution, or pixel shuffling. Each leaves periodic traces (Durall et al. 2020), here written
into a real face by sending it through such a layer with random kernels.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]

_INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_NEAREST, cv2.INTER_LANCZOS4)


def resample(image: Image, factor: float, rng: np.random.Generator) -> Image:
    """Down to `factor` of the size and back up, each way by a random filter."""
    height, width = image.shape[:2]
    small = (max(8, round(width * factor)), max(8, round(height * factor)))
    down = _INTERPOLATIONS[rng.choice(5, p=(0.3, 0.2, 0.35, 0.05, 0.1))]
    up = _INTERPOLATIONS[rng.choice(5, p=(0.4, 0.35, 0.0, 0.1, 0.15))]
    return np.asarray(
        cv2.resize(cv2.resize(image, small, interpolation=down), (width, height), interpolation=up), np.uint8
    )


def decode(image: Image, rng: np.random.Generator, difficulty: float) -> tuple[Image, Image]:
    """Sends a face through a decoder's last up-sampling layers.

    Args:
        image: uint8 `[H, W, 3]`, RGB, of even sides.
        rng: Source of every choice.
        difficulty: In [0, 1]; the unevenness of the random kernels shrinks with it.

    Returns:
        The decoded face and its real twin: the same picture, of the same sharpness, by ordinary filters. Sharpness
        alone must not tell them apart. Both uint8 `[H, W, 3]`.
    """
    height, width = image.shape[:2]
    layers = 1 if rng.random() < 0.7 else 2
    factor = 2**layers
    small = cv2.resize(image, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    # An encoder keeps more than an area filter does: now and then, carry over a share of the lost detail.
    detail = np.float32(rng.uniform(0.3, 0.9) if rng.random() < 0.4 else 0)
    unevenness = rng.uniform(0.5, 1.0) * (1 - 0.6 * difficulty) * 0.35
    layer = (_transposed, _repeated, _shuffled)[rng.integers(3)]
    decoded = np.asarray(small, np.float32)
    for _ in range(layers):
        decoded = layer(decoded, unevenness, rng)
    decoded = np.asarray(cv2.resize(decoded, (width, height)), np.float32)
    plain = cv2.resize(np.asarray(small, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    residual = (image.astype(np.float32) - plain) * detail
    return _to_bytes(decoded + residual), _to_bytes(plain + residual)


def _kernel(unevenness: float, rng: np.random.Generator, size: int) -> Floats:
    """A smooth kernel with random taps around it, `[size, size]`, summing to 1."""
    line = cv2.getGaussianKernel(size, 0.3 * size)
    smooth = (line @ line.T).astype(np.float32)
    smooth *= 1 + unevenness * rng.normal(0, 1, smooth.shape).astype(np.float32)
    return np.asarray(smooth / smooth.sum(), np.float32)


def _transposed(small: Floats, unevenness: float, rng: np.random.Generator) -> Floats:
    """Transposed convolution, stride 2: zero insertion, then a kernel whose phases do not weigh the same."""
    height, width = small.shape[:2]
    sparse = np.zeros((height * 2, width * 2, 3), np.float32)
    sparse[::2, ::2] = small
    kernel = _kernel(unevenness, rng, int(rng.integers(3, 6)))
    # Each of the four phases sees other taps; normalise their mean, not each: the difference is the checkerboard.
    phases = np.array([[kernel[i::2, j::2].sum() for j in range(2)] for i in range(2)], np.float32)
    softened = 1 + (phases / phases.mean() - 1) * min(1.0, unevenness)
    kernel = kernel.copy()
    for i in range(2):
        for j in range(2):
            kernel[i::2, j::2] *= softened[i, j] / phases[i, j]
    return np.asarray(cv2.filter2D(sparse, -1, kernel, borderType=cv2.BORDER_REFLECT_101), np.float32)


def _repeated(small: Floats, unevenness: float, rng: np.random.Generator) -> Floats:
    """Nearest-neighbour enlargement and a 3x3 convolution."""
    large = cv2.resize(small, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.filter2D(large, -1, _kernel(unevenness, rng, 3)), np.float32)


def _shuffled(small: Floats, unevenness: float, rng: np.random.Generator) -> Floats:
    """Pixel shuffle: every pixel of a 2x2 block by a kernel of its own."""
    height, width = small.shape[:2]
    large = np.empty((height * 2, width * 2, 3), np.float32)
    for i in range(2):
        for j in range(2):
            shift = np.array([[1, 0, 0.25 - 0.5 * j], [0, 1, 0.25 - 0.5 * i]], np.float32)
            phase = cv2.warpAffine(small, shift, (width, height), borderMode=cv2.BORDER_REFLECT)
            large[i::2, j::2] = phase * np.float32(1 + 0.08 * unevenness * rng.normal())
    return large


def _to_bytes(image: Floats) -> Image:
    return np.asarray(np.clip(image + 0.5, 0, 255), np.uint8)
