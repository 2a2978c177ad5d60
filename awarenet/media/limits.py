"""How much media one request may bring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from awarenet.errors import MediaError, MediaTooLarge


@dataclass(frozen=True)
class MediaLimits:
    """What is refused before anything is decoded.

    Attributes:
        picture_bytes: Largest picture file.
        clip_bytes: Largest clip file.
        pixels: Most pixels of a picture or of one frame; Pillow's own limit of about 179 million stays above it.
        clip_seconds: Longest clip.
        clip_frames: Most frames of a clip.
    """

    picture_bytes: int = 128 << 20
    clip_bytes: int = 4 << 30
    pixels: int = 64_000_000
    clip_seconds: float = 2 * 3600.0
    clip_frames: int = 500_000

    def check_bytes(self, path: Path, limit: int) -> None:
        """Refuses files that are too large.

        Args:
            path: The file.
            limit: `picture_bytes` or `clip_bytes`.

        Raises:
            MediaTooLarge: It is larger.
            MediaError: It cannot be read.
        """
        if (size := file_size(path)) > limit:
            raise MediaTooLarge(f"{path}: {size:,} bytes, the limit is {limit:,}; make it smaller")

    def check_length(self, path: Path, seconds: float, frames: int) -> None:
        """Refuses clips that are too long.

        Raises:
            MediaTooLarge: They are, in seconds or in frames.
        """
        if seconds > self.clip_seconds:
            raise MediaTooLarge(f"{path}: {seconds:.0f} s long, the limit is {self.clip_seconds:.0f} s; cut it")
        if frames > self.clip_frames:
            raise MediaTooLarge(f"{path}: {frames:,} frames, the limit is {self.clip_frames:,}; cut it")

    def check_pixels(self, path: Path, width: int, height: int) -> None:
        """Refuses pictures and frames with too many pixels.

        Raises:
            MediaTooLarge: width x height is over the limit.
        """
        if width * height > self.pixels:
            raise MediaTooLarge(
                f"{path}: {width} x {height} pixels, the limit is {self.pixels:,} in all; scale it down"
            )


def file_size(path: Path) -> int:
    """Size in bytes of a regular file.

    Raises:
        MediaError: There is no such file, it is not a regular file, or it may not be read.
    """
    try:
        if not path.exists():
            raise MediaError(f"{path}: no such file; check the path")
        if path.is_dir():
            raise MediaError(f"{path}: is a folder; give the files in it")
        if not path.is_file():
            raise MediaError(f"{path}: not a regular file; copy the media into one")
        return path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> MediaError:
    """The error for a file that the system does not let us read."""
    return MediaError(f"{path}: cannot be read ({error.strerror or error}); check its permissions")
