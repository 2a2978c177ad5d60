"""What a video codec does to a picture: real H.264, by FFmpeg's own encoder and decoder."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray


def h264(image: NDArray[np.uint8], rate_factor: int) -> NDArray[np.uint8]:
    """A round trip through H.264 as the only frame of a clip.

    FaceForensics++ names its compressions by this number: c23 and c40 (Roessler et al. 2019, section 3).

    Args:
        image: uint8 `[H, W, 3]`, RGB, of even sides.
        rate_factor: x264's constant rate factor, 0 (lossless) to 51.
    """
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width, encoder.pix_fmt = image.shape[0], image.shape[1], "yuv420p"
    encoder.time_base = Fraction(1, 25)
    # One thread: training has processes for its cores, and threads for one frame cost more than they give.
    encoder.options = {"crf": str(rate_factor), "preset": "veryfast", "threads": "1"}
    packets = [*encoder.encode(av.VideoFrame.from_ndarray(image, "rgb24")), *encoder.encode()]
    decoder = av.CodecContext.create("h264", "r")
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return np.asarray(frames[0].to_ndarray(format="rgb24"), np.uint8)
