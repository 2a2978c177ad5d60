"""Small pictures for the report, read again from the files that were scored."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from awarenet.faces import FaceBox, crop_face
from awarenet.media import MediaLimits, read_picture, sniff
from awarenet.verdict import FaceVerdict
from awarenet.video import Clip

_SIDE = 640
_FACE_SIDE = 112
_QUALITY = 78


@dataclass(frozen=True)
class Scene:
    """One picture, or one frame of a clip, made small.

    Attributes:
        uri: The picture as a data URI.
        width: Width of the small picture in pixels.
        height: Height of the small picture in pixels.
        scale: Small pixels per source pixel.
        time_s: Presentation time of the frame; None for pictures.
        faces: Number of each face in the verdict's list and its cut-out as a data URI.
    """

    uri: str
    width: int
    height: int
    scale: float
    time_s: float | None
    faces: dict[int, str]


def scenes(path: Path, faces: Sequence[FaceVerdict], wanted: Sequence[int], limits: MediaLimits) -> list[Scene]:
    """Reads the file once more and makes small what the wanted faces were found in.

    Args:
        path: The file.
        faces: Every face of its verdict.
        wanted: Which of them to show; for a clip their frames are read, for a picture without faces the picture.
        limits: As in detection.

    Raises:
        MediaError: The file can no longer be read.
    """
    if sniff(path).kind == "picture":
        return [_scene(read_picture(path, limits).image, None, faces, wanted)]
    times = sorted({time for index in wanted if (time := faces[index].time_s) is not None}) or [0.0]
    with Clip(path, limits) as clip:
        return [
            _scene(frame.image, frame.time_s, faces, [index for index in wanted if faces[index].time_s == frame.time_s])
            for frame in clip.frames_at(times)
        ]


def _scene(
    image: NDArray[np.uint8], time_s: float | None, faces: Sequence[FaceVerdict], wanted: Sequence[int]
) -> Scene:
    height, width = image.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    cuts = {index: _uri(crop_face(image, FaceBox(*faces[index].box, 1.0), size=_FACE_SIDE).face) for index in wanted}
    return Scene(_uri(small), *size, scale, time_s, cuts)


def _uri(image: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
