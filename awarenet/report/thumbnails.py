"""Small pictures for the report, read again from the files that were scored."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Collection, Sequence
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

Heatmap = Callable[[NDArray[np.uint8], float], NDArray[np.uint8]]
"""A face uint8 `[256, 256, 3]` and the side of its crop in source pixels, to the same face under its heatmap."""


@dataclass(frozen=True)
class Cut:
    """A face cut out and made small.

    Attributes:
        uri: The face as a data URI.
        heatmap: The face under its heatmap as a data URI; None where none was made.
    """

    uri: str
    heatmap: str | None


@dataclass(frozen=True)
class Scene:
    """One picture, or one frame of a clip, made small.

    Attributes:
        uri: The picture as a data URI; None where only its faces are shown.
        width: Width of the small picture in pixels.
        height: Height of the small picture in pixels.
        scale: Small pixels per source pixel.
        time_s: Presentation time of the frame; None for pictures.
        faces: Number of each wanted face in the verdict's list and its cut-out.
    """

    uri: str | None
    width: int
    height: int
    scale: float
    time_s: float | None
    faces: dict[int, Cut]


def scenes(
    path: Path,
    faces: Sequence[FaceVerdict],
    wanted: Sequence[int],
    pictured: Collection[int],
    limits: MediaLimits,
    heatmap: Heatmap | None = None,
    explained: Collection[int] = (),
) -> list[Scene]:
    """Reads the file once more and makes small what the wanted faces were found in.

    Args:
        path: The file.
        faces: Every face of its verdict.
        wanted: Which of them to show; for a clip their frames are read, for a picture without faces the picture.
        pictured: Those whose whole frame is shown.
        limits: As in detection.
        heatmap: Makes heatmaps; None leaves them out.
        explained: Those whose heatmap is made.

    Raises:
        MediaError: The file can no longer be read.
    """

    def scene(image: NDArray[np.uint8], time_s: float | None, mine: Sequence[int]) -> Scene:
        height, width = image.shape[:2]
        scale = min(1.0, _SIDE / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        cuts = {index: _cut(image, faces[index], heatmap if index in explained else None) for index in mine}
        if mine and not any(index in pictured for index in mine):
            return Scene(None, *size, scale, time_s, cuts)
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        return Scene(_uri(small), *size, scale, time_s, cuts)

    if sniff(path).kind == "picture":
        return [scene(read_picture(path, limits).image, None, wanted)]
    times = sorted({time for index in wanted if (time := faces[index].time_s) is not None}) or [0.0]
    with Clip(path, limits) as clip:
        return [
            scene(frame.image, frame.time_s, [index for index in wanted if faces[index].time_s == frame.time_s])
            for frame in clip.frames_at(times)
        ]


def _cut(image: NDArray[np.uint8], face: FaceVerdict, heatmap: Heatmap | None) -> Cut:
    crop = crop_face(image, FaceBox(*face.box, 1.0))
    return Cut(_face_uri(crop.face), _face_uri(heatmap(crop.face, crop.face_px)) if heatmap else None)


def _face_uri(face: NDArray[np.uint8]) -> str:
    size = (_FACE_SIDE, _FACE_SIDE)
    return _uri(np.asarray(cv2.resize(face, size, interpolation=cv2.INTER_AREA), np.uint8))


def _uri(image: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
