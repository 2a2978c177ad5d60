"""Pictures and clips that tests make: the one real face is the public-domain portrait that comes with scikit-image."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from awarenet.faces import FaceBox

Pixels = NDArray[np.uint8]

ASTRONAUT_FACE = FaceBox(175, 70, 97, 125, 1.0)
"""Where the face is in `astronaut()`, read off the picture by eye: hairline to chin."""


@cache
def astronaut() -> Pixels:
    """A real portrait, uint8 `[512, 512, 3]`, RGB; do not write to it."""
    image: Pixels = skimage.data.astronaut()
    image.setflags(write=False)
    return image


def face() -> Pixels:
    """The astronaut's head and a little around it, uint8 `[160, 160, 3]`."""
    return astronaut()[45:205, 145:305]


def mosaic(rows: int, columns: int, side: int) -> Pixels:
    """The astronaut's face `rows` x `columns` times, each tile `side` pixels."""
    tile = np.asarray(cv2.resize(face(), (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    return np.tile(tile, (rows, columns, 1))


def save(path: Path, image: Pixels | Image.Image, **options: object) -> Path:
    """Writes a picture in the format of its suffix."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(path, **options)
    return path


def save_clip(
    path: Path,
    images: Sequence[Pixels],
    *,
    codec: str = "libx264",
    times: Sequence[int] | None = None,
    key_every: int = 12,
    rotation: int = 0,
    container: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    transfer: int = 2,
) -> Path:
    """Writes a clip.

    Args:
        path: The file; its suffix chooses the container.
        images: The frames, all of one size.
        codec: FFmpeg's name of the encoder.
        times: Presentation time of each frame in 25ths of a second; None for a steady 25 frames/s.
        key_every: Frames between key frames.
        rotation: Degrees counter-clockwise that a player must turn the picture.
        container: FFmpeg's options for the container.
        pixels: FFmpeg's name of the pixel format.
        transfer: Transfer characteristic that the file claims (ITU-T H.273); 2 says nothing.
    """
    with av.open(str(path), "w", options=container or {}) as output:
        stream = output.add_stream(codec, rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.color_trc = transfer
        stream.codec_context.gop_size = key_every
        stream.codec_context.time_base = Fraction(1, 25)
        if codec == "libx264":
            stream.codec_context.options = {"preset": "ultrafast", "bf": "2", "sc_threshold": "0"}
        if rotation:
            stream.set_display_rotation(rotation)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts = index if times is None else times[index]
            frame.time_base = Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path
