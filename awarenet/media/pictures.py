"""Decoding pictures to upright RGB."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageOps

from awarenet.errors import AwareNetError, DamagedMedia, MediaTooLarge, UnsupportedMedia
from awarenet.media.kinds import sniff
from awarenet.media.limits import MediaLimits

pillow_heif.register_heif_opener()
# Odd metadata is no news to whoever wants a verdict; what cannot be read is an error here.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        image: uint8 `[H, W, 3]`, RGB, upright. Transparent pixels show white; colour profiles are not applied.
        notes: What was left out, in words.
    """

    image: NDArray[np.uint8]
    notes: tuple[str, ...] = ()


def read_picture(path: Path, limits: MediaLimits | None = None) -> Picture:
    """Decodes a picture: JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF; of several images in a file, the first.

    Raises:
        UnsupportedMedia: The content is not a picture of these kinds.
        DamagedMedia: The picture is empty, truncated or corrupt.
        MediaTooLarge: It is over a limit; nothing was decoded.
        MediaError: The file cannot be read.
    """
    limits = limits or MediaLimits()
    limits.check_bytes(path, limits.picture_bytes)
    media = sniff(path)
    if media.kind != "picture":
        raise UnsupportedMedia(f"{path}: a clip where a picture is expected; read it as a clip")
    try:
        with Image.open(path, formats=(media.name,)) as opened:
            limits.check_pixels(path, *opened.size)
            opened.load()
            return Picture(_to_rgb(ImageOps.exif_transpose(opened)), _notes(opened))
    except AwareNetError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise MediaTooLarge(f"{path}: more pixels than the limit of {limits.pixels:,}; scale it down") from error
    except Exception as error:  # Pillow's readers raise whatever a broken file provokes
        reason = " ".join(str(error).split())
        raise DamagedMedia(
            f"{path}: the {media.name} data is truncated or corrupt ({reason}); get a whole copy"
        ) from error


def _notes(image: Image.Image) -> tuple[str, ...]:
    frames = getattr(image, "n_frames", 1)
    animated = frames > 1 and image.format in {"GIF", "PNG", "WEBP", "AVIF", "TIFF"}
    return (f"{frames} images in the file, only the first was looked at",) if animated else ()


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    elif image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in {"I", "F"}:
        image = Image.fromarray(_stretch(np.asarray(image, np.float64)))
    rgb: NDArray[np.uint8] = np.array(image.convert("RGB"))
    return rgb


def _stretch(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """32-bit pixels declare no range: what is there is spread over 0 to 255."""
    finite = np.nan_to_num(values, posinf=0, neginf=0)
    low, high = float(finite.min()), float(finite.max())
    return ((finite - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
