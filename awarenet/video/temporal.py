"""Evidence over time: how unsteady a person's face is from frame to frame.

Each feature is >= 0 and larger where the face is less steady. They are measured in windows of eight frames (see
`awarenet.video.sampling`) and the median over the windows is reported, so that one bad window does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from awarenet.faces import CROP_SCALE, FaceBox, crop_face
from awarenet.video.aggregation import logits
from awarenet.video.sampling import WINDOW

TEMPORAL_FEATURES: Final = ("score_spread", "flicker", "boundary_jitter", "landmark_jitter")
"""Names of the features, in the order of the verdict.

- `score_spread`: standard deviation of the logits of eight scored faces in a row.
- `flicker`: what of the face changes from frame to frame beyond motion, in grey levels; see `flicker`.
- `boundary_jitter`: how much the edges of the face shake, as a share of its side; see `boundary_jitter`.
- `landmark_jitter`: how much the landmarks shake among themselves, as a share of the eye distance; see
  `landmark_jitter`.
"""

NEAR_S = 0.2
"""Frames further apart in seconds are no neighbours: motion between them is no longer small."""

_FLOW_SIDE = 128
"""Side in pixels of the squares that are compared for flicker."""

_FACE = 0.36
"""Semi-axes of the ellipse that counts as the face, as a share of the side of the crop's square."""


@dataclass(frozen=True)
class Moment:
    """A face in one frame of a track.

    Attributes:
        time_s: Time of the frame.
        box: The face.
        flicker: `flicker` since the frame before, where it was measured.
    """

    time_s: float
    box: FaceBox
    flicker: float | None


def flicker(before: NDArray[np.uint8], after: NDArray[np.uint8], box: FaceBox) -> float:
    """What changes in a face from one frame to the next beyond motion, and beyond what changes around it.

    The later frame is warped back by dense inverse search optical flow (Kroeger et al., "Fast Optical Flow using Dense
    Inverse Search", 2016), and what remains is averaged inside the face. The average around the face is taken off, so
    that lighting, noise and compression of the whole frame do not count.

    Args:
        before: The earlier frame, uint8 `[H, W, 3]`, RGB.
        after: The later frame, of the same size.
        box: The face in the earlier frame; the same square is cut from both.

    Returns:
        Grey levels, >= 0.
    """
    first, second = (
        cv2.cvtColor(crop_face(image, box, scale=CROP_SCALE, size=_FLOW_SIDE).face, cv2.COLOR_RGB2GRAY)
        for image in (before, after)
    )
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(first, second, np.empty(0, np.float32))
    columns, rows = np.meshgrid(np.arange(_FLOW_SIDE, dtype=np.float32), np.arange(_FLOW_SIDE, dtype=np.float32))
    source = columns + flow[..., 0], rows + flow[..., 1]
    warped = cv2.remap(second, *source, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    known = (np.minimum(*source) >= 0) & (np.maximum(*source) <= _FLOW_SIDE - 1)
    rest = np.abs(warped.astype(np.float32) - first)
    middle = (_FLOW_SIDE - 1) / 2
    inside = np.hypot(columns - middle, rows - middle) <= _FACE * _FLOW_SIDE
    levels = [float(rest[area & known].mean()) if (area & known).any() else 0.0 for area in (inside, ~inside)]
    return max(0.0, levels[0] - levels[1])


def boundary_jitter(edges: NDArray[np.float64]) -> float:
    """How much the edges of a face shake: the mean second difference over time, as a share of the face's side.

    Steady motion and steady growth have none.

    Args:
        edges: Left, top, right, bottom of the box in neighbouring frames, float64 `[N, 4]`, N >= 3, in pixels.
    """
    side = np.maximum(edges[:, 2] - edges[:, 0], edges[:, 3] - edges[:, 1]).mean()
    return float(np.abs(np.diff(edges, 2, axis=0)).mean() / side)


def landmark_jitter(landmarks: NDArray[np.float64]) -> float:
    """How much the landmarks shake among themselves: the mean second difference, as a share of the eye distance.

    Every frame is first laid over the first one by the best similarity (Umeyama, "Least-squares estimation of
    transformation parameters between two point patterns", 1991), so that moving, turning in the plane and coming
    nearer do not count.

    Args:
        landmarks: Five points as (x, y) in neighbouring frames, float64 `[N, 5, 2]`, N >= 3, in pixels.
    """
    points = landmarks[..., 0] + 1j * landmarks[..., 1]
    centred = points - points.mean(axis=1, keepdims=True)
    # In the complex plane the best similarity is one complex factor.
    factors = (centred.conj() * centred[0]).sum(axis=1) / (np.abs(centred) ** 2).sum(axis=1)
    laid = centred * factors[:, None]
    return float(np.abs(np.diff(laid, 2, axis=0)).mean() / abs(points[0, 1] - points[0, 0]))


def temporal_evidence(moments: Sequence[Moment], probability: NDArray[np.float32]) -> dict[str, float | None]:
    """The features of one track.

    Args:
        moments: The faces of the track in the frames that were looked at, in time order.
        probability: P(fake) of its scored faces, in time order, float32 `[N]`.

    Returns:
        Feature name to value; None where there was too little to measure: fewer than three scored faces, no three
        neighbouring frames, or an engine without landmarks.
    """
    runs = _windows(moments)
    changes = [[moment.flicker for moment in run[1:] if moment.flicker is not None] for run in runs]
    boxes = [np.array([_edges(moment.box) for moment in run]) for run in runs]
    points = [
        np.array([moment.box.landmarks for moment in run], np.float64)
        for run in runs
        if all(moment.box.landmarks is not None for moment in run)
    ]
    scored = logits(probability)
    spans = [scored[start : start + WINDOW] for start in range(0, max(1, len(scored) - WINDOW + 1), WINDOW // 2)]
    return {
        "score_spread": _median([float(span.std(ddof=1)) for span in spans if len(span) >= 3]),
        "flicker": _median([float(np.mean(values)) for values in changes if values]),
        "boundary_jitter": _median([boundary_jitter(edges) for edges in boxes]),
        "landmark_jitter": _median([landmark_jitter(run) for run in points]),
    }


def _windows(moments: Sequence[Moment]) -> list[list[Moment]]:
    """Stretches of neighbouring frames, at least three and at most a window long."""
    stretches: list[list[Moment]] = []
    for moment in moments:
        near = stretches and moment.time_s - stretches[-1][-1].time_s <= NEAR_S
        if near and len(stretches[-1]) < WINDOW:
            stretches[-1].append(moment)
        else:
            stretches.append([moment])
    return [stretch for stretch in stretches if len(stretch) >= 3]


def _edges(box: FaceBox) -> tuple[float, float, float, float]:
    return box.x, box.y, box.x + box.width, box.y + box.height


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None
