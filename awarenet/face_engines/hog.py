"""dlib's frontal face detector (histograms of oriented gradients): the fallback that needs no download."""

from __future__ import annotations

import math
import threading

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from awarenet.face_engines.search import SIDE, search
from awarenet.faces import FaceBox

# From dlib's square, in units of its side, to YuNet's box: shift of the centre, width, height.
# Medians over pictures on which both find one face; `python -m awarenet.face_engines.calibrate FOLDER` prints them.
SHIFT_X = 0.0
SHIFT_Y = -0.07
WIDTH = 0.91
HEIGHT = 1.27

_LEAST = 80
"""Width of the detector's window in pixels."""

_LEAST_SIDE = 320
"""Pictures are enlarged to this long side, so that the window fits into them several times."""

_BORDER = 0.25
"""Grey added on every side, as a share of the long side, where a face may fill the picture."""

_GREY = (127, 127, 127)
_SURE_SCORE = 1.0

_LEAST_SCORE = 0.1
_WEAK_SCORE = 0.25
"""Distances from dlib's hyperplane: faces score about 1.5, round objects now and then 0 to 0.2. Below the first, a
square never counts; below the second, only where no face is sure."""


def _logistic(score: float) -> float:
    """The score is a distance from a hyperplane; it becomes a confidence in (0, 1)."""
    return 1 / (1 + math.exp(-score))


class HogDetector:
    """The fallback: frontal faces of about 80 pixels and more, no landmarks."""

    name = "hog"

    def __init__(self) -> None:
        self._local = threading.local()

    def detect(self, image: NDArray[np.uint8], *, thorough: bool = True) -> list[FaceBox]:
        """Finds the faces of one picture; see `awarenet.faces.FaceDetector.detect`."""
        return search(image, self._find, least=_LEAST, sure=_logistic(_SURE_SCORE), thorough=thorough)

    def _find(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        ratio = max(1.0, _LEAST_SIDE / max(image.shape[:2]))
        if ratio > 1:
            enlarged = cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_LINEAR)
            image = np.asarray(enlarged, np.uint8)
        border = 0
        squares = self._run(image)
        if not squares and max(image.shape[:2]) <= SIDE:
            border = round(max(image.shape[:2]) * _BORDER)
            framed = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_CONSTANT, value=_GREY)
            squares = self._run(np.asarray(framed, np.uint8))
        return [
            FaceBox(
                x=((left + right) / 2 - border + (SHIFT_X - WIDTH / 2) * (right - left)) / ratio,
                y=((top + bottom) / 2 - border + (SHIFT_Y - HEIGHT / 2) * (bottom - top)) / ratio,
                width=WIDTH * (right - left) / ratio,
                height=HEIGHT * (bottom - top) / ratio,
                score=_logistic(score),
            )
            for left, top, right, bottom, score in squares
        ]

    def _run(self, image: NDArray[np.uint8]) -> list[tuple[int, int, int, int, float]]:
        """Squares as left, top, right, bottom (exclusive) and score."""
        engine: dlib.fhog_object_detector | None = getattr(self._local, "engine", None)
        if engine is None:
            engine = self._local.engine = dlib.get_frontal_face_detector()
        squares, scores, _ = engine.run(np.ascontiguousarray(image), 0, _LEAST_SCORE)
        least = _WEAK_SCORE if any(score >= _SURE_SCORE for score in scores) else _LEAST_SCORE
        return [
            (square.left(), square.top(), square.right() + 1, square.bottom() + 1, float(score))
            for square, score in zip(squares, scores, strict=True)
            if score >= least
        ]
