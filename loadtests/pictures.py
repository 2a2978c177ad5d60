"""Pictures made on the spot: a real face in the public domain, forgeries of it, several faces, none."""

from __future__ import annotations

import itertools
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from demo import forged
from training.forgeries import forge

Pixels = NDArray[np.uint8]

SIDES: Final = (400, 640, 1024, 1600)
"""Longer side of the pictures in pixels: a thumbnail, a web page's, a messenger's, a telephone's scaled once."""

_SOI: Final = b"\xff\xd8"
_COMMENT: Final = b"\xff\xfe"


def make_pictures(portraits: int, seed: int = 0) -> dict[str, bytes]:
    """Makes JPEG files by name: portraits real and forged, groups of two to four faces, and rooms without anybody.

    Args:
        portraits: How many with one face; a sixth as many groups and as many empty rooms come with them.
        seed: Of every choice.
    """
    from skimage.data import astronaut

    draw = np.random.default_rng(seed)
    real: Pixels = np.asarray(astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    sides = itertools.cycle(SIDES)
    made: dict[str, bytes] = {}
    for number in range(portraits):
        image = _forged(real, draw) if number % 2 else real
        made[f"portrait {number}.jpg"] = _jpeg(_sized(_varied(image, draw), next(sides)), draw)
    for number in range(max(1, portraits // 6)):
        tiles = [_varied(_forged(real, draw) if draw.random() < 0.5 else real, draw) for _ in range(2 + number % 3)]
        made[f"group {number}.jpg"] = _jpeg(_sized(np.concatenate(tiles, axis=1), 640 * len(tiles)), draw)
        made[f"room {number}.jpg"] = _jpeg(_room(next(sides), draw), draw)
    return made


def fresh(jpeg: bytes, number: int) -> bytes:
    """The same picture as bytes that nobody has sent before: a comment of its own, the pixels untouched.

    Args:
        jpeg: The file.
        number: A number that no other copy has.
    """
    text = b"%016x" % number
    return _SOI + _COMMENT + (len(text) + 2).to_bytes(2, "big") + text + jpeg[len(_SOI) :]


def _forged(image: Pixels, draw: np.random.Generator) -> Pixels:
    """The portrait with another forgery each time."""

    def fake(face: Pixels, landmarks: NDArray[np.float32]) -> Pixels:
        return forge(face, landmarks, draw, difficulty=float(draw.uniform(0, 0.6)), degrade=False).fake

    return forged(image, fake)


def _varied(image: Pixels, draw: np.random.Generator) -> Pixels:
    """Lit, softened and turned as another photograph of the same person would be."""
    lit = np.clip(image.astype(np.float32) * draw.uniform(0.5, 1.3), 0, 255).astype(np.uint8)
    soft = np.asarray(cv2.GaussianBlur(lit, (0, 0), draw.uniform(0.3, 2.2)), np.uint8)
    return np.ascontiguousarray(soft[:, ::-1]) if draw.random() < 0.5 else soft


def _sized(image: Pixels, side: int) -> Pixels:
    scale = side / max(image.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=how), np.uint8)


def _room(side: int, draw: np.random.Generator) -> Pixels:
    """A smooth wall with light from one side."""
    corners = draw.uniform(60, 200, (2, 2, 3)).astype(np.float32)
    return np.asarray(cv2.resize(corners, (side, side * 3 // 4)), np.uint8)


def _jpeg(image: Pixels, draw: np.random.Generator) -> bytes:
    quality = int(draw.integers(80, 95))
    _, code = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(code)
