"""Which frames of a clip are looked at: a budget, spent where something changes. Deterministic.

The first look goes over the clip once, in order, and spends half of the budget evenly in time, leaving out frames of
still shots. The second spends the rest between the frames of the first: where the score changes, where the picture
moves, and in scenes that have too few faces to be judged.
"""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

WINDOW: Final = 8
"""Frames in a row that the temporal evidence of one window is taken from."""

WINDOWS: Final = 4
"""Windows a clip, spread evenly over the first look."""

FEW: Final = 3
"""Faces below which a person cannot be judged."""

_STILL = 4.0
"""Grey levels: a picture of which no block differs by more on average is the one that was looked at before."""

_BLOCK = 16
"""Side in pixels of a block of the small frame; a mouth that speaks fills one."""

_MOVES = 0.25
"""What a gap with the most motion is worth, as a change of P(fake)."""

_UNKNOWN = 0.5
"""What a gap is worth, as a change of P(fake), where a face comes or goes, or in a scene with too few faces."""

_NOTHING = 0.02
"""A gap that is worth less, as a change of P(fake), is left alone."""


class FirstLook:
    """Chooses frames while the clip streams by.

    Attributes:
        motion: (Time in seconds, difference from the frame before in grey levels) of every frame so far.
    """

    def __init__(self, times_s: NDArray[np.float64], budget: int) -> None:
        """Plans the frames to look at.

        Args:
            times_s: Presentation time of every frame, float64 `[T]`, ascending, from 0.
            budget: Most frames to score in both looks together, >= 1.
        """
        count = len(times_s) if len(times_s) <= budget else (budget + 1) // 2
        middles = (np.arange(count) + 0.5) / count * float(times_s[-1])
        self._plan = list(range(len(times_s))) if count == len(times_s) else _nearest(times_s, middles)
        self._plan_s = times_s[self._plan].tolist()
        self._next = 0
        self._seen: NDArray[np.uint8] | None = None
        self._in_scene = 0
        self._window_every = max(1, len(self._plan) // WINDOWS)
        self._windows = 0
        self._follow = 0
        self.motion: list[tuple[float, float]] = []

    def choose(self, small: NDArray[np.uint8], time_s: float, motion: float, is_break: bool) -> Choice | None:
        """Decides on the next frame.

        Args:
            small: Its small copy, uint8 `[h, w, 3]`.
            time_s: Its time.
            motion: Its mean difference from the frame before.
            is_break: Whether a scene begins with it, as far as is known.

        Returns:
            What to do with the frame; None where it is not looked at.
        """
        self.motion.append((time_s, motion))
        if is_break:
            self._seen, self._in_scene, self._follow = None, 0, 0
        if self._next < len(self._plan_s) and time_s >= self._plan_s[self._next]:
            number = self._next
            while self._next < len(self._plan_s) and self._plan_s[self._next] <= time_s:
                self._next += 1
            if self._in_scene < FEW or self._seen is None or _change(small, self._seen) > _STILL:
                self._seen = small
                self._in_scene += 1
                if number // self._window_every >= self._windows and self._windows < WINDOWS:
                    self._windows, self._follow = self._windows + 1, WINDOW
                self._follow = max(0, self._follow - 1)
                return Choice(score=True)
        if self._follow:
            self._follow -= 1
            return Choice(score=False)
        return None


@dataclass(frozen=True)
class Choice:
    """What is done with a frame that is looked at.

    Attributes:
        score: Whether its faces are scored; otherwise they are only followed, for the temporal evidence.
    """

    score: bool


def second_look(
    times_s: NDArray[np.float64],
    motion: Sequence[tuple[float, float]],
    breaks_s: Sequence[float],
    looked_at: Sequence[tuple[float, float | None]],
    count: int,
) -> list[float]:
    """Times of the frames that are worth a second look.

    The clip is cut into gaps by the frames that were looked at and by the breaks. Each frame of the second look goes
    into the gap that is worth most, and halves what the gap is worth from then on.

    Args:
        times_s: Time of every frame, float64 `[T]`, ascending.
        motion: (Time, difference from the frame before) of the frames that could be read.
        breaks_s: Times at which nobody can be followed, ascending.
        looked_at: (Time, highest P(fake) of its faces or None without one) of each frame of the first look, ascending.
        count: Most frames to give.

    Returns:
        Times in seconds, ascending; none that was looked at before.
    """
    if count <= 0:
        return []
    gaps = _gaps(times_s, motion, breaks_s, looked_at)
    queue = [(-worth, number) for number, (worth, _, _) in enumerate(gaps) if worth >= _NOTHING]
    heapq.heapify(queue)
    inside = [0] * len(gaps)
    for _ in range(count):
        if not queue:
            break
        worth, number = heapq.heappop(queue)
        inside[number] += 1
        _, first, beyond = gaps[number]
        if inside[number] < beyond - first and -worth / 2 >= _NOTHING:
            heapq.heappush(queue, (worth / 2, number))
    chosen: list[float] = []
    for (_, first, beyond), points in zip(gaps, inside, strict=True):
        places = first + ((np.arange(points) + 0.5) * (beyond - first) / max(1, points)).astype(int)
        chosen += times_s[places].tolist()
    return chosen


def _gaps(
    times_s: NDArray[np.float64],
    motion: Sequence[tuple[float, float]],
    breaks_s: Sequence[float],
    looked_at: Sequence[tuple[float, float | None]],
) -> list[tuple[float, int, int]]:
    """What each gap is worth, and the numbers of its frames: the first and the one after the last."""
    moments = np.array([time for time, _ in motion])
    moved = np.concatenate([[0.0], np.cumsum([value for _, value in motion])])
    edges = [0.0, *(cut for cut in breaks_s if cut > 0), float(times_s[-1]) + 1.0]
    seen_s = [time for time, _ in looked_at]
    found = []
    for start, end in itertools.pairwise(edges):
        mine = looked_at[bisect_left(seen_s, start) : bisect_left(seen_s, end)]
        faces = sum(probability is not None for _, probability in mine)
        poor = faces < FEW
        borders = [(start, None), *mine, (end, None)]
        for place, ((left, before), (right, after)) in enumerate(itertools.pairwise(borders)):
            first = int(np.searchsorted(times_s, left, side="left" if place == 0 else "right"))
            beyond = int(np.searchsorted(times_s, right, side="left"))
            if beyond > first:
                known = [*([before] if place else []), *([after] if place < len(borders) - 2 else [])]
                worth = _difference(before, after) if len(known) == 2 else 0.0
                if poor and (not known or any(value is not None for value in known)):
                    worth = max(worth, _UNKNOWN)
                travel = moved[np.searchsorted(moments, right)] - moved[np.searchsorted(moments, left, side="right")]
                found.append((worth, float(travel), first, beyond))
    most = max((travel for _, travel, _, _ in found), default=0.0) or 1.0
    return [(worth + _MOVES * travel / most, first, beyond) for worth, travel, first, beyond in found]


def _difference(before: float | None, after: float | None) -> float:
    if before is None or after is None:
        return 0.0 if before is after else _UNKNOWN
    return abs(before - after)


def _nearest(times_s: NDArray[np.float64], wanted: NDArray[np.float64]) -> list[int]:
    """Numbers of the frames nearest to these times, each once."""
    right = np.searchsorted(times_s, wanted).clip(1, len(times_s) - 1)
    nearer = np.where(wanted - times_s[right - 1] <= times_s[right] - wanted, right - 1, right)
    return [int(number) for number in np.unique(nearer)]


def _change(small: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The largest mean difference of a block, in grey levels."""
    difference = cv2.absdiff(small, other).max(axis=2)
    height, width = difference.shape
    blocks = max(1, width // _BLOCK), max(1, height // _BLOCK)
    return float(cv2.resize(difference.astype(np.float32), blocks, interpolation=cv2.INTER_AREA).max())
