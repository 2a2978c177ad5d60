"""What fuzzing begins with: a small picture or clip of every kind that is read, made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from tests.samples import save, save_clip

pillow_heif.register_heif_opener()


def pattern(shift: int = 0, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """A picture that is not flat, so that every part of an encoder has something to do."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 5, columns * 3 + shift * 8, (rows * columns) >> 2], axis=-1).astype(np.uint8)


def write_pictures(folder: Path) -> None:
    """One of each kind, and the odd ones: grey, palette, transparent, 16 bits, animated, turned."""
    image = Image.fromarray(pattern())
    for suffix in ("jpg", "png", "webp", "gif", "bmp", "tif", "heic", "avif"):
        save(folder / f"plain.{suffix}", image)
    save(folder / "progressive.jpg", image, progressive=True)
    save(folder / "lossless.webp", image, lossless=True)
    save(folder / "grey.png", image.convert("L"))
    save(folder / "palette.png", image.convert("P"))
    save(folder / "transparent.png", image.convert("RGBA"))
    save(folder / "deep.png", Image.fromarray(pattern()[..., 0].astype(np.uint16) << 8))
    save(folder / "float.tif", Image.fromarray(pattern()[..., 0].astype(np.float32)))
    save(folder / "packed.tif", image, compression="tiff_lzw")
    frames = [Image.fromarray(pattern(one)) for one in range(3)]
    for suffix in ("gif", "webp", "png"):
        save(folder / f"animated.{suffix}", frames[0], save_all=True, append_images=frames[1:])
    turned = Image.Exif()
    turned[0x0112] = 6
    save(folder / "turned.jpg", image, exif=turned)


def write_clips(folder: Path) -> None:
    """One of each container, and the odd ones: turned, of uneven rhythm, fragmented, of other codecs."""
    frames = [pattern(one) for one in range(6)]
    for suffix in ("mp4", "mov", "mkv", "avi", "flv", "ts"):
        save_clip(folder / f"plain.{suffix}", frames)
    save_clip(folder / "old.mpg", frames, codec="mpeg2video")
    save_clip(folder / "old.avi", frames, codec="mjpeg", pixels="yuvj420p")
    save_clip(folder / "web.webm", frames, codec="libvpx")
    save_clip(folder / "turned.mp4", frames, rotation=90)
    save_clip(folder / "uneven.mp4", frames, times=[0, 1, 5, 6, 20, 21])
    save_clip(folder / "pieces.mp4", frames, container={"movflags": "frag_keyframe+empty_moov"}, key_every=2)
