"""One fuzzing run: bytes that may be a picture or clip go in, and nothing but a verdict's worth or our errors come out.

    python -m tests.fuzz.media pictures|clips CORPUS [libFuzzer's options]

Started by `python -m tests.fuzz`. libFuzzer ends the process at any other exception, at a crash in a decoder, at an
input that takes too long or too much memory, and keeps that input.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import atheris

with atheris.instrument_imports(include=["awarenet.media", "awarenet.video", "PIL", "pillow_heif"]):
    from awarenet.errors import AwareNetError
    from awarenet.media import MediaLimits, read_picture
    from awarenet.video.clips import Clip

LIMITS: Final = MediaLimits(picture_bytes=1 << 20, clip_bytes=1 << 20, pixels=1_000_000, clip_seconds=60)


def pictures(path: Path) -> None:
    """Reads a picture, which must be within its limits."""
    image = read_picture(path, LIMITS).image
    height, width, channels = image.shape
    assert channels == 3 and 0 < height * width <= LIMITS.pixels and image.dtype == "uint8"


def clips(path: Path) -> None:
    """Reads a clip in order and at chosen times; times ascend, and pixels are within their limits."""
    with Clip(path, LIMITS) as clip:
        times = clip.times_s
        assert len(times) and times[0] == 0 and (times[1:] >= times[:-1]).all()
        for frame in itertools.islice(clip.decode(), 40):
            frame.small(48, 27)
            if (whole := frame.full()) is not None:
                assert 0 < whole.image.shape[0] * whole.image.shape[1] <= LIMITS.pixels
        for shown in clip.frames(3):
            assert shown.image.ndim == 3


TARGETS: Final[dict[str, Callable[[Path], None]]] = {"pictures": pictures, "clips": clips}


def main() -> None:
    """Fuzzes until libFuzzer's time is over."""
    target = TARGETS[sys.argv[1]]

    def one(data: bytes) -> None:
        media = os.memfd_create("media", os.MFD_CLOEXEC)
        try:
            os.write(media, data)
            target(Path(f"/proc/self/fd/{media}"))
        except AwareNetError:
            pass
        finally:
            os.close(media)

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
