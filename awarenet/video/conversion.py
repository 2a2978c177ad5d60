"""From a decoded frame to the picture that faces are looked for in, for clips and live streams alike."""

from __future__ import annotations

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from awarenet.video.tone import HLG, PQ, to_standard_range


def pixel_aspect(video: VideoStream) -> float:
    """Width of a pixel over its height; 1 where the stream says something absurd."""
    aspect = float(video.sample_aspect_ratio or 1)
    return aspect if 0.25 <= aspect <= 4 else 1.0


def upright(frame: av.VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
    """A frame as a picture: upright, in standard range.

    Args:
        frame: As decoded.
        width: Its width in square pixels, before it is turned.
        height: Its height in square pixels, before it is turned.

    Returns:
        uint8 `[H, W, 3]`, RGB.

    Raises:
        av.error.FFmpegError: It is damaged.
    """
    high_range = int(frame.color_trc or 0) in (PQ, HLG)
    image = frame.reformat(width=width, height=height, format="rgb48le" if high_range else "rgb24").to_ndarray()
    if high_range:
        image = to_standard_range(np.asarray(image, np.uint16), int(frame.color_trc))
    return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90)), np.uint8)
