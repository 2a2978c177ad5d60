"""When the frames of a clip are shown and where decoding can start, found without decoding anything."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

READING_FAILS: Final = (av.error.FFmpegError, ValueError, IndexError)
"""What PyAV raises where media cannot be read on; IndexError where a track begins that no header has announced."""

_LOST = 0.02
"""A clip of which more than this share is missing counts as cut short."""

_INSTANT = 1e-6
"""Seconds that count as no difference."""


@dataclass(frozen=True)
class Timeline:
    """The times of a clip, in units of `base`.

    Attributes:
        base: Seconds per unit.
        times: Presentation times of all frames, int64 `[T]`, T >= 1, ascending.
        keys: Presentation times of the key frames, int64 `[K]`, K >= 1, ascending.
        places: What to seek for to get to each key frame, int64 `[K]`.
        damage: What is wrong with the file, in words; empty where nothing is.
    """

    base: Fraction
    times: NDArray[np.int64]
    keys: NDArray[np.int64]
    places: NDArray[np.int64]
    damage: str

    @property
    def seconds(self) -> NDArray[np.float64]:
        """The times in seconds from the first frame, float64 `[T]`."""
        seconds: NDArray[np.float64] = (self.times - self.times[0]) * float(self.base)
        return seconds

    def middles(self, count: int) -> NDArray[np.int64]:
        """Times at the middles of `count` equal parts of the clip, each the nearest that exists, ascending."""
        return self.nearest((np.arange(count) + 0.5) / count * float(self.seconds[-1]))

    def nearest(self, seconds: NDArray[np.float64]) -> NDArray[np.int64]:
        """The times nearest to these, each once, ascending."""
        known = self.seconds
        right = np.searchsorted(known, seconds).clip(0, len(known) - 1)
        left = np.maximum(right - 1, 0)
        # Halfway between two frames the earlier one is taken, whatever rounding says.
        earlier = seconds - known[left] <= known[right] - seconds + _INSTANT
        chosen: NDArray[np.int64] = self.times[np.unique(np.where(earlier, left, right))]
        return chosen

    def key_before(self, time: int) -> int:
        """Number of the last key frame that is not after `time`, or of the first one."""
        return max(0, int(np.searchsorted(self.keys, time, side="right")) - 1)


def walk(container: InputContainer, video: VideoStream, most: int) -> Timeline | None:
    """Walks over the packets of a track, so that the times are the real ones.

    They are, too, where the header announces none, where the rate varies, and where the end of the file is missing.

    Args:
        container: The opened file, at its start.
        video: The track.
        most: Packets after which the walk ends.

    Returns:
        The timeline, or None where there is no packet at all.
    """
    times: list[int] = []
    keys: dict[int, int] = {}
    packets = 0
    damage = ""
    by_presentation = "matroska" in container.format.name  # its index; that of the others is by decoding time
    try:
        for packet in container.demux(video):
            time = packet.dts if packet.pts is None else packet.pts
            if time is None or packet.size == 0:
                continue
            packets += 1
            if packet.is_discard:
                continue  # Cut away by an edit list; decoders do not show it.
            times.append(time)
            if packet.is_keyframe:
                keys[time] = time if by_presentation or packet.dts is None else packet.dts
            if packets >= most:
                break
    except READING_FAILS:
        damage = "the file is damaged; only the part that could be read was looked at"
    if not times:
        return None
    base = video.time_base or Fraction(1, av.time_base)
    ordered = np.unique(np.array(times, np.int64))
    index = np.array(sorted((keys or {times[0]: times[0]}).items()), np.int64)
    if not damage and packets < most:
        damage = _loss(container, video, packets, float((ordered[-1] - ordered[0]) * base))
    return Timeline(base, ordered, index[:, 0], index[:, 1], damage)


def _loss(container: InputContainer, video: VideoStream, packets: int, seconds: float) -> str:
    """Compares what was read with what the headers announce: frames where they say, seconds otherwise."""
    announced = float(video.duration * video.time_base) if video.duration and video.time_base else 0.0
    whole = announced or (container.duration or 0) / av.time_base
    read, of = (float(packets), float(video.frames)) if video.frames else (seconds, whole)
    if read >= of * (1 - _LOST) - 2 * of / max(2, packets):
        return ""
    return f"the file is cut short: {read / of:.0%} of it could be read, only this was looked at"
