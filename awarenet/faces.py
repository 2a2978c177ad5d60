"""Finding faces and cropping them: one geometry for both engines, one code path for training and serving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from awarenet.stages import FACE_SIZE

CROP_SCALE = 1.3
"""Side of the crop as a multiple of the longer side of the face box."""

POOR_PX = FACE_SIZE // 4
"""A crop with a smaller side in source pixels is too poor to judge: it is listed, but does not carry the verdict."""


MAX_FACES = 256
"""Most faces scored in one picture or frame; the largest are taken."""


@dataclass(frozen=True)
class FaceBox:
    """One detected face in pixels of the picture.

    Attributes:
        x: Left edge; may lie outside the picture.
        y: Top edge.
        width: Width of the box, hairline to chin geometry of YuNet whatever the engine.
        height: Height of the box.
        score: The engine's confidence in [0, 1].
        landmarks: float32 `[5, 2]` (right eye, left eye, nose tip, right and left mouth corner, as (x, y)), or None.
        turn: Quarter turns, counter-clockwise, that make the face upright; 0 in pictures held the right way.
    """

    x: float
    y: float
    width: float
    height: float
    score: float
    landmarks: NDArray[np.float32] | None = None
    turn: int = 0

    @property
    def side(self) -> float:
        """The longer side of the box in pixels."""
        return max(self.width, self.height)


class FaceDetector(Protocol):
    """Finds faces. Implementations are deterministic and may be called from several threads.

    Attributes:
        name: Name of the engine, as verdicts carry it.
    """

    name: str

    def detect(self, image: NDArray[np.uint8], *, thorough: bool = True) -> list[FaceBox]:
        """Finds the faces of one picture.

        Args:
            image: uint8 `[H, W, 3]`, RGB, of any size.
            thorough: Also try the picture turned by quarters where no face is sure; off for frames of a clip, whose
                rotation is known.

        Returns:
            The faces in picture pixels, largest first, in the geometry of YuNet whatever the engine.
        """
        ...


def overlap(first: FaceBox, second: FaceBox) -> tuple[float, float]:
    """Intersection over union, and intersection over the smaller box, both in [0, 1]."""
    width = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    height = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    if width <= 0 or height <= 0:
        return 0.0, 0.0
    shared = width * height
    areas = first.width * first.height, second.width * second.height
    return shared / (sum(areas) - shared), shared / min(areas)


@dataclass(frozen=True)
class FaceCrop:
    """A face as the stages take it.

    Attributes:
        face: uint8 `[256, 256, 3]`, RGB.
        face_px: Side of the crop in source pixels.
        box: Where it was cut.
        to_crop: float32 `[2, 3]`, the affine map from picture to crop coordinates, both counted from the corner of the
            first pixel.
    """

    face: NDArray[np.uint8]
    face_px: float
    box: FaceBox
    to_crop: NDArray[np.float32]

    @property
    def upscaled(self) -> bool:
        """Whether the source had fewer pixels than the crop, so that detail is invented."""
        return self.face_px < FACE_SIZE


def crop_face(image: NDArray[np.uint8], box: FaceBox, *, scale: float = CROP_SCALE, size: int = FACE_SIZE) -> FaceCrop:
    """Cuts the square around a face: `scale` times the box, border replicated, area-filtered down to `size`.

    Args:
        image: The picture, uint8 `[H, W, 3]`, RGB.
        box: The face.
        scale: Side of the square as a multiple of the longer side of the box.
        size: Side of the result in pixels.

    Returns:
        The crop, upright: turned by `box.turn`.
    """
    side = max(2, round(box.side * scale))
    left = round(box.x + box.width / 2 - side / 2)
    top = round(box.y + box.height / 2 - side / 2)
    height, width = image.shape[:2]
    # The columns and rows of the square that exist; the rest repeats the nearest edge.
    x0, x1 = np.clip([left, left + side], [0, 1], [width - 1, width])
    y0, y1 = np.clip([top, top + side], [0, 1], [height - 1, height])
    cut: NDArray[np.uint8] = image[y0:y1, x0:x1]
    pads = (max(0, y0 - top), max(0, top + side - y1), max(0, x0 - left), max(0, left + side - x1))
    if any(pads):
        cut = np.asarray(cv2.copyMakeBorder(cut, *pads, cv2.BORDER_REPLICATE), np.uint8)[:side, :side]
    interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    face = cv2.resize(cut, (size, size), interpolation=interpolation)
    ratio = size / side
    to_crop = np.array([[ratio, 0, -left * ratio], [0, ratio, -top * ratio]], np.float32)
    for _ in range(box.turn % 4):
        face = np.rot90(face)
        # (x, y) of the crop goes to (y, size - x).
        to_crop = np.array([to_crop[1], [0, 0, size] - to_crop[0]], np.float32)
    return FaceCrop(np.ascontiguousarray(face, np.uint8), float(side), box, to_crop)
