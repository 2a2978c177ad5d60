"""Staying within a size: how large a picture may be, given what the process holds already."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final

from awarenet.errors import ConfigurationError
from awarenet.media import MediaLimits

_BYTES_PER_PIXEL: Final = 20
"""What decoding and searching a picture takes at its peak; `tests/integration/test_edge_run.py` holds it to that."""

_RESERVE: Final = 64 << 20
_LEAST_PIXELS: Final = 1_000_000


def resident_bytes() -> int:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def limits_within(cap_bytes: int, held_bytes: int) -> MediaLimits:
    """The media that fit.

    Args:
        cap_bytes: Most memory of the process.
        held_bytes: What it holds once everything is loaded.

    Raises:
        ConfigurationError: Not even a small picture fits.
    """
    pixels = (cap_bytes - held_bytes - _RESERVE) // _BYTES_PER_PIXEL
    if pixels < _LEAST_PIXELS:
        raise ConfigurationError(
            f"{cap_bytes >> 20} MB are too little: {held_bytes >> 20} MB are held once the models are loaded; "
            "give more with --memory"
        )
    return MediaLimits(pixels=min(pixels, MediaLimits().pixels))
