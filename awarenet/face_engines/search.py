"""The search over scales and turns that both engines share: an engine itself only looks at one small picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from awarenet.faces import CROP_SCALE, POOR_PX, FaceBox, overlap

Image = NDArray[np.uint8]
Find = Callable[[Image], list[FaceBox]]

SIDE = 640
"""Long side in pixels at which a picture is searched first; smaller pictures are taken as they are."""

FINE_SIDE = 1920
"""Long side of the second pass over larger pictures."""

_JUDGED = POOR_PX / CROP_SCALE
"""Faces with fewer source pixels are too poor to judge: a second pass that could only add such faces is left out."""

_NEAR = 2.5
"""A face under so many times the engine's least says that smaller ones may have been missed."""

LEAST_SIDE = 16
"""Pictures with a side below this are not searched: no engine finds a face in them."""

_SAME = 0.4
"""Boxes with a higher intersection over union are one face."""

_INSIDE = 0.7
"""A box with more than this share inside another is a part of the same face."""


def search(image: Image, find: Find, *, least: int, sure: float, thorough: bool) -> list[FaceBox]:
    """Finds small faces in large pictures and faces in pictures that lie on their side.

    The first pass looks at the whole picture at `SIDE`. Where that may have missed faces that are large enough to be
    judged, because it found none or small ones, a second pass at `FINE_SIDE` adds small faces. Where no face is sure,
    the quarter turns compete in the first pass: the engines find a turned face now and then, but with less confidence,
    and its crop would be useless.

    Args:
        image: uint8 `[H, W, 3]`, RGB.
        find: The engine, at one scale: boxes in pixels of the picture it is given.
        least: Side in pixels from which the engine finds faces reliably.
        sure: Score from which a face is taken as upright without comparing turns.
        thorough: Whether to try turns at all.

    Returns:
        Boxes in pixels of `image`, largest first.
    """
    boxes = _upright(image, find, least)
    if thorough and not any(box.score >= sure for box in boxes):
        for turn in (1, 3, 2):
            turned, _ = _at(np.ascontiguousarray(np.rot90(image, turn)), find, SIDE)
            if _best(turned) > _best(boxes):
                boxes = [_turn_back(box, turn, image.shape[0], image.shape[1]) for box in turned]
    return sorted(boxes, key=lambda box: (-box.side, box.x, box.y))


def _upright(image: Image, find: Find, least: int) -> list[FaceBox]:
    boxes, ratio = _at(image, find, SIDE)
    near = _NEAR * least / ratio
    if ratio * _JUDGED < least and ratio < 1 and min((box.side for box in boxes), default=0) < near:
        fine, _ = _at(image, find, FINE_SIDE)
        # Large boxes of the fine pass are parts of faces more often than faces that the first pass missed.
        boxes = suppress(boxes + [box for box in fine if box.side < 2 * near])
    return boxes


def _at(image: Image, find: Find, side: int) -> tuple[list[FaceBox], float]:
    """Boxes found with the long side reduced to `side`, in pixels of `image`, and the reduction (<= 1)."""
    height, width = image.shape[:2]
    ratio = min(1.0, side / max(height, width))
    size = round(width * ratio), round(height * ratio)
    if min(size) < LEAST_SIDE:
        return [], ratio
    small = image if ratio == 1 else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return [_scale(box, width / size[0], height / size[1]) for box in find(small)], ratio


def suppress(boxes: list[FaceBox]) -> list[FaceBox]:
    """Keeps the surest of boxes that show one face."""
    kept: list[FaceBox] = []
    for box in sorted(boxes, key=lambda box: (-box.score, -box.side, box.x, box.y)):
        pairs = (overlap(box, other) for other in kept)
        if all(union <= _SAME and smaller <= _INSIDE for union, smaller in pairs):
            kept.append(box)
    return kept


def _best(boxes: list[FaceBox]) -> float:
    return max((box.score for box in boxes), default=0.0)


def _scale(box: FaceBox, x: float, y: float) -> FaceBox:
    landmarks = None if box.landmarks is None else box.landmarks * np.array([x, y], np.float32)
    return replace(box, x=box.x * x, y=box.y * y, width=box.width * x, height=box.height * y, landmarks=landmarks)


def _turn_back(box: FaceBox, turn: int, height: int, width: int) -> FaceBox:
    """Maps a box found in `np.rot90(image, turn)` to pixels of `image`, `height` x `width`."""
    if turn % 2:
        height, width = width, height  # of the turned picture
    corners = np.array([[box.x, box.y], [box.x + box.width, box.y + box.height]])
    points = corners if box.landmarks is None else np.concatenate([corners, box.landmarks])
    for _ in range(turn):
        # One quarter turn clockwise of a picture `height` high: (x, y) goes to (height - y, x).
        points = np.stack([height - points[:, 1], points[:, 0]], axis=1)
        height, width = width, height
    low, high = points[:2].min(axis=0), points[:2].max(axis=0)
    landmarks = None if box.landmarks is None else points[2:].astype(np.float32)
    (x, y), (width, height) = low.tolist(), (high - low).tolist()
    return FaceBox(x, y, width, height, box.score, landmarks, (box.turn + turn) % 4)
