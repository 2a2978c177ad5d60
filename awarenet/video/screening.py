"""Which faces of a clip are worth a score, and why the others are not."""

from __future__ import annotations

from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from awarenet.faces import POOR_PX, FaceCrop
from awarenet.quality import sharpness

Reason = Literal["small", "blurred", "dark", "bright", "turned"]

REASONS: Final[dict[Reason, str]] = {
    "small": "too small",
    "blurred": "too blurred",
    "dark": "too dark",
    "bright": "too bright",
    "turned": "turned too far away",
}
"""Why a face is skipped, in words."""

LEAST_SHARPNESS: Final = 1.0
"""`awarenet.quality.sharpness` below which a face is a smear: a Laplacian variance of about 1.7 squared grey levels."""

DARKEST, BRIGHTEST = 12.0, 245.0
"""Range of the median luma of the middle of the crop, in grey levels. Wide, so that no skin tone falls outside: only
faces of which most is clipped do."""

MOST_TURNED: Final = 0.45
"""How far the nose tip may lie from the middle between the eyes, along the line of the eyes, in units of the longer of
eye distance and the height from the eyes to the mouth. Frontal faces have 0, half profiles about 0.3, profiles 0.5."""


def screen(crop: FaceCrop) -> Reason | None:
    """Says why a face should not be scored; None where it should.

    Args:
        crop: The face. Pose is judged only where its box has landmarks.
    """
    if crop.face_px < POOR_PX:
        return "small"
    margin = len(crop.face) // 4
    middle = crop.face[margin:-margin, margin:-margin]
    level = float(np.median(middle @ np.array([0.299, 0.587, 0.114], np.float32)))
    if level < DARKEST:
        return "dark"
    if level > BRIGHTEST:
        return "bright"
    if crop.box.landmarks is not None and turned(crop.box.landmarks) > MOST_TURNED:
        return "turned"
    return "blurred" if _sharpness(crop) < LEAST_SHARPNESS else None


def _sharpness(crop: FaceCrop) -> float:
    """Sharpness at the resolution of the source: enlarging alone does not make a face a smear."""
    side = round(min(len(crop.face), crop.face_px))
    face = np.asarray(cv2.resize(crop.face, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    return float(sharpness(face[None])[0])


def turned(landmarks: NDArray[np.float32]) -> float:
    """How far a face looks to the side, >= 0; see `MOST_TURNED`.

    Args:
        landmarks: float32 `[5, 2]` as in `awarenet.faces.FaceBox`.
    """
    right, left, nose, *mouth = landmarks.astype(np.float64)
    eyes, centre = left - right, (left + right) / 2
    distance = float(np.hypot(*eyes))
    height = float(np.hypot(*((mouth[0] + mouth[1]) / 2 - centre)))
    if distance == 0 or height == 0:
        return float("inf")
    return abs(float((nose - centre) @ eyes)) / distance / max(distance, height)
