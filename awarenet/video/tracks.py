"""Following people through the frames that were looked at.

Identity-free: where a face is and which colours its crop shows decide, within one scene, and nothing is kept.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from awarenet.faces import FaceBox, overlap

_LEAST_OVERLAP = 0.2
"""Boxes of one person in neighbouring samples overlap at least so much (intersection over union). Low, because seconds
lie between samples; different people rarely overlap at all."""

_LEAST_ALIKE = 0.4
"""Bhattacharyya distance of colours from which two crops show different people. Among 58 clips of FaceForensics++ and
others, crops of one clip were at most 0.25 apart, crops of different clips 0.61 in the middle."""

_SURELY_ALIKE = 0.25
"""Bhattacharyya distance of colours up to which a face that moved away from its last box is taken for the same one."""

_REACH = 3.0
"""How far such a face may have gone, in sides of its box."""

_GROWTH = 1.5
"""How much larger or smaller it may have become."""

_PATIENCE = 8
"""Frames that were looked at without finding a person, after which whoever stands there is somebody new."""

Colours = NDArray[np.float32]


def colours(face: NDArray[np.uint8]) -> Colours:
    """Shares of hue with saturation, and of brightness, of a crop, float32 `[136]` that sum to 1.

    Args:
        face: uint8 `[H, W, 3]`, RGB.
    """
    hsv = cv2.cvtColor(face, cv2.COLOR_RGB2HSV)
    tints = cv2.calcHist([hsv], [0, 1], None, [16, 8], [0, 180, 0, 256])
    shades = cv2.calcHist([hsv], [2], None, [8], [0, 256])
    counts = np.concatenate([tints.ravel(), shades.ravel()]).astype(np.float32)
    shares: Colours = counts / counts.sum()
    return shares


def match(
    boxes: Sequence[FaceBox], last: Mapping[int, FaceBox], alike: Callable[[int, int], bool] | None = None
) -> dict[int, int]:
    """Finds which box continues which track: greedy, best overlap first.

    Args:
        boxes: The boxes of a frame.
        last: Track number to where its face was last.
        alike: Whether the box of an index may continue a track at all; None allows all.

    Returns:
        Index of a box to the track it continues; boxes that continue none are left out.
    """
    pairs = sorted(
        ((overlap(box, last[track])[0], track, index) for index, box in enumerate(boxes) for track in last),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    mine: dict[int, int] = {}
    for shared, track, index in pairs:
        free = shared >= _LEAST_OVERLAP and index not in mine and track not in mine.values()
        if free and (alike is None or alike(index, track)):
            mine[index] = track
    return mine


class Tracker:
    """Numbers people from 0 as they appear, frame by frame."""

    def __init__(self) -> None:
        self._last: dict[int, FaceBox] = {}
        self._colours: dict[int, Colours] = {}
        self._missed: dict[int, int] = {}
        self._count = 0

    def cut(self) -> None:
        """Ends all tracks: whoever comes next is somebody new."""
        self._last.clear()

    def update(self, boxes: Sequence[FaceBox], shown: Sequence[Colours] | None = None) -> list[int]:
        """The track of each box of the next frame that was looked at.

        Args:
            boxes: The faces of the frame.
            shown: The colours of the crop of each; None follows by place alone.
        """

        def alike(index: int, track: int) -> bool:
            if shown is None:
                return True
            distance = cv2.compareHist(shown[index], self._colours[track], cv2.HISTCMP_BHATTACHARYYA)
            return bool(distance < _LEAST_ALIKE)

        mine = match(boxes, self._last, alike)
        if shown is not None:
            mine |= self._moved(boxes, shown, mine)
        for track in list(self._last):
            self._missed[track] = 0 if track in mine.values() else self._missed.get(track, 0) + 1
            if self._missed[track] >= _PATIENCE:
                del self._last[track]
        numbers = []
        for index, box in enumerate(boxes):
            if index not in mine:
                mine[index] = self._count
                self._count += 1
            track = mine[index]
            self._last[track], self._missed[track] = box, 0
            if shown is not None:
                self._colours[track] = shown[index]
            numbers.append(track)
        return numbers

    def _moved(self, boxes: Sequence[FaceBox], shown: Sequence[Colours], mine: Mapping[int, int]) -> dict[int, int]:
        """Faces that moved further than their box between two samples: near, alike, and nobody else it could be."""
        pairs = [
            (index, track)
            for index, box in enumerate(boxes)
            for track, last in self._last.items()
            if index not in mine
            and track not in mine.values()
            and _near(box, last)
            and cv2.compareHist(shown[index], self._colours[track], cv2.HISTCMP_BHATTACHARYYA) < _SURELY_ALIKE
        ]
        once = {
            kind: [number for number, count in Counter(pair[kind] for pair in pairs).items() if count == 1]
            for kind in (0, 1)
        }
        return {index: track for index, track in pairs if index in once[0] and track in once[1]}


def _near(box: FaceBox, last: FaceBox) -> bool:
    away = math.hypot(
        box.x + box.width / 2 - last.x - last.width / 2, box.y + box.height / 2 - last.y - last.height / 2
    )
    sides = sorted((box.side, last.side))
    return away <= _REACH * sides[0] and sides[1] <= _GROWTH * sides[0]
