"""Scene cuts, found while the frames stream by."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect.common import FrameTimecode, Timecode
from scenedetect.detectors import AdaptiveDetector

LONG_SIDE: Final = 256
"""Long side in pixels of the small frames; PySceneDetect's own default."""

_SHORTEST_S = 0.6
"""PySceneDetect's default of 15 frames at 25 frames/s, as time: the rate may vary."""

_BASE = Fraction(1, 1_000_000)

_JUMP = 30.0
"""Mean difference in grey levels from one frame to the next that ends tracks even where it is no cut of a scene: there
may be a cut at every frame, and a detector that compares with the neighbourhood finds none of them."""


def small_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the small copy of a frame that scenes are told apart by; never larger than the frame."""
    ratio = min(1.0, LONG_SIDE / max(width, height))
    return max(2, round(width * ratio)), max(2, round(height * ratio))


class SceneDetector:
    """PySceneDetect's `AdaptiveDetector` with its defaults, fed frame by frame.

    It compares the change of hue, saturation and brightness between two frames with that of the two frames on either
    side, and so is two frames late and blind to the last two.

    Attributes:
        cuts_s: Time in seconds of the first frame of each scene but the first, ascending.
        breaks_s: `cuts_s` and jumps: where nobody can be followed from one frame to the next. Ascending.
    """

    def __init__(self) -> None:
        self.cuts_s: list[float] = []
        self.breaks_s: list[float] = []
        self._detector = AdaptiveDetector(min_scene_len=_SHORTEST_S)
        self._previous: NDArray[np.uint8] | None = None
        self._recent: list[float] = []

    def push(self, small: NDArray[np.uint8], time_s: float) -> float:
        """Looks at the next frame.

        Args:
            small: uint8 `[h, w, 3]`, BGR, as `small_size` says for the first frame; always of one size.
            time_s: Its time in seconds, later than that of the frame before.

        Returns:
            Its mean difference from the frame before in grey levels, in [0, 255]; 0 for the first.
        """
        timecode = FrameTimecode(Timecode(round(time_s / _BASE), _BASE), fps=25.0)
        self._recent = [*self._recent[-4:], time_s]
        for cut in self._detector.process_frame(timecode, small):
            exact = min(self._recent, key=lambda time: abs(time - cut.seconds))
            self.cuts_s.append(exact)
            self._break(exact)
        motion = 0.0 if self._previous is None else float(cv2.absdiff(small, self._previous).mean())
        self._previous = small
        if motion >= _JUMP:
            self._break(time_s)
        return motion

    def _break(self, time_s: float) -> None:
        place = bisect_right(self.breaks_s, time_s)
        if place == 0 or self.breaks_s[place - 1] != time_s:
            self.breaks_s.insert(place, time_s)
