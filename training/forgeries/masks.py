"""Blending masks from five landmarks: a face outline or a part of it, deformed and softened.

Five points are what both face engines can give. A canonical outline, drawn once in the coordinates of a reference
face, is carried to the picture by the affine map that takes the reference's five points to the detected ones; the
outline's points are then jittered, so that no two masks are alike (Shiohara & Yamasaki 2022, section 3.2, with
landmark hulls in place of 68-point ones).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

REFERENCE = np.array([[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]], np.float32)
"""Right eye, left eye, nose tip, right and left mouth corner of the reference face, float32 `[5, 2]`."""

# Outlines in the reference face's coordinates (112 units wide, chin at y = 118).
_JAW = [(17, 62), (19, 78), (25, 95), (37, 110), (56, 118), (75, 110), (87, 95), (93, 78), (95, 62)]
REGIONS: dict[str, Floats] = {
    name: np.array(points, np.float32)
    for name, points in {
        "face": [*_JAW, (93, 44), (84, 28), (70, 19), (56, 17), (42, 19), (28, 28), (19, 44)],
        "inner_face": [*_JAW, (88, 42), (74, 36), (56, 39), (38, 36), (24, 42)],
        "lower_face": [*_JAW[1:-1], (86, 72), (68, 66), (56, 62), (44, 66), (26, 72)],
        "eyes": [(20, 50), (26, 40), (40, 36), (56, 42), (72, 36), (86, 40), (92, 50), (84, 62), (56, 60), (28, 62)],
        "nose": [(50, 50), (62, 50), (68, 72), (66, 81), (56, 84), (46, 81), (44, 72)],
        "mouth": [(33, 92), (42, 83), (56, 81), (70, 83), (79, 92), (71, 103), (56, 107), (41, 103)],
    }.items()
}
"""Outlines of the face and its parts, float32 `[P, 2]` each, in the coordinates of `REFERENCE`."""

_WEIGHTS = np.array([0.32, 0.32, 0.14, 0.09, 0.05, 0.08])


def fit_reference(landmarks: Floats) -> Floats:
    """The affine map from the reference face to five landmarks, float32 `[2, 3]`, by least squares."""
    homogeneous = np.hstack([REFERENCE, np.ones((5, 1), np.float32)])
    solution, *_ = np.linalg.lstsq(homogeneous, landmarks.astype(np.float32), rcond=None)
    return np.asarray(solution.T, np.float32)


def blend_mask(landmarks: Floats, size: int, rng: np.random.Generator) -> Floats:
    """Draws a soft mask over the face or a part of it.

    Args:
        landmarks: The five points in pixels of the picture, float32 `[5, 2]`.
        size: Side of the square picture in pixels.
        rng: Source of every choice.

    Returns:
        float32 `[size, size]` in [0, 1]; 1 where the source replaces the picture.
    """
    fit = fit_reference(landmarks)
    mask = np.zeros((size, size), np.uint8)
    # Small parts come in ones or twos (eyes and mouth, say); outlines of the face come alone.
    names = list(REGIONS)
    chosen = [names[rng.choice(len(names), p=_WEIGHTS)]]
    if chosen[0] in ("eyes", "nose", "mouth") and rng.random() < 0.5:
        chosen.append(("eyes", "nose", "mouth")[rng.integers(3)])
    for name in chosen:
        outline = REGIONS[name]
        centre = outline.mean(0)
        stretch = rng.uniform(0.88, 1.12, 2)
        jitter = rng.normal(0, 2.0, outline.shape)
        shaped = (outline - centre) * stretch + centre + jitter
        points = shaped @ fit[:, :2].T + fit[:, 2]
        if rng.random() < 0.5:
            points = cv2.convexHull(points.astype(np.float32))[:, 0]
        cv2.fillPoly(mask, [np.round(points).astype(np.int32)], (255,), lineType=cv2.LINE_AA)
    return _soften(_deform(mask, rng), rng)


def _deform(mask: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Elastic deformation: a coarse random displacement field, smoothly enlarged."""
    size = len(mask)
    cells = int(rng.integers(4, 9))
    field = rng.normal(0, size * rng.uniform(0.005, 0.03), (cells, cells, 2)).astype(np.float32)
    field = np.asarray(cv2.resize(field, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
    axis = np.arange(size, dtype=np.float32)
    field[..., 0] += axis
    field[..., 1] += axis[:, None]
    columns, rows = np.ascontiguousarray(field[..., 0]), np.ascontiguousarray(field[..., 1])
    return np.asarray(cv2.remap(mask, columns, rows, cv2.INTER_LINEAR), np.uint8)


def _soften(mask: NDArray[np.uint8], rng: np.random.Generator) -> Floats:
    """Blurs the edge by a width between a hard cut and a tenth of the picture, inwards, outwards or on the line."""
    size = len(mask)
    width = float(size * np.exp(rng.uniform(np.log(0.004), np.log(0.05))))
    soft = _blur(mask.astype(np.float32) / 255, width, rng)
    if rng.random() < 0.5:
        # Shrink or grow: threshold the first blur off its middle, and blur again.
        level = float(rng.choice([0.2, 0.8]))
        soft = _blur((soft > level).astype(np.float32), width * rng.uniform(0.5, 1.0), rng)
    return np.clip(soft, 0, 1)


def _blur(mask: Floats, width: float, rng: np.random.Generator) -> Floats:
    if rng.random() < 0.7:
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(width, 0.5)), np.float32)
    side = 2 * max(1, round(width)) + 1
    return np.asarray(cv2.blur(mask, (side, side)), np.float32)
